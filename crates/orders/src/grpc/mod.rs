//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`order`]: serves `Orders`
//! - [`status`]: serves `OrderStatuses`
//! - [`product`]: serves `Products`
//! - [`credit_note`]: serves `CreditNotes`
//! - [`feed`]: serves `Feed`
//! - [`operation`]: serves `Operations`
//! - [`upsert`]: what became of the entries of a batch

pub(crate) mod credit_note;
pub(crate) mod feed;
pub(crate) mod operation;
pub(crate) mod order;
pub(crate) mod product;
pub(crate) mod status;
pub(crate) mod upsert;

use clientele_kernel::{Error, Violations};

/// The largest message taken and given: a full batch whose lines carry long names.
pub(crate) const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;
/// How many ids a `BatchGet` takes.
const MOST_IDS: usize = 500;

fn parse_ids<T>(list: &str, ids: &[String], parse: impl Fn(&str, &str) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    let mut violations = Violations::new();
    violations
        .check(ids.len() <= MOST_IDS, list, || format!("{} ids are given: at most {MOST_IDS} are wanted", ids.len()));
    let parsed = ids
        .iter()
        .take(MOST_IDS)
        .enumerate()
        .filter_map(|(index, id)| {
            let field = format!("{list}[{index}]");
            violations.take(&field, parse(id, &field))
        })
        .collect();
    violations.into_result()?;
    Ok(parsed)
}
