//! The customer: what creates one, what changes one, and which rules hold at any time.

mod statement;

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{CustomerId, EmailId, Error, Ids, PhoneId, Reference, StoreId, UserId, Violation, Violations};

pub(crate) use self::statement::{Draft, EmailStatement, PhoneStatement, Repeats, Statement};
use super::contact::{Address, Email, MOST_EMAILS, MOST_PHONES, Phone, PhoneNumber};

/// How many references a customer may have.
pub(crate) const MOST_REFERENCES: usize = 100;

/// Person or company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A natural person.
    Person,
    /// A company.
    Company,
}

impl Kind {
    /// The name in storage and in filters.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Company => "company",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Person, Self::Company].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A field of a customer that can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    /// The name.
    DisplayName,
    /// The phones.
    Phones,
    /// The e-mail addresses.
    Emails,
    /// The country.
    Country,
    /// The personal manager.
    ManagerId,
    /// The references.
    References,
    /// When the customer was registered; changes by an upsert alone.
    RegisteredAt,
}

impl Field {
    /// Those a caller may name in an update mask.
    pub(crate) const UPDATABLE: [Self; 6] =
        [Self::DisplayName, Self::Phones, Self::Emails, Self::Country, Self::ManagerId, Self::References];

    /// The name in the contract.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Phones => "phones",
            Self::Emails => "emails",
            Self::Country => "country",
            Self::ManagerId => "manager_id",
            Self::References => "references",
            Self::RegisteredAt => "registered_at",
        }
    }
}

/// What happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was created.
    Created,
    /// These fields changed.
    Updated(BTreeSet<Field>),
}

/// A person or company known to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) kind: Kind,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<Phone>,
    pub(crate) emails: Vec<Email>,
    pub(crate) country: String,
    pub(crate) references: Vec<Reference>,
    pub(crate) manager_id: Option<UserId>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) version: i64,
}

