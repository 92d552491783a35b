//! Captured letters, as messages.

use clientele_contracts::messaging::v1 as pb;
use clientele_platform::proto;

use crate::domain::mailbox::Captured;

/// A captured letter as callers see one.
pub(crate) fn encode(letter: &Captured) -> pb::CapturedEmail {
    pb::CapturedEmail {
        id: letter.id.to_string(),
        email_id: letter.letter_id.to_string(),
        customer_id: letter.customer_id.to_string(),
        to_address: letter.to_address.clone(),
        from_address: letter.from_address.clone(),
        subject: letter.subject.clone(),
        captured_at: Some(proto::timestamp(letter.at)),
        size_bytes: letter.size_bytes,
        text: letter.text.clone(),
        html: letter.html.clone(),
        source: letter.source.clone(),
    }
}
