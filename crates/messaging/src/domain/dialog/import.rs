//! Dialogs that another system held: recorded as they were, closed and read.

use chrono::{DateTime, Utc};
use clientele_kernel::{ChannelId, CustomerId, Ids, Reference, Violations, text};
use sha2::{Digest, Sha256};

use super::message::{Content, LONGEST_TEXT, Message, Note};
use super::{Dialog, Origin, Pen, State, VisitingCard, entry};
use crate::domain::channel::Channel;

/// Most messages of one dialog.
pub(crate) const MOST_MESSAGES: usize = 500;

/// What another system says of a dialog, checked as far as that goes without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) reference: Reference,
    pub(crate) channel_id: ChannelId,
    pub(crate) customer_id: CustomerId,
    pub(crate) messages: Vec<RecordedMessage>,
}

/// One of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedMessage {
    pub(crate) from_customer: bool,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
}

impl RecordedMessage {
    /// Reads a message that follows one of the moment `before`; notes what is wrong within it.
    pub(crate) fn check(
        from_customer: bool,
        text: &str,
        created_at: DateTime<Utc>,
        before: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        violations: &mut Violations,
    ) -> Self {
        let text = violations.or_default(text::required_prose(text, LONGEST_TEXT, "text"));
        violations
            .check(created_at <= now, "created_at", || format!("is in the future: it is {} now", now.to_rfc3339()));
        if let Some(before) = before.filter(|before| created_at < *before) {
            let before = before.to_rfc3339();
            violations.push("created_at", format!("is before the message ahead of it, which was written at {before}"));
        }
        Self { from_customer, text, created_at }
    }
}

impl Record {
    /// SHA-256 of all it says. Each text is written with its length, so that no two records give the same bytes.
    pub(crate) fn content_hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.channel_id.uuid());
        hasher.update(self.customer_id.uuid());
        for message in &self.messages {
            hasher.update([u8::from(message.from_customer)]);
            hasher.update(message.created_at.timestamp_micros().to_be_bytes());
            hasher.update((message.text.len() as u64).to_be_bytes());
            hasher.update(&message.text);
        }
        hasher.finalize().into()
    }

    /// The dialog with its entries: opened with its first message, closed after its last, all of it read. `None` for a
    /// record without messages.
    pub(crate) fn into_dialog(
        self,
        channel: &Channel,
        now: DateTime<Utc>,
        ids: &Ids,
    ) -> Option<(Dialog, Vec<Message>)> {
        let content_hash = self.content_hash();
        let opened_at = self.messages.first()?.created_at;
        let id = ids.at(opened_at);
        let pen = |now| Pen { now, ids };
        let mut entries = Vec::with_capacity(self.messages.len() + 2);
        entries.push(entry(id, 1, Content::System(Note::Opened), None, pen(opened_at)));
        for (sequence, message) in (2..).zip(self.messages) {
            let content = if message.from_customer {
                Content::Customer(message.text)
            } else {
                Content::Colleague(None, message.text)
            };
            entries.push(entry(id, sequence, content, None, pen(message.created_at)));
        }
        let last_message = entries.last()?.clone();
        let (closed_at, last_sequence) = (last_message.created_at, last_message.sequence + 1);
        entries.push(entry(id, last_sequence, Content::System(Note::Closed), None, pen(closed_at)));
        let dialog = Dialog {
            id,
            channel_id: channel.id,
            channel_name: channel.name.text.clone(),
            visitor_id: None,
            customer_id: Some(self.customer_id),
            card: VisitingCard::default(),
            state: State::Closed,
            assignee_id: None,
            last_sequence,
            read_sequence: last_sequence,
            unread_count: 0,
            last_message,
            opened_at,
            closed_at: Some(closed_at),
            origin: Some(Origin { reference: self.reference, content_hash }),
            version: 1,
            updated_at: now,
        };
        Some((dialog, entries))
    }
}
