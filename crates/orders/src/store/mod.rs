//! The only place with SQL: reads and writes of aggregates, set by set.

pub(crate) mod credit_note;
pub(crate) mod customer;
pub(crate) mod line;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod product;
pub(crate) mod status;

use clientele_kernel::Currency;
use clientele_platform::postgres::Error;

/// A currency as it was stored.
fn currency(code: &str, table: &'static str) -> Result<Currency, Error> {
    Currency::from_code(code).ok_or_else(|| Error::corrupt(table, format!("currency {code}")))
}
