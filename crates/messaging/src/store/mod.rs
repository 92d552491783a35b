//! The only place with SQL: reads and writes of aggregates.
//!
//! - [`email`]: letters as callers see them
//! - [`ledger`]: letters as the worker claims and settles them
//! - [`template`]: templates of letters
//! - [`mailbox`]: captured letters
//! - [`channel`], [`visitor`]: channels and who writes through them
//! - [`dialog`]: dialogs and their messages
//! - [`notification`]: what colleagues are told

pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod ledger;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod template;
pub(crate) mod visitor;

use clientele_platform::postgres::Error;

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
