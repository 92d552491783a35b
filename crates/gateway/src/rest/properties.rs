//! What holds for every method of the contracts and any content: messages survive the way to JSON and queries and back,
//! and nothing a client sends makes the gateway panic.

use clientele_contracts::access::POOL;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use serde_json::{Map, json};

use super::binding::{Binding, Body};
use super::json;
use super::request::{self, Parts};
use super::table::Table;
use super::template::FieldPath;

/// Characters that mean something to JSON, addresses or databases, and some that take several bytes.
const LETTERS: [char; 20] =
    ['a', 'Z', '0', '_', '.', ',', ':', '/', '%', '&', '=', '+', ' ', '"', '\\', '\0', '\n', 'é', 'Я', '😀'];

/// Bytes that choices are made by; zero once they are used up, which makes the simplest choice.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn text(&mut self) -> String {
        (0..self.below(6)).map(|_| LETTERS[self.below(LETTERS.len())]).collect()
    }
}

fn message(descriptor: &MessageDescriptor, choices: &mut Choices<'_>, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = choices.number().rem_euclid(315_537_897_600) - 62_135_596_800;
            let nanos = i32::try_from(choices.number().rem_euclid(1_000_000_000)).unwrap();
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(nanos));
        }
        "google.protobuf.FieldMask" => {
            let paths = ["display_name", "phones", "customer.manager_id"];
            let paths = (0..choices.below(3)).map(|_| Value::String(paths[choices.below(3)].to_owned())).collect();
            message.set_field_by_name("paths", Value::List(paths));
        }
        _ => {
            for field in descriptor.fields() {
                let is_any = matches!(field.kind(), Kind::Message(inner) if inner.full_name() == "google.protobuf.Any");
                if is_any || choices.below(2) == 0 {
                    continue;
                }
                let value = if field.is_map() {
                    map(&field, choices, depth)
                } else if field.is_list() {
                    Value::List((0..choices.below(3)).map(|_| value(&field, choices, depth)).collect())
                } else {
                    value(&field, choices, depth)
                };
                message.set_field(&field, value);
            }
        }
    }
    message
}

fn map(field: &FieldDescriptor, choices: &mut Choices<'_>, depth: usize) -> Value {
    let entry = field.kind().as_message().unwrap().clone();
    let entries = (0..choices.below(3))
        .map(|_| (MapKey::String(choices.text()), value(&entry.map_entry_value_field(), choices, depth)));
    Value::Map(entries.collect())
}

fn value(field: &FieldDescriptor, choices: &mut Choices<'_>, depth: usize) -> Value {
    match field.kind() {
        Kind::Bool => Value::Bool(choices.below(2) == 1),
        Kind::String => Value::String(choices.text()),
        Kind::Int32 => Value::I32(i32::from_le_bytes(std::array::from_fn(|_| choices.byte()))),
        Kind::Int64 => Value::I64(choices.number()),
        Kind::Bytes => Value::Bytes((0..choices.below(6)).map(|_| choices.byte()).collect::<Vec<_>>().into()),
        Kind::Double => Value::F64(f64::from(i32::from_le_bytes(std::array::from_fn(|_| choices.byte()))) / 8.0),
        Kind::Enum(known) => {
            let values: Vec<_> = known.values().collect();
            Value::EnumNumber(values[choices.below(values.len())].number())
        }
        Kind::Message(inner) if depth > 0 => Value::Message(message(&inner, choices, depth - 1)),
        Kind::Message(inner) => Value::Message(DynamicMessage::new(inner)),
        other => panic!("{} is of {other:?}, which no message of ours holds so far", field.full_name()),
    }
}

