//! SQL, row types and their mapping. The only place that knows tables.
//!
//! - [`person`]: what rules may ask of customers
//! - [`refresh`]: customers whose facts have to be asked for
//! - [`segment`]: segments, their builds, and the lock under which rules change
//! - [`membership`]: who belongs to what, and when that changes next
//! - [`count`]: a rule as one statement
//! - [`progress`]: how far the consumers have come

pub(crate) mod count;
pub(crate) mod membership;
pub(crate) mod person;
pub(crate) mod progress;
pub(crate) mod refresh;
pub(crate) mod segment;

use clientele_platform::postgres::Error as StorageError;

/// Fails unless a statement touched as many rows as it must.
fn assert_rows(actual: u64, expected: usize) -> Result<(), StorageError> {
    let expected = expected as u64;
    if actual == expected { Ok(()) } else { Err(StorageError::Rows { expected, actual }) }
}
