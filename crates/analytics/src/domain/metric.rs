//! Figures of a customer or of many, and what follows from them.

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId, Money, ProductId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Month;

/// The figures of one customer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CustomerMetrics {
    pub(crate) customer: CustomerId,
    /// Largest gross first.
    pub(crate) currencies: Vec<CurrencyMetrics>,
    /// The moment up to which events are counted.
    pub(crate) as_of: Option<DateTime<Utc>>,
}

/// A customer's totals in one currency.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CustomerFigures {
    pub(crate) customer: CustomerId,
    pub(crate) figures: Figures,
}

/// What a page of figures goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FigureKey {
    pub(crate) customer: Uuid,
    pub(crate) currency: String,
    pub(crate) gross_minor: i64,
}

/// The figures of one customer in one currency.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CurrencyMetrics {
    pub(crate) figures: Figures,
    pub(crate) months: Vec<MonthFigures>,
    pub(crate) favourites: Vec<Favourite>,
}

/// One month of sales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MonthFigures {
    pub(crate) month: Month,
    pub(crate) orders: i64,
    pub(crate) gross_minor: i64,
    pub(crate) refund_minor: i64,
}

impl MonthFigures {
    /// A month in which nothing happened.
    pub(crate) const fn none(month: Month) -> Self {
        Self { month, orders: 0, gross_minor: 0, refund_minor: 0 }
    }
}

/// A category, or a product where there are no categories, of which a customer bought most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Favourite {
    /// The category's name, or the product's.
    pub(crate) name: String,
    /// The product; none for a category.
    pub(crate) product: Option<ProductId>,
    /// Thousandths of a unit, above zero.
    pub(crate) unit_milli: i64,
    pub(crate) amount_minor: i64,
}

/// Totals in one currency, of a customer or of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) currency: Currency,
    /// Orders that count.
    pub(crate) orders: i64,
    /// Sales before refunds.
    pub(crate) gross_minor: i64,
    /// Refunds, above or equal to zero.
    pub(crate) refund_minor: i64,
    pub(crate) first_purchase_at: Option<DateTime<Utc>>,
    pub(crate) last_purchase_at: Option<DateTime<Utc>>,
}

impl Figures {
    /// Nothing bought and nothing given back.
    pub(crate) const fn none(currency: Currency) -> Self {
        Self { currency, orders: 0, gross_minor: 0, refund_minor: 0, first_purchase_at: None, last_purchase_at: None }
    }

    /// Gross divided by orders, rounded half to even to the minor unit; none without orders.
    pub(crate) fn average(&self) -> Option<Money> {
        Money::new(self.gross_minor, self.currency).average(self.orders)
    }

    /// Mean number of days between orders that follow each other: the days between the first and the last, divided by
    /// the orders less one. None with fewer than two orders.
    pub(crate) fn mean_days_between(&self) -> Option<f64> {
        let (first, last) = (self.first_purchase_at?, self.last_purchase_at?);
        if self.orders < 2 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean for people: 52 bits of milliseconds are ages")]
        let (millis, gaps) = ((last - first).num_milliseconds() as f64, (self.orders - 1) as f64);
        Some(millis / 86_400_000.0 / gaps)
    }
}

/// Gross less refunds, or as near as 64 bits come: both are amounts that fit.
pub(crate) const fn net_minor(gross_minor: i64, refund_minor: i64) -> i64 {
    gross_minor.saturating_sub(refund_minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(orders: i64, gross_minor: i64, first: &str, last: &str) -> Figures {
        Figures {
            orders,
            gross_minor,
            first_purchase_at: Some(first.parse().unwrap()),
            last_purchase_at: Some(last.parse().unwrap()),
            ..Figures::none(Currency::from_code("EUR").unwrap())
        }
    }

    #[test]
    fn the_mean_of_days_is_over_the_gaps_between_orders() {
        let found = figures(4, 0, "2011-01-01T00:00:00Z", "2011-01-10T12:00:00Z").mean_days_between();
        assert!((found.unwrap() - 9.5 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn one_order_has_no_mean_of_days() {
        assert_eq!(figures(1, 0, "2011-01-01T00:00:00Z", "2011-01-01T00:00:00Z").mean_days_between(), None);
    }

    #[test]
    fn two_orders_of_one_moment_are_no_days_apart() {
        assert_eq!(figures(2, 0, "2011-01-01T00:00:00Z", "2011-01-01T00:00:00Z").mean_days_between(), Some(0.0));
    }

    #[test]
    fn an_average_is_rounded_half_to_even() {
        assert_eq!(figures(2, 5, "2011-01-01T00:00:00Z", "2011-01-01T00:00:00Z").average().unwrap().minor, 2);
        assert_eq!(figures(2, 7, "2011-01-01T00:00:00Z", "2011-01-01T00:00:00Z").average().unwrap().minor, 4);
        assert_eq!(Figures::none(Currency::from_code("EUR").unwrap()).average(), None);
    }
}
