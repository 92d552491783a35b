//! Events of a type that this release does not know. While a newer release takes over, its services write such events;
//! a page of a feed that holds one is still a page. They are shown as `{"@type": …, "value": base64}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_kernel::Error;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde_json::{Map, json};

use super::json;

const ANY: &str = "google.protobuf.Any";

/// A step from a message to what is within it.
#[derive(Debug, Clone)]
enum Step {
    Field(FieldDescriptor),
    Index(usize),
}

/// What is not known, and where it stands.
struct Unknown {
    path: Vec<Step>,
    type_url: String,
    value: Vec<u8>,
}

/// Prints a message with everything unknown shown as it is. `None` where nothing in it is unknown.
pub(super) fn print(message: &DynamicMessage) -> Option<Result<Vec<u8>, Error>> {
    let mut message = message.clone();
    let mut found = Vec::new();
    take(&mut message, &mut Vec::new(), &mut found);
    if found.is_empty() {
        return None;
    }
    Some(json::serialize(&message).and_then(|printed| put_back(&printed, found)))
}

/// Takes out what is not known. Our contracts hold each `Any` in a field of its own, so a field can be left out.
fn take(message: &mut DynamicMessage, path: &mut Vec<Step>, found: &mut Vec<Unknown>) {
    let fields: Vec<_> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        let Kind::Message(kind) = field.kind() else { continue };
        path.push(Step::Field(field.clone()));
        let inside = match message.get_field_mut(&field) {
            Value::Message(inner) if kind.full_name() == ANY => unknown(inner),
            Value::Message(inner) => {
                take(inner, path, found);
                None
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Value::Message(inner) = item {
                        path.push(Step::Index(index));
                        take(inner, path, found);
                        path.pop();
                    }
                }
                None
            }
            _ => None,
        };
        if let Some((type_url, value)) = inside {
            found.push(Unknown { path: path.clone(), type_url, value });
            message.clear_field(&field);
        }
        path.pop();
    }
}

/// Type and content of an `Any` whose type is not known, or whose content is none of it.
fn unknown(any: &DynamicMessage) -> Option<(String, Vec<u8>)> {
    let type_url = any.get_field_by_name("type_url")?.as_str()?.to_owned();
    let value = any.get_field_by_name("value")?.as_bytes()?.to_vec();
    let name = type_url.rsplit('/').next().unwrap_or_default();
    let pool = any.descriptor().parent_pool().clone();
    let known = pool
        .get_message_by_name(name)
        .is_some_and(|descriptor| DynamicMessage::decode(descriptor, value.as_slice()).is_ok());
    (!known).then_some((type_url, value))
}

fn put_back(printed: &[u8], found: Vec<Unknown>) -> Result<Vec<u8>, Error> {
    let mut whole: serde_json::Value = serde_json::from_slice(printed).map_err(Error::internal)?;
    for Unknown { path, type_url, value } in found {
        let mut place = &mut whole;
        for step in path {
            place = match (step, place) {
                (Step::Field(field), serde_json::Value::Object(object)) => {
                    object.entry(field.json_name()).or_insert(serde_json::Value::Null)
                }
                (Step::Index(index), serde_json::Value::Array(items)) if index < items.len() => &mut items[index],
                _ => return Err(Error::internal("a message was printed in another shape than it has")),
            };
        }
        let shown = [("@type".to_owned(), json!(type_url)), ("value".to_owned(), json!(STANDARD.encode(value)))];
        *place = Map::from_iter(shown).into();
    }
    serde_json::to_vec(&whole).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_contracts::access::POOL;
    use clientele_contracts::platform::v1::{Event, ReadFeedResponse};
    use prost::Message;
    use prost_types::Any;

    fn printed(types: &[(&str, &[u8])]) -> serde_json::Value {
        let event = |(index, (type_url, value)): (usize, &(&str, &[u8]))| Event {
            id: index.to_string(),
            data: Some(Any { type_url: (*type_url).to_owned(), value: value.to_vec() }),
            ..Event::default()
        };
        let page = ReadFeedResponse {
            events: types.iter().enumerate().map(event).collect(),
            head: 9,
            incarnation: String::new(),
        };
        let descriptor = POOL.get_message_by_name("clientele.platform.v1.ReadFeedResponse").unwrap();
        let message = DynamicMessage::decode(descriptor, page.encode_to_vec().as_slice()).unwrap();
        serde_json::from_slice(&json::print(&message).unwrap()).unwrap()
    }

    #[test]
    fn an_event_of_a_newer_release_is_shown_as_it_is_beside_those_that_are_known() {
        let known = clientele_contracts::customers::v1::CustomerDeleted { customer_id: "7".to_owned() }.encode_to_vec();
        let page = printed(&[
            ("/clientele.customers.v1.CustomerDeleted", &known),
            ("/clientele.customers.v9.CustomerCloned", &[8, 1, 255]),
            ("/clientele.customers.v1.CustomerDeleted", &[255, 255]),
        ]);
        let data: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect();
        assert_eq!(data[0]["customerId"], "7");
        assert_eq!(data[1], json!({"@type": "/clientele.customers.v9.CustomerCloned", "value": "CAH/"}));
        assert_eq!(data[2], json!({"@type": "/clientele.customers.v1.CustomerDeleted", "value": "//8="}));
        assert_eq!((page["head"].as_str(), page["events"][1]["id"].as_str()), (Some("9"), Some("1")));
    }
}
