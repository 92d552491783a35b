//! A customer as rules see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId, Error, Money, StoreId, UserId};

/// Persons and companies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Person,
    Company,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Person, Self::Company];

    /// The word for it in rules and rows.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Company => "company",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What the customers service knows of a customer, as far as rules may ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    /// Never empty.
    pub(crate) country: Option<String>,
    pub(crate) store: Option<StoreId>,
    pub(crate) manager: Option<UserId>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) has_phone: bool,
    pub(crate) has_email: bool,
}

/// Totals in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Figure {
    pub(crate) orders: i64,
    pub(crate) gross_minor: i64,
    pub(crate) refund_minor: i64,
    pub(crate) first_purchase_at: Option<DateTime<Utc>>,
    pub(crate) last_purchase_at: Option<DateTime<Utc>>,
}

impl Figure {
    /// Fails where the totals contradict themselves or are too large to be taken from each other.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, value) in [("orders", self.orders), ("refunds_minor", self.refund_minor)] {
            if value < 0 {
                return Err(Error::invalid(format!("figures.{field}"), format!("`{value}` is below zero")));
            }
        }
        if self.gross_minor.checked_sub(self.refund_minor).is_none() {
            let text = format!("`{}` less refunds leaves 64 bits", self.gross_minor);
            return Err(Error::invalid("figures.gross_minor", text));
        }
        Ok(())
    }

    /// Gross less refunds.
    pub(crate) fn net_minor(&self) -> i64 {
        self.gross_minor.saturating_sub(self.refund_minor)
    }

    /// Gross for each order, rounded half to even; none without orders.
    pub(crate) fn average(&self, currency: Currency) -> Option<Money> {
        Money::new(self.gross_minor, currency).average(self.orders)
    }
}

/// A customer with everything rules may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: CustomerId,
    pub(crate) facts: Facts,
    pub(crate) figures: BTreeMap<Currency, Figure>,
}

impl Person {
    /// The figures asked for: of one currency, or of all.
    pub(crate) fn figures_in(&self, currency: Option<Currency>) -> impl Iterator<Item = (Currency, &Figure)> {
        let figures = self.figures.iter().map(|(currency, figure)| (*currency, figure));
        figures.filter(move |(own, _)| currency.is_none_or(|wanted| wanted == *own))
    }
}
