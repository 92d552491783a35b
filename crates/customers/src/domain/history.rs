//! What differs between two states of a customer, as text for people.

use super::customer::{Customer, Field};

/// One field's values before and after; each empty where there was or is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The field's name in the contract.
    pub(crate) field: &'static str,
    /// Before.
    pub(crate) old: Vec<String>,
    /// After.
    pub(crate) new: Vec<String>,
}

/// A field's values as people read them; none when it is empty.
type Values = fn(&Customer) -> Vec<String>;

/// The fields a history tells of, in the order people read a card.
const FIELDS: [(&str, Values); 9] = [
    ("kind", |c| vec![c.kind.as_str().to_owned()]),
    (Field::DisplayName.as_str(), |c| one(c.display_name.clone())),
    (Field::Phones.as_str(), |c| {
        c.phones.iter().map(|phone| labelled(phone.number.typed(), phone.number.label())).collect()
    }),
    (Field::Emails.as_str(), |c| c.emails.iter().map(|email| email.address.typed().to_owned()).collect()),
    (Field::Country.as_str(), |c| one(c.country.clone())),
    (Field::References.as_str(), |c| {
        c.references.iter().map(|r| format!("{}: {}", r.source(), r.external_id())).collect()
    }),
    (Field::ManagerId.as_str(), |c| c.manager_id.iter().map(ToString::to_string).collect()),
    ("store_id", |c| c.store_id.iter().map(ToString::to_string).collect()),
    (Field::RegisteredAt.as_str(), |c| vec![c.registered_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)]),
];

/// The fields in which `new` differs from `old`; every field with a value when there is no `old`.
pub(crate) fn differences(old: Option<&Customer>, new: &Customer) -> Vec<Difference> {
    FIELDS
        .iter()
        .map(|(field, values)| Difference { field, old: old.map(values).unwrap_or_default(), new: values(new) })
        .filter(|difference| difference.old != difference.new)
        .collect()
}

fn one(text: String) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text] }
}

fn labelled(number: &str, label: &str) -> String {
    if label.is_empty() { number.to_owned() } else { format!("{number} ({label})") }
}
