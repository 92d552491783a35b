//! Where the figures that are served differ from those recomputed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_contracts::analytics::v1::{CurrencyMetrics, CurrencySales, FavouriteKind, Figures, MonthFigures};
use clientele_contracts::platform::v1::Money;
use clientele_kernel::{Currency, Error};
use clientele_platform::proto;
use rust_decimal::Decimal;

use super::found::{Difference, Found};
use super::recompute::{Account, Books, Month};

/// Collects differences about one subject.
pub(super) struct Comparison<'a> {
    pub(super) subject: String,
    pub(super) found: &'a mut Found,
}

impl Comparison<'_> {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, figure: &str, served: T, recomputed: T) {
        if served != recomputed {
            self.found.push(Difference {
                subject: self.subject.clone(),
                figure: figure.to_owned(),
                served: format!("{served:?}"),
                recomputed: format!("{recomputed:?}"),
            });
        }
    }

    /// Totals of a customer in a currency.
    pub(super) fn figures(&mut self, served: &Figures, account: &Account) -> Result<(), Error> {
        let currency = Currency::parse(&served.currency, "currency")?;
        self.same("orders", served.orders, account.orders);
        self.same("gross", minor(served.gross.as_ref()), account.gross);
        self.same("refunds", minor(served.refunds.as_ref()), account.refunds);
        self.same("net", minor(served.net.as_ref()), account.gross - account.refunds);
        let average = clientele_kernel::Money::new(account.gross, currency).average(account.orders).map(|m| m.minor);
        self.same("average", served.average.as_ref().map(|m| m.minor), average);
        let moment = |t| -> Result<Option<DateTime<Utc>>, Error> { proto::instant(t, "moment") };
        self.same("first purchase", moment(served.first_purchase_at)?, account.first);
        self.same("last purchase", moment(served.last_purchase_at)?, account.last);
        let days = account.first.zip(account.last).filter(|_| account.orders > 1).map(|(first, last)| {
            #[expect(clippy::cast_precision_loss, reason = "a mean of days is told in floating point")]
            let mean = (last - first).num_milliseconds() as f64 / 86_400_000.0 / (account.orders - 1) as f64;
            mean
        });
        let near = match (served.mean_days_between, days) {
            (Some(served), Some(days)) => (served - days).abs() < 1e-6,
            (None, None) => true,
            _ => false,
        };
        if !near {
            self.same("mean days between", served.mean_days_between, days);
        }
        Ok(())
    }

    /// Months and favourites of a customer in a currency.
    pub(super) fn details(&mut self, served: &CurrencyMetrics, account: &Account) -> Result<(), Error> {
        for month in &served.months {
            let recomputed = account.months.get(&month.month).copied().unwrap_or_default();
            self.same(&format!("month {}", month.month), read_month(month), recomputed);
        }
        // Favourites by category need the catalogue; those by product follow from the documents alone.
        for (place, favourite) in served.favourites.iter().enumerate() {
            if favourite.kind() != FavouriteKind::Product {
                continue;
            }
            let (units, amount) = account.products.get(&favourite.product_id).copied().unwrap_or_default();
            let served_units: Decimal = favourite.units.parse().map_err(Error::internal)?;
            self.same(&format!("units of {}", favourite.product_id), served_units, units.normalize());
            self.same(&format!("amount of {}", favourite.product_id), minor(favourite.amount.as_ref()), amount);
            let better = account.products.values().filter(|(other, _)| *other > units).count();
            self.same(&format!("place of {}", favourite.product_id), better <= place, true);
        }
        Ok(())
    }

    /// Sums of the company in a currency.
    pub(super) fn company(&mut self, served: &CurrencySales, books: &Books, code: &str) {
        let of_currency = || books.accounts.iter().filter(|((_, currency), _)| currency == code);
        let known = || of_currency().filter(|((customer, _), _)| !customer.is_empty()).map(|(_, account)| account);
        let sums = |figures: Option<&Figures>| {
            figures.map_or((0, 0, 0), |f| (f.orders, minor(f.gross.as_ref()), minor(f.refunds.as_ref())))
        };
        let add = |(o, g, r): (i64, i64, i64), a: &Account| (o + a.orders, g + a.gross, r + a.refunds);
        self.same("known: orders, gross, refunds", sums(served.known.as_ref()), known().fold((0, 0, 0), add));
        let nobody = of_currency().filter(|((customer, _), _)| customer.is_empty()).map(|(_, account)| account);
        self.same("anonymous: orders, gross, refunds", sums(served.anonymous.as_ref()), nobody.fold((0, 0, 0), add));
        let count = |least: i64| i64::try_from(known().filter(|a| a.orders >= least).count()).unwrap_or(i64::MAX);
        self.same("paying customers", served.paying_customers, count(1));
        self.same("repeat customers", served.repeat_customers, count(2));
        self.same("adjustment", served.adjustment_minor, books.adjustments.get(code).copied().unwrap_or_default());
        let mut months: BTreeMap<&str, Month> = BTreeMap::new();
        for (month, figures) in known().flat_map(|account| &account.months) {
            let sum = months.entry(month).or_default();
            sum.orders += figures.orders;
            sum.gross += figures.gross;
            sum.refunds += figures.refunds;
        }
        let told: BTreeMap<&str, Month> = served.months.iter().map(|m| (m.month.as_str(), read_month(m))).collect();
        self.same("months", told, months);
    }
}

fn read_month(month: &MonthFigures) -> Month {
    Month { orders: month.orders, gross: minor(month.gross.as_ref()), refunds: minor(month.refunds.as_ref()) }
}

fn minor(money: Option<&Money>) -> i64 {
    money.map_or(0, |m| m.minor)
}
