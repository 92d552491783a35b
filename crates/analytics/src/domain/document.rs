//! Documents that figures are made of: orders and credit notes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId, Error, ProductId};
use uuid::Uuid;

use super::Month;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    Order,
    CreditNote,
}

impl DocumentKind {
    /// Its name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::CreditNote => "credit_note",
        }
    }

    /// Reads the name; `None` for one that does not exist.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "order" => Some(Self::Order),
            "credit_note" => Some(Self::CreditNote),
            _ => None,
        }
    }
}

/// The state of an order or credit note at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Id of the order or credit note.
    pub(crate) id: Uuid,
    pub(crate) kind: DocumentKind,
    pub(crate) version: i64,
    /// The customer; none for nobody known.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) currency: Currency,
    /// When the order was placed, or the credit note issued.
    pub(crate) occurred_at: DateTime<Utc>,
    /// The month of that in the reports' zone.
    pub(crate) month: Month,
    /// Code of the order's status; empty for a credit note.
    pub(crate) status: String,
    /// Whether it is part of the figures: an order that is not cancelled and has sales; every credit note.
    pub(crate) counts: bool,
    /// Sales of the order, or what was given back: above or equal to zero, also where it does not count.
    pub(crate) amount_minor: i64,
    /// Adjustment lines of an order; zero where the order is cancelled.
    pub(crate) adjustment_minor: i64,
    /// What was sold or taken back, once for each product; empty where it does not count.
    pub(crate) shares: Vec<Share>,
}

impl Document {
    /// An order that was removed: it adds nothing to anything, and no later word about an earlier version brings it back.
    pub(crate) fn removed(self) -> Self {
        Self { status: String::new(), counts: false, amount_minor: 0, adjustment_minor: 0, shares: Vec::new(), ..self }
    }

    /// Whether it is one: every order that exists has a status.
    pub(crate) fn is_removed(&self) -> bool {
        self.kind == DocumentKind::Order && self.status.is_empty()
    }
}

/// How much of a document is one product's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) product: ProductId,
    /// Thousandths of a unit.
    pub(crate) unit_milli: i64,
    /// Minor units of the document's currency.
    pub(crate) amount_minor: i64,
}

/// Adds up lines of the same product, in the order of product ids.
pub(crate) fn shares(lines: impl IntoIterator<Item = Share>) -> Result<Vec<Share>, Error> {
    let mut sums: BTreeMap<ProductId, Share> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(line.product).or_insert(Share { product: line.product, unit_milli: 0, amount_minor: 0 });
        let (Some(unit_milli), Some(amount_minor)) =
            (sum.unit_milli.checked_add(line.unit_milli), sum.amount_minor.checked_add(line.amount_minor))
        else {
            return Err(Error::invalid("lines", format!("the lines of product `{}` add up to too much", line.product)));
        };
        *sum = Share { unit_milli, amount_minor, ..*sum };
    }
    Ok(sums.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_same_product_are_one_share() {
        let (a, b) = (ProductId::from(Uuid::from_u128(1)), ProductId::from(Uuid::from_u128(2)));
        let line = |product, unit_milli, amount_minor| Share { product, unit_milli, amount_minor };
        let found = shares([line(b, 1000, 5), line(a, 250, 1), line(b, 2000, 10)]).unwrap();
        assert_eq!(found, [line(a, 250, 1), line(b, 3000, 15)]);
    }

    #[test]
    fn lines_that_add_up_to_too_much_are_refused() {
        let line = Share { product: ProductId::from(Uuid::from_u128(1)), unit_milli: 1, amount_minor: i64::MAX };
        assert_eq!(shares([line, line]).unwrap_err().violations[0].field, "lines");
    }
}
