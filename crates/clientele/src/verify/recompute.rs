//! Figures from the owning service's documents, by the formulas of `analytics`' README and by nothing of its code.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clientele_contracts::orders::v1::{CreditNote, LineKind, Order, StatusGroup};
use clientele_kernel::Error;
use clientele_platform::proto;
use rust_decimal::Decimal;

/// A month's sales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) orders: i64,
    pub(super) gross: i64,
    pub(super) refunds: i64,
}

/// What a customer's documents come to in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) orders: i64,
    pub(super) gross: i64,
    pub(super) refunds: i64,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) last: Option<DateTime<Utc>>,
    pub(super) months: BTreeMap<String, Month>,
    /// Units and amount of each product.
    pub(super) products: HashMap<String, (Decimal, i64)>,
}

/// What all documents come to.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// By customer and currency; the customer is empty for nobody known.
    pub(super) accounts: BTreeMap<(String, String), Account>,
    /// Adjustments by currency.
    pub(super) adjustments: BTreeMap<String, i64>,
}

impl Books {
    /// Enters an order.
    pub(super) fn order(&mut self, order: &Order, zone: Tz) -> Result<(), Error> {
        if order.status_group() == StatusGroup::Cancelled {
            return Ok(());
        }
        *self.adjustments.entry(order.currency.clone()).or_default() +=
            order.adjustment.as_ref().map_or(0, |m| m.minor);
        if !order.lines.iter().any(|line| line.kind() == LineKind::Sale) {
            return Ok(());
        }
        let placed_at = proto::required_instant(order.placed_at, "placed_at")?;
        let gross: i64 = order
            .lines
            .iter()
            .filter(|line| line.kind() == LineKind::Sale)
            .map(|line| line.amount.as_ref().map_or(0, |m| m.minor))
            .sum();
        let account = self.accounts.entry((order.customer_id.clone(), order.currency.clone())).or_default();
        account.orders += 1;
        account.gross += gross;
        account.first = Some(account.first.map_or(placed_at, |first| first.min(placed_at)));
        account.last = Some(account.last.map_or(placed_at, |last| last.max(placed_at)));
        let month = account.months.entry(month_of(placed_at, zone)).or_default();
        month.orders += 1;
        month.gross += gross;
        for line in order.lines.iter().filter(|line| line.kind() == LineKind::Sale) {
            let (units, amount) = account.products.entry(line.product_id.clone()).or_default();
            *units += quantity(&line.quantity)?;
            *amount += line.amount.as_ref().map_or(0, |m| m.minor);
        }
        Ok(())
    }

    /// Enters a credit note.
    pub(super) fn credit_note(&mut self, note: &CreditNote, zone: Tz) -> Result<(), Error> {
        let issued_at = proto::required_instant(note.issued_at, "issued_at")?;
        let total = note.total.as_ref().map_or(0, |m| m.minor);
        let account = self.accounts.entry((note.customer_id.clone(), note.currency.clone())).or_default();
        account.refunds += total;
        account.months.entry(month_of(issued_at, zone)).or_default().refunds += total;
        for line in &note.lines {
            let (units, amount) = account.products.entry(line.product_id.clone()).or_default();
            *units -= quantity(&line.quantity)?;
            *amount -= line.amount.as_ref().map_or(0, |m| m.minor);
        }
        Ok(())
    }
}

fn quantity(text: &str) -> Result<Decimal, Error> {
    text.parse().map_err(Error::internal)
}

fn month_of(moment: DateTime<Utc>, zone: Tz) -> String {
    moment.with_timezone(&zone).format("%Y-%m").to_string()
}
