//! What became of the entries of a batch, as messages.

use clientele_contracts::platform::v1::{FieldViolation, UpsertOutcome};
use clientele_platform::proto;

use crate::app::upsert::Upserted;

/// The version a write left the record with; 0 where nothing was written.
pub(super) fn version<Id>(upserted: &Upserted<Id>) -> i64 {
    match upserted {
        Upserted::Created(_) => 1,
        Upserted::Updated(_, version) => *version,
        Upserted::Unchanged(_) | Upserted::Refused(_) => 0,
    }
}

/// Id (empty when refused), outcome and violations of an entry.
pub(super) fn parts<Id: ToString>(upserted: Upserted<Id>) -> (String, i32, Vec<FieldViolation>) {
    match upserted {
        Upserted::Created(id) => (id.to_string(), UpsertOutcome::Created.into(), Vec::new()),
        Upserted::Updated(id, _) => (id.to_string(), UpsertOutcome::Updated.into(), Vec::new()),
        Upserted::Unchanged(id) => (id.to_string(), UpsertOutcome::Unchanged.into(), Vec::new()),
        Upserted::Refused(violations) => (String::new(), UpsertOutcome::Refused.into(), proto::violations(violations)),
    }
}