/// JSON that resembles what the message wants, with wrong types and names here and there.
fn nonsense(descriptor: Option<&MessageDescriptor>, choices: &mut Choices<'_>, depth: usize) -> serde_json::Value {
    match choices.below(if depth == 0 { 6 } else { 9 }) {
        0 => serde_json::Value::Null,
        1 => json!(choices.number()),
        2 => json!(choices.below(2) == 1),
        3 => json!(choices.text()),
        4 => json!(f64::from_bits(choices.number().cast_unsigned())),
        5 => json!(choices.number().to_string()),
        6 => (0..choices.below(3)).map(|_| nonsense(descriptor, choices, depth - 1)).collect(),
        _ => {
            let fields: Vec<_> = descriptor.into_iter().flat_map(MessageDescriptor::fields).collect();
            let mut object = Map::new();
            for field in fields {
                if choices.below(2) == 1 {
                    let inner = field.kind().as_message().cloned();
                    object.insert(field.json_name().to_owned(), nonsense(inner.as_ref(), choices, depth - 1));
                }
            }
            if choices.below(8) == 7 {
                object.insert(choices.text(), nonsense(None, choices, depth - 1));
            }
            object.into()
        }
    }
}

/// The query that gives a message's fields as far as the binding takes them from there.
fn query(binding: &Binding, message: &DynamicMessage) -> String {
    let printed: Map<_, _> = serde_json::from_slice(&json::print(message).unwrap()).unwrap();
    let mut pairs = Vec::new();
    for (name, value) in printed {
        let path = FieldPath::resolve(&binding.method.input(), &name).unwrap();
        if !binding.takes_from_query(&path) {
            continue;
        }
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value]);
        pairs.extend(values.into_iter().map(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC))
        }));
    }
    pairs.join("&")
}

/// The message as it arrives. Bytes would not do to compare: the entries of a map have no order.
fn sent(message: &DynamicMessage) -> DynamicMessage {
    DynamicMessage::decode(message.descriptor(), message.encode_to_vec().as_slice()).unwrap()
}

fn bindings() -> Vec<Binding> {
    Binding::all(&POOL).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_message_of_every_method_survives_the_way_to_json_and_back(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for binding in bindings() {
            for descriptor in [binding.method.input(), binding.method.output()] {
                let before = message(&descriptor, &mut Choices(bytes.iter()), 3);
                let printed = json::print(&before).unwrap();
                let after = json::read(&descriptor, json::parse(&printed, "body").unwrap()).unwrap();
                prop_assert_eq!(sent(&before), sent(&after), "{}", String::from_utf8_lossy(&printed));
            }
        }
    }

    #[test]
    fn every_request_without_a_body_of_its_own_survives_the_way_through_a_query(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for binding in bindings().iter().filter(|binding| matches!(binding.body, Body::None)) {
            let mut before = message(&binding.method.input(), &mut Choices(bytes.iter()), 1);
            let mut variables = Vec::new();
            for path in binding.template.variables() {
                let field = path.last();
                let (value, text) = match field.kind() {
                    Kind::Int32 => (Value::I32(7), "7"),
                    _ => (Value::String("a/b?".to_owned()), "a/b?"),
                };
                before.set_field(field, value);
                variables.push(text.to_owned());
            }
            let query = query(binding, &before);
            let parts = Parts { variables: &variables, query: &query, ..Parts::default() };
            let after = request::message(binding, &parts).unwrap();
            prop_assert_eq!(sent(&before), sent(&after), "{}", query);
        }
    }

    #[test]
    fn whatever_is_sent_is_understood_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        for binding in bindings() {
            let variables: Vec<_> = binding.template.variables().map(|_| text.clone()).collect();
            let input = binding.method.input();
            let wanted = match &binding.body {
                Body::Field(field) => field.kind().as_message().cloned(),
                _ => Some(input),
            };
            let resembling = nonsense(wanted.as_ref(), &mut Choices(bytes.iter()), 4).to_string();
            for body in [bytes.as_slice(), text.as_bytes(), resembling.as_bytes()] {
                let parts = Parts { variables: &variables, query: &text, body, idempotency_key: Some(&text) };
                if let Err(error) = request::message(&binding, &parts) {
                    prop_assert!(!error.violations.is_empty(), "{error}");
                }
            }
        }
    }

    #[test]
    fn any_path_leads_somewhere_or_nowhere(path in "(/v1)?(/(customers|:|%2F|%|[a-zA-Zа-я]{0,4}|\\PC{0,3})){0,6}(:[a-z]{0,9})?") {
        let table = Table::new(bindings()).unwrap();
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let _ = table.find(&method, &path);
        }
    }
}
