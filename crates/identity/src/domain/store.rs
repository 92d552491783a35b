//! Shops and branches of the company.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clientele_kernel::error::shorten;
use clientele_kernel::text::Name;
use clientele_kernel::{Error, StoreId, Violations};

const LONGEST_NAME: usize = 200;

/// A shop or branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) name: Name,
    pub(crate) time_zone: Tz,
    pub(crate) active: bool,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a new store is made from.
#[derive(Debug, Clone)]
pub(crate) struct NewStore {
    name: Name,
    time_zone: Tz,
}

impl NewStore {
    /// Reads what the caller sent; the error names every field that is wrong.
    pub(crate) fn parse(name: &str, time_zone: &str) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let name = violations.take("store.name", parse_name(name));
        let time_zone = violations.take("store.time_zone", parse_time_zone(time_zone));
        violations.into_result()?;
        match (name, time_zone) {
            (Some(name), Some(time_zone)) => Ok(Self { name, time_zone }),
            _ => Err(Error::invalid("store", "is not valid")),
        }
    }

    /// The store, in use from now on.
    pub(crate) fn into_store(self, id: StoreId, now: DateTime<Utc>) -> Store {
        let Self { name, time_zone } = self;
        Store { id, name, time_zone, active: true, version: 1, created_at: now, updated_at: now }
    }
}

/// The fields of a store to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreChange {
    pub(crate) name: Option<Name>,
    pub(crate) time_zone: Option<Tz>,
    pub(crate) active: Option<bool>,
}

impl Store {
    /// The store after the change, one version on; `None` when the change changes nothing.
    pub(crate) fn changed(&self, change: StoreChange, now: DateTime<Utc>) -> Option<Self> {
        let after = Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            time_zone: change.time_zone.unwrap_or(self.time_zone),
            active: change.active.unwrap_or(self.active),
            ..self.clone()
        };
        (after != *self).then(|| Self { version: self.version + 1, updated_at: now, ..after })
    }
}

/// Reads a store's name.
pub(crate) fn parse_name(text: &str) -> Result<Name, Error> {
    Name::parse(text, LONGEST_NAME, "store.name")
}

/// Reads a store's time zone.
pub(crate) fn parse_time_zone(text: &str) -> Result<Tz, Error> {
    text.parse().map_err(|_| {
        let wanted = "an IANA name such as `America/Sao_Paulo` is wanted";
        Error::invalid("store.time_zone", format!("there is no time zone `{}`: {wanted}", shorten(text)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_zone_is_an_iana_name() {
        assert!(parse_time_zone("Europe/Madrid").is_ok());
        for wrong in ["", "Madrid", "+02:00", "Europe/Atlantis"] {
            assert_eq!(parse_time_zone(wrong).unwrap_err().violations[0].field, "store.time_zone", "{wrong}");
        }
    }

    #[test]
    fn closing_a_store_is_a_change_and_closing_it_again_is_none() {
        let now = DateTime::UNIX_EPOCH;
        let store = NewStore::parse("Centro", "UTC").unwrap().into_store(StoreId::from(uuid::Uuid::nil()), now);
        let close = StoreChange { active: Some(false), ..StoreChange::default() };
        let closed = store.changed(close.clone(), now).unwrap();
        assert_eq!((closed.version, closed.active), (2, false));
        assert_eq!(closed.changed(close, now), None);
    }

    proptest! {
        #[test]
        fn any_time_zone_is_known_by_its_name_or_refused(text in "\\PC{0,20}|[A-Z][a-z]{2,8}/[A-Z][a-z]{3,8}|UTC|GMT[+-][0-9]{1,2}") {
            match parse_time_zone(&text) {
                Ok(zone) => prop_assert_eq!(zone.name(), text),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "store.time_zone"),
            }
        }
    }
}
