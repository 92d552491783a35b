//! Between what orders knows and the messages that stand for it in the contract: in requests, in answers, and as the
//! after-image in the journal.

use clientele_kernel::Reference;
pub(crate) mod credit_note;
pub(crate) mod line;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod product;
pub(crate) mod status;

use clientele_contracts::platform::v1::ExternalReference;

fn reference_in(reference: Option<ExternalReference>) -> Option<(String, String)> {
    reference.map(|reference| (reference.source, reference.external_id))
}

/// A reference as a message.
pub(crate) fn reference_out(reference: &Reference) -> ExternalReference {
    ExternalReference { source: reference.source().to_owned(), external_id: reference.external_id().to_owned() }
}
