//! What a list of customers can be searched, filtered and sorted by.

use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{CustomerId, Error};
use serde::{Deserialize, Serialize};

/// What a list is sorted by; the id breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The name, without regard to case and accents.
    DisplayName,
    /// When the customer was registered.
    RegisteredAt,
    /// When the record was created.
    CreatedAt,
    /// When the record last changed.
    UpdatedAt,
    /// The country.
    Country,
}

impl By {
    const ALL: [(&'static str, Self); 5] = [
        ("display_name", Self::DisplayName),
        ("registered_at", Self::RegisteredAt),
        ("created_at", Self::CreatedAt),
        ("updated_at", Self::UpdatedAt),
        ("country", Self::Country),
    ];
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// By what.
    pub(crate) by: By,
    /// Falling.
    pub(crate) descending: bool,
}

impl Order {
    /// Reads `field` or `field desc`; empty means the newest first.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, descending) = match words.as_slice() {
            [] => return Ok(Self { by: By::CreatedAt, descending: true }),
            [name] | [name, "asc"] => (*name, false),
            [name, "desc"] => (*name, true),
            _ => ("", false),
        };
        By::ALL.iter().find(|(known, _)| *known == name).map(|(_, by)| Self { by: *by, descending }).ok_or_else(|| {
            let known: Vec<&str> = By::ALL.iter().map(|(name, _)| *name).collect();
            let shown = shorten(text);
            Error::invalid(
                "order_by",
                format!("`{shown}` is not an order: one of {} is wanted, or it and ` desc`", known.join(", ")),
            )
        })
    }
}

/// A place in a list: the sort key of a customer, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) id: CustomerId,
}

/// The value a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Key {
    /// Of a text.
    Text(String),
    /// Of a moment.
    Moment(DateTime<Utc>),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_is_a_field_and_perhaps_a_direction() {
        assert_eq!(Order::parse("").unwrap(), Order { by: By::CreatedAt, descending: true });
        assert_eq!(Order::parse(" country  desc ").unwrap(), Order { by: By::Country, descending: true });
        assert_eq!(Order::parse("display_name").unwrap(), Order { by: By::DisplayName, descending: false });
        for wrong in ["id", "country down", "country desc, id", "desc", "country; drop table"] {
            assert_eq!(Order::parse(wrong).unwrap_err().violations[0].field, "order_by", "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_order_is_one_of_those_there_are_or_refused(text in "\\PC{0,20}|(country|created_at|display_name|id) {0,2}(asc|desc|ASC|)") {
            match Order::parse(&text) {
                Ok(order) => {
                    let (name, _) = By::ALL.iter().find(|(_, by)| *by == order.by).unwrap();
                    prop_assert!(text.trim().is_empty() || text.trim().starts_with(name), "{}", text);
                }
                Err(error) => prop_assert_eq!(&error.violations[0].field, "order_by"),
            }
        }
    }
}
