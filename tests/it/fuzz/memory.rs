//! What the services have answered, so that later messages speak of what exists.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// So many values are kept of each sort; the oldest give way.
const MOST: usize = 40;
/// Larger messages are not kept, in bytes.
const LARGEST: usize = 20_000;
/// Longer texts are no ids, names or tokens.
const LONGEST: usize = 300;

/// Values by what they are: `customer_id`, `etag`, and whole messages by their type.
#[derive(Default)]
pub(super) struct Memory {
    values: BTreeMap<String, Vec<String>>,
    messages: BTreeMap<String, Vec<DynamicMessage>>,
    spared: BTreeSet<String>,
    hidden: Vec<String>,
}

impl Memory {
    /// Is never spoken of.
    pub(super) fn spare(&mut self, value: &str) {
        self.spared.insert(value.to_owned());
    }

    /// Neither is anything that holds this text.
    pub(super) fn spare_with(&mut self, text: &str) {
        self.hidden.push(text.to_owned());
    }

    fn is_spared(&self, value: &str) -> bool {
        self.spared.contains(value) || self.hidden.iter().any(|text| value.contains(text))
    }

    /// The id of something of this kind, for instance `customer`.
    pub(super) fn note_id(&mut self, kind: &str, id: &str) {
        self.keep(format!("{kind}_id"), id);
    }

    pub(super) fn note(&mut self, message: &DynamicMessage) {
        let kind = message.descriptor();
        if kind.package_name().starts_with("google.") {
            return;
        }
        let encoded = message.encode_to_vec();
        let hidden = self.hidden.iter().any(|text| holds(&encoded, text));
        let spared =
            hidden || message.fields().any(|(_, value)| value.as_str().is_some_and(|text| self.is_spared(text)));
        // What is large is not worth the room, and larger ones would be made of it.
        if !spared && encoded.len() <= LARGEST {
            keep(self.messages.entry(kind.full_name().to_owned()).or_default(), message.clone());
        }
        let own = snake(kind.name());
        for (field, value) in message.fields() {
            let name = match field.name() {
                "id" => format!("{own}_id"),
                "next_page_token" => "page_token".to_owned(),
                other => other.strip_suffix("_ids").map_or_else(|| other.to_owned(), |stem| format!("{stem}_id")),
            };
            match value {
                Value::String(text) => self.keep(name, text),
                Value::Message(inner) => self.note(inner),
                Value::List(items) => {
                    for item in items.iter().take(MOST) {
                        match item {
                            Value::String(text) => self.keep(name.clone(), text),
                            Value::Message(inner) => self.note(inner),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn keep(&mut self, name: String, value: &str) {
        if !value.is_empty() && value.len() <= LONGEST && !self.is_spared(value) {
            keep(self.values.entry(name).or_default(), value.to_owned());
        }
    }

    /// What is known under this name of a field in a request of this name. The `id` of `GetCustomerRequest` is a
    /// customer's.
    pub(super) fn values(&self, field: &str, message: &str) -> &[String] {
        let name = match field {
            "id" => {
                let message = snake(message);
                let fits = |name: &&String| name.strip_suffix("_id").is_some_and(|kind| message.contains(kind));
                self.values.keys().filter(fits).max_by_key(|name| name.len()).map_or("id", String::as_str)
            }
            field => field,
        };
        let single = name.strip_suffix("_ids").map(|stem| format!("{stem}_id"));
        self.values.get(single.as_deref().unwrap_or(name)).map_or(&[], Vec::as_slice)
    }

    /// Messages of this type that a service has answered with.
    pub(super) fn messages(&self, full_name: &str) -> &[DynamicMessage] {
        self.messages.get(full_name).map_or(&[], Vec::as_slice)
    }
}

/// Whether the text is somewhere in the bytes.
pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn keep<T: PartialEq>(kept: &mut Vec<T>, value: T) {
    if kept.contains(&value) {
        return;
    }
    if kept.len() == MOST {
        kept.remove(0);
    }
    kept.push(value);
}

/// `CreditNote` as `credit_note`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
