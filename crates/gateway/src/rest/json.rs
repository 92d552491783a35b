//! Messages and JSON, by the canonical mapping of protocol buffers.
//!
//! The mapping itself is `prost-reflect`'s. What is added here is what clients need to mend a request: all unknown fields
//! at once, each with its path, the path of a value of the wrong type, and the values an enum has.

use std::collections::BTreeSet;

use clientele_kernel::{Error, Violations, error::shorten};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

use super::template::field_of;
use super::unknown;

/// Beyond it not each whole number has a float of its own: 2 to the 53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Parses the bytes of a body, which must be a JSON object. `place` names it in errors.
pub(crate) fn parse(json: &[u8], place: &str) -> Result<Map<String, Value>, Error> {
    let value = serde_json::from_slice(json)
        .map_err(|error| Error::invalid(place, format!("is not JSON: {error}")).with_reason("INVALID_JSON"))?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(Error::invalid(place, format!("is {}; a JSON object is wanted", kind_of(&other)))),
    }
}

/// Reads a message from a JSON object. Fields that do not exist and enum values that do not exist are all told at once.
pub(crate) fn read(message: &MessageDescriptor, mut object: Map<String, Value>) -> Result<DynamicMessage, Error> {
    let mut violations = Violations::new();
    check_object(&mut object, message, "", &mut violations);
    violations.into_result()?;
    let object = Value::Object(object);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&object, &mut track);
    DynamicMessage::deserialize(message.clone(), tracked).map_err(|error| {
        let path = json_path(message, &track.path().to_string());
        Error::invalid(path, shorten(&error.to_string()))
    })
}

/// Prints a message. Fields without presence are always there, so that a client sees `[]`, `""` and `0` rather than
/// having to know the defaults; what has presence and is not set is left out. What an `Any` holds is shown as it is where
/// its type is not known.
pub(crate) fn print(message: &DynamicMessage) -> Result<Vec<u8>, Error> {
    // Few answers hold anything unknown, so it is looked for only where printing has failed.
    serialize(message).or_else(|error| unknown::print(message).unwrap_or(Err(error)))
}

/// The canonical mapping.
pub(super) fn serialize(message: &DynamicMessage) -> Result<Vec<u8>, Error> {
    let mut json = Vec::with_capacity(512);
    let options = SerializeOptions::new().skip_default_fields(false);
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options)
        .map_err(|error| Error::internal(format!("{} cannot be printed: {error}", descriptor_name(message))))?;
    Ok(json)
}

fn descriptor_name(message: &DynamicMessage) -> String {
    prost_reflect::ReflectMessage::descriptor(message).full_name().to_owned()
}

/// The path of a field within a message, its names as JSON spells them: `customer.display_name` becomes
/// `customer.displayName`. What leads nowhere stays as it is.
pub(crate) fn json_path(message: &MessageDescriptor, path: &str) -> String {
    let mut within = Some(message.clone());
    let mut spelled = Vec::new();
    for part in path.split('.') {
        let (name, index) = part.split_at(part.find('[').unwrap_or(part.len()));
        let field = within.as_ref().and_then(|message| field_of(message, name));
        within = field.as_ref().and_then(inner_message);
        spelled.push(match field {
            Some(field) => format!("{}{index}", field.json_name()),
            None => part.to_owned(),
        });
    }
    spelled.join(".")
}

/// The message a field holds, one or several; not that of a map or of a well-known type, which JSON spells otherwise.
fn inner_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(inner) if !field.is_map() && inner.package_name() != "google.protobuf" => Some(inner),
        _ => None,
    }
}

fn check_object(object: &mut Map<String, Value>, message: &MessageDescriptor, place: &str, found: &mut Violations) {
    let mut seen = BTreeSet::new();
    for (key, value) in object {
        let Some(field) = field_of(message, key) else {
            found.push(join(place, &shorten(key)), "there is no such field");
            continue;
        };
        let place = join(place, field.json_name());
        if !seen.insert(field.number()) {
            found.push(place, "is given twice, in both spellings of its name");
            continue;
        }
        match value {
            Value::Array(items) if field.is_list() => {
                for (index, item) in items.iter_mut().enumerate() {
                    check_value(item, &field, &format!("{place}[{index}]"), found);
                }
            }
            value => check_value(value, &field, &place, found),
        }
    }
}

