//! From the parts of an HTTP request to the message of a method.

use clientele_kernel::{Error, Violations, error::shorten};
use percent_encoding::percent_decode_str;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::binding::{Binding, Body, Form, REQUEST_ID};
use super::json;
use super::template::FieldPath;

/// The parts of an HTTP request that make up a message.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// Values of the path's variables, decoded, in order.
    pub(crate) variables: &'a [String],
    /// The query as it stands in the address.
    pub(crate) query: &'a str,
    /// The body; empty where there is none.
    pub(crate) body: &'a [u8],
    /// Value of `Idempotency-Key`.
    pub(crate) idempotency_key: Option<&'a str>,
}

/// Puts the message together. Path, query and body fill one JSON object, so that one mapping reads them all and one set
/// of errors names what is wrong.
pub(crate) fn message(binding: &Binding, parts: &Parts<'_>) -> Result<DynamicMessage, Error> {
    let request = binding.method.input();
    let mut object = match &binding.body {
        Body::None => Map::new(),
        // Bytes follow the message, they are no part of it.
        Body::Field(_) if binding.form == Form::Upload => Map::new(),
        Body::Whole if parts.body.is_empty() && binding.wants_body() => {
            let told = "is missing: a JSON object is wanted, `{}` where nothing is to be said";
            return Err(Error::invalid("body", told).with_reason("BODY_MISSING"));
        }
        Body::Whole if parts.body.is_empty() => Map::new(),
        Body::Whole => json::parse(parts.body, "body")?,
        Body::Field(field) => {
            let inner = json::parse(parts.body, field.json_name())?;
            Map::from_iter([(field.json_name().to_owned(), Value::Object(inner))])
        }
    };
    let mut violations = Violations::new();
    query(binding, parts.query, &mut object, &mut violations);
    for (field, value) in binding.template.variables().zip(parts.variables) {
        bind(&mut object, field, &single(field.last(), value), "the path", &mut violations);
    }
    // A method without such a field changes nothing, or the same at each repetition: the key is not needed.
    if let (Some(key), Ok(path)) = (parts.idempotency_key, FieldPath::resolve(&request, REQUEST_ID)) {
        bind(&mut object, &path, &Value::String(key.to_owned()), "the header `Idempotency-Key`", &mut violations);
    }
    violations.into_result()?;
    json::read(&request, object)
}

/// Sets a field that is bound elsewhere than in the body. The body may repeat it, but not contradict it.
fn bind(object: &mut Map<String, Value>, path: &FieldPath, value: &Value, source: &str, violations: &mut Violations) {
    let Some(slot) = slot(object, path) else { return };
    let contradicts = match &*slot {
        Value::Null => false,
        Value::String(text) if text.is_empty() => false,
        other => other != value,
    };
    if contradicts {
        violations.push(path.json_name(), format!("differs from {source}"));
    } else {
        *slot = value.clone();
    }
}

/// The place of a field, made where it is missing. `None` where something in between is no object, which reading the
/// whole will tell.
fn slot<'a>(object: &'a mut Map<String, Value>, path: &FieldPath) -> Option<&'a mut Value> {
    let (last, above) = path.fields().split_last()?;
    let mut within = object;
    for field in above {
        within = match entry(within, field) {
            missing @ Value::Null => {
                *missing = Value::Object(Map::new());
                missing.as_object_mut()?
            }
            other => other.as_object_mut()?,
        };
    }
    Some(entry(within, last))
}

fn entry<'a>(object: &'a mut Map<String, Value>, field: &FieldDescriptor) -> &'a mut Value {
    let key = if object.contains_key(field.name()) { field.name() } else { field.json_name() };
    object.entry(key).or_insert(Value::Null)
}

fn query(binding: &Binding, text: &str, object: &mut Map<String, Value>, violations: &mut Violations) {
    let request = binding.method.input();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            violations.push(shorten(name), "is not UTF-8 once it is decoded");
            continue;
        };
        let path = match FieldPath::resolve(&request, &name) {
            Ok(path) if binding.takes_from_query(&path) => path,
            _ => {
                violations.push(
                    shorten(&name),
                    format!("there is no such parameter; there are {}", known(binding, &request)),
                );
                continue;
            }
        };
        let field = path.last();
        if matches!(field.kind(), Kind::Message(inner) if inner.package_name() != "google.protobuf") || field.is_map() {
            violations.push(path.json_name(), "is a message: give its fields one by one, as `name.field`");
            continue;
        }
        let Some(slot) = slot(object, &path) else { continue };
        let value = single(field, &value);
        match slot {
            Value::Array(items) if field.is_list() => items.push(value),
            slot @ Value::Null if field.is_list() => *slot = Value::Array(vec![value]),
            slot @ Value::Null => *slot = value,
            _ => violations.push(path.json_name(), "is given twice"),
        }
    }
}

