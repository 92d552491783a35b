//! What became of the entries of a batch, as messages.

use clientele_contracts::platform::v1::{FieldViolation, UpsertOutcome};
use clientele_platform::proto;

use crate::app::upsert::Upserted;

/// Id (empty when refused), outcome and violations of an entry.
pub(super) fn parts<Id: ToString>(upserted: Upserted<Id>) -> (String, i32, Vec<FieldViolation>) {
    match upserted {
        Upserted::Created(id) => (id.to_string(), UpsertOutcome::Created.into(), Vec::new()),
        Upserted::Updated(id) => (id.to_string(), UpsertOutcome::Updated.into(), Vec::new()),
        Upserted::Unchanged(id) => (id.to_string(), UpsertOutcome::Unchanged.into(), Vec::new()),
        Upserted::Refused(violations) => (String::new(), UpsertOutcome::Refused.into(), proto::violations(violations)),
    }
}
