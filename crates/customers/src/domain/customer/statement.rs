//! What a caller says about a customer: as it arrives, and once every value in it has been checked.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::{EmailId, Error, PhoneId, Reference, StoreId, UserId, Violation, Violations, text};

use super::{Field, Kind, MOST_REFERENCES};
use crate::domain::contact::{Address, MOST_EMAILS, MOST_PHONES, PhoneNumber, Region};

/// What a caller says about a customer, not yet checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    pub(crate) kind: Option<Kind>,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<PhoneStatement>,
    pub(crate) emails: Vec<EmailStatement>,
    pub(crate) country: String,
    /// Pairs of source and external id.
    pub(crate) references: Vec<(String, String)>,
    pub(crate) manager_id: String,
    pub(crate) store_id: String,
    pub(crate) registered_at: Option<DateTime<Utc>>,
}

/// What a caller says about a phone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PhoneStatement {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) label: String,
}

/// What a caller says about an e-mail address.
#[derive(Debug, Clone, Default)]
pub(crate) struct EmailStatement {
    pub(crate) id: String,
    pub(crate) address: String,
}

/// What to do with a phone, e-mail or reference that is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// Refuse it: a person typed it and should know.
    Refuse,
    /// Keep the first: other systems repeat themselves, and mean nothing by it.
    Drop,
}

/// A checked statement: every value in it is right by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) kind: Option<Kind>,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<(Option<PhoneId>, PhoneNumber)>,
    pub(crate) emails: Vec<(Option<EmailId>, Address)>,
    pub(crate) country: String,
    pub(crate) references: Vec<Reference>,
    pub(crate) manager_id: Option<UserId>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) registered_at: Option<DateTime<Utc>>,
}

impl Statement {
    /// The statement without what it says of other fields.
    pub(crate) fn only(&self, fields: &BTreeSet<Field>) -> Self {
        let mut kept = Self::default();
        for field in fields {
            match field {
                Field::DisplayName => kept.display_name.clone_from(&self.display_name),
                Field::Phones => kept.phones.clone_from(&self.phones),
                Field::Emails => kept.emails.clone_from(&self.emails),
                Field::Country => kept.country.clone_from(&self.country),
                Field::ManagerId => kept.manager_id.clone_from(&self.manager_id),
                Field::References => kept.references.clone_from(&self.references),
                Field::RegisteredAt => kept.registered_at = self.registered_at,
            }
        }
        kept
    }

    /// Checks every value; the error names all that are wrong, by their paths within the customer.
    pub(crate) fn check(self, region: Option<Region>, repeats: Repeats) -> Result<Draft, Error> {
        let mut v = Violations::new();
        let display_name = v.take("display_name", text::line(&self.display_name, 300, "display_name"));
        let country = v.take("country", text::line(&self.country, 100, "country"));
        let manager_id = v.take("manager_id", UserId::parse_optional(&self.manager_id, "manager_id")).flatten();
        let store_id = v.take("store_id", StoreId::parse_optional(&self.store_id, "store_id")).flatten();
        v.require(self.registered_at.is_none_or(is_plausible), || {
            let description = "is out of range: a moment between the years 1900 and 9999 is wanted";
            let violation = Violation::new("registered_at", description).because("DATE_OUT_OF_RANGE");
            violation.with("from", 1900).with("to", 9999)
        });

        let phones = list(&mut v, "phones", self.phones, MOST_PHONES, repeats, |phone| {
            let id = PhoneId::parse_optional(&phone.id, "id")?;
            let number = PhoneNumber::try_new(&phone.number, &phone.label, region)?;
            Ok((number.key(), (id, number)))
        });
        let emails = list(&mut v, "emails", self.emails, MOST_EMAILS, repeats, |email| {
            let id = EmailId::parse_optional(&email.id, "id")?;
            let address = Address::try_new(&email.address)?;
            Ok((address.key(), (id, address)))
        });
        let references = list(&mut v, "references", self.references, MOST_REFERENCES, repeats, |(source, id)| {
            let reference = Reference::try_new(&source, &id)?;
            Ok((reference.clone(), reference))
        });
        v.into_result()?;
        Ok(Draft {
            kind: self.kind,
            display_name: display_name.unwrap_or_default(),
            phones,
            emails,
            country: country.unwrap_or_default(),
            references,
            manager_id,
            store_id,
            registered_at: self.registered_at,
        })
    }
}

/// Checks the entries of a list, each under its own path, and finds repeats by their keys.
fn list<S, K: std::hash::Hash + Eq, T>(
    v: &mut Violations,
    path: &str,
    entries: Vec<S>,
    most: usize,
    repeats: Repeats,
    check: impl Fn(S) -> Result<(K, T), Error>,
) -> Vec<T> {
    if entries.len() > most {
        let description = format!("has {} entries: at most {most} are wanted", entries.len());
        v.note(
            Violation::new(path, description)
                .because("TOO_MANY_ENTRIES")
                .with("count", entries.len())
                .with("most", most),
        );
        return Vec::new();
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (i, entry) in entries.into_iter().enumerate() {
        let path = format!("{path}[{i}]");
        if let Some((key, value)) = v.take(&path, check(entry).map_err(|error| error.within(&path))) {
            if seen.insert(key) {
                kept.push(value);
            } else if repeats == Repeats::Refuse {
                v.push(path, "is given twice: leave one out");
            }
        }
    }
    kept
}

fn is_plausible(moment: DateTime<Utc>) -> bool {
    (-2_208_988_800..253_402_300_800).contains(&moment.timestamp())
}