impl Customer {
    /// A new customer. A person when the kind is not said, registered now when the moment is not said.
    pub(crate) fn create(draft: Draft, now: DateTime<Utc>, ids: &Ids) -> Result<Self, Error> {
        let customer = Self {
            id: ids.at(now),
            kind: draft.kind.unwrap_or(Kind::Person),
            display_name: draft.display_name,
            // Ids are set by the server: what a caller sent for a customer that is not there yet means nothing.
            phones: draft.phones.into_iter().map(|(_, number)| Phone { id: ids.at(now), number }).collect(),
            emails: draft.emails.into_iter().map(|(_, address)| Email { id: ids.at(now), address }).collect(),
            country: draft.country,
            references: draft.references,
            manager_id: draft.manager_id,
            store_id: draft.store_id,
            registered_at: draft.registered_at.unwrap_or(now),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        customer.require_name()?;
        Ok(customer)
    }

    /// Changes the fields named to what the draft says; lists are replaced whole. `None` when all is so already.
    pub(crate) fn update(
        &mut self,
        draft: &Draft,
        fields: &BTreeSet<Field>,
        now: DateTime<Utc>,
        ids: &Ids,
    ) -> Result<Option<Event>, Error> {
        let before = self.clone();
        for field in fields {
            match field {
                Field::DisplayName if draft.display_name.is_empty() && !self.display_name.is_empty() => {
                    return Err(Error::invalid("display_name", "is empty: a name that is known cannot be taken away"));
                }
                Field::DisplayName => self.display_name.clone_from(&draft.display_name),
                Field::Phones => self.phones = replaced_phones(&before.phones, &draft.phones, now, ids)?,
                Field::Emails => self.emails = replaced_emails(&before.emails, &draft.emails, now, ids)?,
                Field::Country => self.country.clone_from(&draft.country),
                Field::ManagerId => self.manager_id = draft.manager_id,
                Field::References => self.references.clone_from(&draft.references),
                // Not updatable by a mask; an upsert alone may learn of an earlier moment.
                Field::RegisteredAt => {}
            }
        }
        self.require_name()?;
        Ok(self.note_change(&before, now))
    }

    /// Takes over what another system knows: an empty field keeps the value there is, lists are merged in, and the
    /// earliest registration stands. `None` when nothing is new.
    pub(crate) fn merge(&mut self, draft: &Draft, now: DateTime<Utc>, ids: &Ids) -> Result<Option<Event>, Error> {
        let mut v = Violations::new();
        v.require(draft.kind.is_none_or(|kind| kind == self.kind), || {
            let description = format!("cannot change after creation: the customer is a {}", self.kind.as_str());
            Violation::new("kind", description).because("KIND_FIXED")
        });
        v.check(draft.store_id.is_none_or(|store| Some(store) == self.store_id), "store_id", || {
            let current = self.store_id.map_or_else(|| "no store".to_owned(), |store| format!("store `{store}`"));
            format!("is set at creation only: the customer has {current}")
        });
        let before = self.clone();
        if !draft.display_name.is_empty() {
            self.display_name.clone_from(&draft.display_name);
        }
        if !draft.country.is_empty() {
            self.country.clone_from(&draft.country);
        }
        self.manager_id = draft.manager_id.or(self.manager_id);
        self.registered_at = draft.registered_at.map_or(self.registered_at, |given| given.min(self.registered_at));
        for (_, given) in &draft.phones {
            match self.phones.iter_mut().find(|phone| phone.number.key() == given.key()) {
                Some(known) if known.number.label().is_empty() => known.number = known.number.labelled(given.label()),
                Some(_) => {}
                None => self.phones.push(Phone { id: ids.at(now), number: given.clone() }),
            }
        }
        for (_, given) in &draft.emails {
            if !self.emails.iter().any(|email| email.address.key() == given.key()) {
                self.emails.push(Email { id: ids.at(now), address: given.clone() });
            }
        }
        for given in &draft.references {
            if !self.references.contains(given) {
                self.references.push(given.clone());
            }
        }
        for (path, count, most) in [
            ("phones", self.phones.len(), MOST_PHONES),
            ("emails", self.emails.len(), MOST_EMAILS),
            ("references", self.references.len(), MOST_REFERENCES),
        ] {
            v.require(count <= most, || {
                let description = format!("would be {count} with those known: at most {most} are wanted");
                Violation::new(path, description).because("TOO_MANY_ENTRIES").with("count", count).with("most", most)
            });
        }
        if let Err(error) = v.into_result() {
            *self = before;
            return Err(error);
        }
        Ok(self.note_change(&before, now))
    }

    /// The fields in which the two differ.
    pub(crate) fn difference(&self, other: &Self) -> BTreeSet<Field> {
        [
            (Field::DisplayName, self.display_name != other.display_name),
            (Field::Phones, self.phones != other.phones),
            (Field::Emails, self.emails != other.emails),
            (Field::Country, self.country != other.country),
            (Field::ManagerId, self.manager_id != other.manager_id),
            (Field::References, self.references != other.references),
            (Field::RegisteredAt, self.registered_at != other.registered_at),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }

    fn note_change(&mut self, before: &Self, now: DateTime<Utc>) -> Option<Event> {
        let changed = self.difference(before);
        if changed.is_empty() {
            return None;
        }
        self.version += 1;
        self.updated_at = now;
        Some(Event::Updated(changed))
    }

    fn require_name(&self) -> Result<(), Error> {
        if self.display_name.is_empty() && self.references.is_empty() {
            return Err(Error::invalid(
                "display_name",
                "is empty: a name is wanted, unless the customer came from another system (has a reference)",
            ));
        }
        Ok(())
    }
}

/// The new phones. One sent with its id, or with the number it has, keeps its identity.
fn replaced_phones(
    known: &[Phone],
    given: &[(Option<PhoneId>, PhoneNumber)],
    now: DateTime<Utc>,
    ids: &Ids,
) -> Result<Vec<Phone>, Error> {
    let by_key = |number: &PhoneNumber| known.iter().find(|phone| phone.number.key() == number.key()).map(|p| p.id);
    let identities = identities("phones", known.iter().map(|phone| phone.id).collect(), given, by_key)?;
    Ok(identities
        .into_iter()
        .zip(given)
        .map(|(id, (_, number))| Phone { id: id.unwrap_or_else(|| ids.at(now)), number: number.clone() })
        .collect())
}

/// The new e-mail addresses; identity as with phones.
fn replaced_emails(
    known: &[Email],
    given: &[(Option<EmailId>, Address)],
    now: DateTime<Utc>,
    ids: &Ids,
) -> Result<Vec<Email>, Error> {
    let by_key = |address: &Address| known.iter().find(|email| email.address.key() == address.key()).map(|e| e.id);
    let identities = identities("emails", known.iter().map(|email| email.id).collect(), given, by_key)?;
    Ok(identities
        .into_iter()
        .zip(given)
        .map(|(id, (_, address))| Email { id: id.unwrap_or_else(|| ids.at(now)), address: address.clone() })
        .collect())
}

/// Which entry keeps which id. Ids that callers sent are honoured first, so that an entry found by its value cannot
/// take the id another one names.
fn identities<I: Copy + Eq + std::hash::Hash + std::fmt::Display, V>(
    path: &str,
    known: HashSet<I>,
    given: &[(Option<I>, V)],
    by_value: impl Fn(&V) -> Option<I>,
) -> Result<Vec<Option<I>>, Error> {
    let mut violations = Violations::new();
    let mut free = known;
    for (i, (id, _)) in given.iter().enumerate() {
        if let Some(id) = id.filter(|id| !free.remove(id)) {
            let shown = shorten(&id.to_string());
            violations
                .push(format!("{path}[{i}].id"), format!("`{shown}` is not one of this customer's, or is given twice"));
        }
    }
    violations.into_result()?;
    Ok(given.iter().map(|(id, value)| id.or_else(|| by_value(value).filter(|found| free.remove(found)))).collect())
}

#[cfg(test)]
mod tests;
