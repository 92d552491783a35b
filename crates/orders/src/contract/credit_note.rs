//! Credit notes, to and from messages.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::{Etag, Violations};
use clientele_platform::proto;

use super::{line, reference_in, reference_out};
use crate::domain::credit_note::{CreditNote, CreditNoteDraft};

/// Fails where the moment is none, naming the field within the credit note.
pub(crate) fn draft(note: pb::CreditNote) -> Result<CreditNoteDraft, Violations> {
    let mut violations = Violations::new();
    let issued_at = violations.take("issued_at", proto::instant(note.issued_at, "issued_at")).flatten();
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(CreditNoteDraft {
        issued_at,
        reference: reference_in(note.reference),
        number: note.number,
        customer_id: note.customer_id,
        order_id: note.order_id,
        currency: note.currency,
        lines: note.lines.into_iter().map(line::draft).collect(),
    })
}

/// A credit note as callers see one.
pub(crate) fn encode(note: &CreditNote) -> pb::CreditNote {
    pb::CreditNote {
        id: note.id.to_string(),
        reference: Some(reference_out(&note.reference)),
        number: note.number.clone(),
        customer_id: note.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        order_id: note.order_id.map(|id| id.to_string()).unwrap_or_default(),
        issued_at: Some(proto::timestamp(note.issued_at)),
        currency: note.currency.code().to_owned(),
        lines: note.lines.iter().map(line::encode_without_kind).collect(),
        total: Some(proto::money(note.total)),
        etag: Etag(note.version).to_string(),
        created_at: Some(proto::timestamp(note.created_at)),
        updated_at: Some(proto::timestamp(note.updated_at)),
    }
}
