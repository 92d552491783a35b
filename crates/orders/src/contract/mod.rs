//! Between what orders knows and the messages that stand for it in the contract: in requests, in answers, and as the
//! after-image in the journal.

pub(crate) mod credit_note;
pub(crate) mod line;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod product;
pub(crate) mod status;

use clientele_contracts::platform::v1::ExternalReference;

use crate::domain::reference::Reference;

fn reference_in(reference: Option<ExternalReference>) -> Option<(String, String)> {
    reference.map(|reference| (reference.source, reference.external_id))
}

fn reference_out(reference: &Reference) -> ExternalReference {
    ExternalReference { source: reference.source.clone(), external_id: reference.external_id.clone() }
}