fn check_value(value: &mut Value, field: &FieldDescriptor, place: &str, found: &mut Violations) {
    match (field.kind(), value) {
        (Kind::Message(mask), Value::String(paths)) if mask.full_name() == "google.protobuf.FieldMask" => {
            *paths = camel_case(paths);
        }
        (Kind::Message(_), Value::Object(object)) => {
            if let Some(inner) = inner_message(field) {
                check_object(object, &inner, place, found);
            }
        }
        (Kind::Enum(known), Value::String(name)) if known.get_value_by_name(name).is_none() => {
            found.push(place, format!("`{}` is none of {}", shorten(name), names_of(&known)));
        }
        // What is beyond 64 bits comes as the nearest float, and the nearest float of a number just outside is inside.
        (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64, Value::Number(number))
            if number.as_f64().is_some_and(|near| number.is_f64() && near.abs() >= EXACT) =>
        {
            found.push(place, format!("`{number}` may not be the number that is meant: write one so large as text"));
        }
        _ => {}
    }
}

fn names_of(known: &EnumDescriptor) -> String {
    let names: Vec<_> = known.values().map(|value| value.name().to_owned()).collect();
    names.join(", ")
}

/// The canonical mapping spells masks in camelCase only; clients that send the names of the proto file mean the same.
fn camel_case(paths: &str) -> String {
    let mut camel = String::with_capacity(paths.len());
    let mut raise = false;
    for letter in paths.chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                camel.push(letter.to_ascii_uppercase());
                raise = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_contracts::access::POOL;

    fn message(name: &str) -> MessageDescriptor {
        POOL.get_message_by_name(&format!("clientele.{name}")).unwrap()
    }

    fn read_text(name: &str, json: &str) -> Result<DynamicMessage, Error> {
        read(&message(name), parse(json.as_bytes(), "body")?)
    }

    fn printed(name: &str, json: &str) -> Value {
        serde_json::from_slice(&print(&read_text(name, json).unwrap()).unwrap()).unwrap()
    }

    fn fields(error: Error) -> Vec<String> {
        error.violations.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn fields_that_do_not_exist_are_all_named_with_their_paths() {
        let json = r#"{"displayName":"A","nick":"x","phones":[{"number":"1"},{"nmber":"2"}]}"#;
        let error = read_text("customers.v1.Customer", json).unwrap_err();
        assert_eq!(fields(error), ["nick", "phones[1].nmber"]);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_its_path() {
        for (json, path) in [
            (r#"{"displayName":5}"#, "displayName"),
            (r#"{"phones":[{"number":"1"},{"number":true}]}"#, "phones[1].number"),
            (r#"{"phones":{}}"#, "phones"),
            (r#"{"phones":[7]}"#, "phones[0]"),
            (r#"{"registered_at":"yesterday"}"#, "registeredAt"),
            (r#"{"hiddenPhones":99999999999}"#, "hiddenPhones"),
        ] {
            let error = read_text("customers.v1.Customer", json).unwrap_err();
            assert_eq!(fields(error), [path], "{json}");
        }
    }

    #[test]
    fn an_enum_value_that_does_not_exist_is_answered_with_those_that_do() {
        let error = read_text("customers.v1.Customer", r#"{"kind":"DOG"}"#).unwrap_err();
        assert!(error.message.contains("CUSTOMER_KIND_PERSON, CUSTOMER_KIND_COMPANY"), "{error}");
    }

    #[test]
    fn both_spellings_of_names_and_masks_are_understood() {
        let camel = read_text("customers.v1.UpdateCustomerRequest", r#"{"updateMask":"displayName,phones"}"#).unwrap();
        let snake =
            read_text("customers.v1.UpdateCustomerRequest", r#"{"update_mask":"display_name,phones"}"#).unwrap();
        assert_eq!(camel, snake);
        let twice = read_text("customers.v1.Customer", r#"{"displayName":"a","display_name":"b"}"#);
        assert_eq!(fields(twice.unwrap_err()), ["displayName"]);
    }

    #[test]
    fn what_is_not_a_json_object_is_refused() {
        for body in ["", "{", "null", "[]", "\"text\"", "{\"a\":1}x", "{\"a\":1e999}", "\u{0}", "{\"a\u{0}\":1}"] {
            assert!(read_text("customers.v1.Customer", body).is_err(), "{body:?}");
        }
        assert!(parse(b"{\"displayName\":\"\xff\"}", "body").is_err());
        let deep = "{\"phones\":".to_owned() + &"[".repeat(100_000) + &"]".repeat(100_000) + "}";
        assert!(read_text("customers.v1.Customer", &deep).is_err());
    }

    #[test]
    fn whole_numbers_of_64_bits_travel_as_text_without_loss() {
        let money = printed("platform.v1.Money", r#"{"minor":"9223372036854775807","currency":"EUR"}"#);
        assert_eq!(money["minor"], "9223372036854775807");
        assert_eq!(printed("platform.v1.Money", r#"{"minor":12}"#)["minor"], "12");
        assert!(read_text("platform.v1.Money", r#"{"minor":"9223372036854775808"}"#).is_err());
        assert_eq!(printed("platform.v1.Money", r#"{"minor":-9223372036854775808}"#)["minor"], "-9223372036854775808");
        assert_eq!(printed("platform.v1.Money", r#"{"minor":1.2e3}"#)["minor"], "1200");
    }

    #[test]
    fn a_number_just_beyond_64_bits_is_not_taken_for_its_neighbour_within() {
        for minor in ["-9223372036854775809", "9223372036854775808", "1e18", "-1e300"] {
            let error = read_text("platform.v1.Money", &format!(r#"{{"minor":{minor}}}"#)).unwrap_err();
            assert_eq!(fields(error), ["minor"], "{minor}");
        }
    }

    #[test]
    fn what_has_a_default_is_always_printed_and_what_has_presence_only_when_set() {
        let customer = printed("customers.v1.Customer", "{}");
        assert_eq!(customer["displayName"], "");
        assert_eq!(customer["phones"], Value::Array(Vec::new()));
        assert_eq!(customer["kind"], "CUSTOMER_KIND_UNSPECIFIED");
        assert!(customer.get("createdAt").is_none());
        let figures = printed("analytics.v1.Figures", "{}");
        assert!(figures.get("meanDaysBetween").is_none());
        assert!(figures.get("gross").is_none());
    }

    #[test]
    fn an_event_of_a_feed_is_printed_with_its_type_and_its_fields() {
        let created = clientele_contracts::customers::v1::CustomerCreated::default();
        let event = clientele_contracts::platform::v1::Event {
            data: Some(prost_types::Any::from_msg(&created).unwrap()),
            ..clientele_contracts::platform::v1::Event::default()
        };
        let bytes = prost::Message::encode_to_vec(&event);
        let event = DynamicMessage::decode(message("platform.v1.Event"), bytes.as_slice()).unwrap();
        let printed: Value = serde_json::from_slice(&print(&event).unwrap()).unwrap();
        assert!(printed["data"]["@type"].as_str().unwrap().ends_with("clientele.customers.v1.CustomerCreated"));
        assert!(printed["data"].as_object().unwrap().len() > 1, "{printed}");
    }

    #[test]
    fn paths_are_spelled_as_json_spells_them() {
        let request = message("customers.v1.UpdateCustomerRequest");
        assert_eq!(json_path(&request, "customer.display_name"), "customer.displayName");
        assert_eq!(json_path(&request, "customer.phones[3].duplicate_count"), "customer.phones[3].duplicateCount");
        assert_eq!(json_path(&request, "no.such_thing[1]"), "no.such_thing[1]");
        assert_eq!(json_path(&request, ""), "");
    }
}
