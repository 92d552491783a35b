//! What visitors see.

use chrono::SecondsFormat;
use clientele_contracts::messaging::v1 as pb;

use super::dialog;
use crate::domain::dialog::message::{Message, Speaker};

/// A message as the visitor sees it: nothing of who among the colleagues wrote it.
pub(crate) fn message(message: &Message) -> pb::VisitorMessage {
    let own = message.content.speaker() == Some(Speaker::Customer);
    let client_message_id = message.client_message_id.filter(|_| own);
    pb::VisitorMessage {
        sequence: message.sequence,
        kind: dialog::speaker(message.content.speaker()).into(),
        text: message.content.text().to_owned(),
        client_message_id: client_message_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: message.created_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    }
}
