//! SQL, row types and their mapping. The only place that knows tables.

pub(crate) mod change;
pub(crate) mod document;
pub(crate) mod metric;
pub(crate) mod product;
pub(crate) mod progress;
pub(crate) mod rebuild;
pub(crate) mod report;
pub(crate) mod timeline;
pub(crate) mod told;

use clientele_kernel::Currency;
use clientele_platform::postgres::Error as StorageError;

/// Reads a currency from a row.
fn currency(table: &'static str, code: &str) -> Result<Currency, StorageError> {
    Currency::from_code(code).ok_or_else(|| StorageError::corrupt(table, format!("currency `{code}`")))
}
