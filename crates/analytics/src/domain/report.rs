//! Figures of the whole company.

use chrono::{DateTime, Utc};

use super::Figures;
use super::metric::MonthFigures;

/// Sales and refunds of all customers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SalesSummary {
    /// By code of the currency.
    pub(crate) currencies: Vec<CurrencySales>,
    /// The moment up to which events are counted.
    pub(crate) as_of: Option<DateTime<Utc>>,
}

/// Sales and refunds in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrencySales {
    /// Sales to customers we know.
    pub(crate) known: Figures,
    /// Sales to nobody known.
    pub(crate) anonymous: Figures,
    /// Customers with at least one order that counts.
    pub(crate) paying_customers: i64,
    /// Customers with at least two.
    pub(crate) repeat_customers: i64,
    /// Sales to customers we know, for each month in which there were any, oldest first.
    pub(crate) months: Vec<MonthFigures>,
    /// Adjustment lines of orders that are not cancelled.
    pub(crate) adjustment_minor: i64,
}
