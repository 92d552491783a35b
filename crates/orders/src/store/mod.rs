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

/// Fails unless a statement touched as many rows as were given to it.
fn assert_rows(actual: u64, expected: usize) -> Result<(), Error> {
    let expected = expected as u64;
    if actual == expected { Ok(()) } else { Err(Error::Rows { expected, actual }) }
}

/// The same column of many values, as PostgreSQL's `unnest` takes it.
macro_rules! column {
    ($rows:expr, $row:pat => $value:expr) => {
        &$rows.iter().map(|$row| $value).collect::<Vec<_>>()[..]
    };
}
use column;