/// The canonical mapping reads numbers, moments and enums from text; booleans it does not.
fn single(field: &FieldDescriptor, text: &str) -> Value {
    match (field.kind(), text) {
        (Kind::Bool, "true") => Value::Bool(true),
        (Kind::Bool, "false") => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn known(binding: &Binding, request: &MessageDescriptor) -> String {
    let names: Vec<_> = request
        .fields()
        .filter_map(|field| FieldPath::resolve(request, field.name()).ok())
        .filter(|path| binding.takes_from_query(path))
        .map(|path| path.json_name())
        .collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_contracts::access::POOL;
    use clientele_contracts::customers::v1 as customers;
    use clientele_contracts::orders::v1 as orders;

    fn binding(method: &str) -> Binding {
        let all = Binding::all(&POOL).unwrap();
        all.into_iter().find(|b| b.method.full_name() == format!("clientele.{method}")).unwrap()
    }

    fn fields(result: Result<DynamicMessage, Error>) -> Vec<String> {
        result.unwrap_err().violations.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn path_query_body_and_header_fill_one_message() {
        let update = binding("customers.v1.Customers.UpdateCustomer");
        let parts = Parts {
            variables: &["7".to_owned()],
            query: "updateMask=display_name,phones",
            body: br#"{"displayName":"Ana","etag":"3"}"#,
            idempotency_key: Some("k1"),
        };
        let message: customers::UpdateCustomerRequest = message(&update, &parts).unwrap().transcode_to().unwrap();
        let customer = message.customer.unwrap();
        assert_eq!((customer.id.as_str(), customer.display_name.as_str(), customer.etag.as_str()), ("7", "Ana", "3"));
        assert_eq!(message.update_mask.unwrap().paths, ["display_name", "phones"]);
        assert_eq!(message.request_id, "k1");
    }

    #[test]
    fn a_body_may_repeat_what_the_path_says_but_not_contradict_it() {
        let update = binding("customers.v1.Customers.UpdateCustomer");
        let variables = ["7".to_owned()];
        let with = |body: &'static [u8]| message(&update, &Parts { variables: &variables, body, ..Parts::default() });
        assert!(with(br#"{"id":"7"}"#).is_ok());
        assert!(with(br#"{"id":""}"#).is_ok());
        assert_eq!(fields(with(br#"{"id":"8"}"#)), ["customer.id"]);
    }

    #[test]
    fn queries_hold_lists_enums_moments_booleans_and_numbers() {
        let list = binding("orders.v1.Orders.ListOrders");
        let query = "customer_id=a%20b&statusGroups=STATUS_GROUP_NEW&statusGroups=STATUS_GROUP_COMPLETED\
                     &placedFrom=2026-01-01T00:00:00Z&includeLines=true&pageSize=7&pageToken=x%2By+z";
        let message: orders::ListOrdersRequest =
            message(&list, &Parts { query, ..Parts::default() }).unwrap().transcode_to().unwrap();
        assert_eq!(message.customer_id, "a b");
        assert_eq!(message.status_groups, [1, 3]);
        assert_eq!(message.placed_from.unwrap().seconds, 1_767_225_600);
        assert!(message.include_lines);
        assert_eq!((message.page_size, message.page_token.as_str()), (7, "x+y z"));
    }

    #[test]
    fn what_a_query_cannot_mean_is_refused_with_its_name() {
        let list = binding("orders.v1.Orders.ListOrders");
        let with = |query| message(&list, &Parts { query, ..Parts::default() });
        assert_eq!(fields(with("pagesize=7&nope=1")), ["pagesize", "nope"]);
        assert_eq!(fields(with("pageSize=seven")), ["pageSize"]);
        assert_eq!(fields(with("pageSize=7&pageSize=8")), ["pageSize"]);
        assert_eq!(fields(with("pageSize=")), ["pageSize"]);
        assert_eq!(fields(with("includeLines=yes")), ["includeLines"]);
        assert_eq!(fields(with("statusGroups=DONE")), ["statusGroups[0]"]);
        assert_eq!(fields(with("pageToken=%FF")), ["pageToken"]);
        assert_eq!(fields(with("placedFrom=2026-13-01T00:00:00Z")), ["placedFrom"]);
        assert_eq!(fields(with("placedFrom.seconds=5")), ["placedFrom.seconds"]);
    }

    #[test]
    fn a_command_without_fields_needs_no_body() {
        let cancel = binding("customers.v1.Imports.CancelImport");
        assert!(message(&cancel, &Parts { variables: &["7".to_owned()], ..Parts::default() }).is_ok());
        let find = binding("orders.v1.Orders.FindBuyers");
        assert_eq!(fields(message(&find, &Parts::default())), ["body"]);
        assert!(message(&find, &Parts { body: b"{}", ..Parts::default() }).is_ok());
        let update = binding("customers.v1.Customers.UpdateCustomer");
        assert_eq!(fields(message(&update, &Parts { variables: &["7".to_owned()], ..Parts::default() })), ["customer"]);
    }
}
