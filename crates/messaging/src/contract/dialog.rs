//! Dialogs and their entries as messages.

use chrono::{DateTime, Utc};
use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::{ChannelId, CustomerId, Error, Reference, UserId, Violations, text};
use clientele_platform::proto;

use crate::domain::dialog::import::{MOST_MESSAGES, Record, RecordedMessage};
use crate::domain::dialog::message::{Content, Message, Note, Speaker};
use crate::domain::dialog::{Dialog, State};

/// How many characters of the last message a dialog shows.
const SHOWN: usize = 200;

/// A dialog as callers see it: of its last message the beginning.
pub(crate) fn encode(dialog: &Dialog) -> pb::Dialog {
    let mut encoded = image(dialog);
    if let Some(last) = &mut encoded.last_message {
        last.text = text::beginning(&last.text, SHOWN);
    }
    encoded
}

/// A dialog with the whole of its last message: what the journal keeps.
pub(crate) fn image(dialog: &Dialog) -> pb::Dialog {
    pb::Dialog {
        id: dialog.id.to_string(),
        channel_id: dialog.channel_id.to_string(),
        channel_name: dialog.channel_name.clone(),
        customer_id: dialog.customer_id.map(|id: CustomerId| id.to_string()).unwrap_or_default(),
        visitor_name: dialog.card.name.clone(),
        visitor_email: dialog.card.email.clone(),
        state: state(dialog.state).into(),
        assignee_id: dialog.assignee_id.map(|id: UserId| id.to_string()).unwrap_or_default(),
        last_sequence: dialog.last_sequence,
        read_sequence: dialog.read_sequence,
        unread_count: dialog.unread_count,
        last_message: Some(message(&dialog.last_message)),
        opened_at: Some(proto::timestamp(dialog.opened_at)),
        closed_at: dialog.closed_at.map(proto::timestamp),
        last_message_at: Some(proto::timestamp(dialog.last_message.created_at)),
        version: dialog.version,
        // Numbers are dense and entries are never removed: there are as many as the last one says.
        message_count: dialog.last_sequence,
    }
}

/// A state as a message.
pub(crate) fn state(state: State) -> pb::DialogState {
    match state {
        State::Open => pb::DialogState::Open,
        State::Closed => pb::DialogState::Closed,
    }
}

/// A state from a message; `None` when none is said.
pub(crate) fn state_in(number: i32) -> Result<Option<State>, Error> {
    match pb::DialogState::try_from(number) {
        Ok(pb::DialogState::Unspecified) => Ok(None),
        Ok(pb::DialogState::Open) => Ok(Some(State::Open)),
        Ok(pb::DialogState::Closed) => Ok(Some(State::Closed)),
        Err(_) => {
            Err(Error::invalid("state", format!("`{number}` is no state of a dialog: 1, open, and 2, closed, are")))
        }
    }
}

/// Who speaks, as a message.
pub(crate) fn speaker(speaker: Option<Speaker>) -> pb::DialogMessageKind {
    match speaker {
        Some(Speaker::Customer) => pb::DialogMessageKind::Customer,
        Some(Speaker::Colleague) => pb::DialogMessageKind::Colleague,
        None => pb::DialogMessageKind::System,
    }
}

/// An entry of a dialog.
pub(crate) fn message(message: &Message) -> pb::DialogMessage {
    let (note, user_id) = match &message.content {
        Content::Customer(_) => (pb::DialogNote::Unspecified, None),
        Content::Colleague(user, _) => (pb::DialogNote::Unspecified, *user),
        Content::System(Note::Opened) => (pb::DialogNote::Opened, None),
        Content::System(Note::Closed) => (pb::DialogNote::Closed, None),
        Content::System(Note::Assigned(user)) => (pb::DialogNote::Assigned, *user),
        Content::System(Note::CustomerLinked) => (pb::DialogNote::CustomerLinked, None),
    };
    pb::DialogMessage {
        id: message.id.to_string(),
        dialog_id: message.dialog_id.to_string(),
        sequence: message.sequence,
        kind: speaker(message.content.speaker()).into(),
        text: message.content.text().to_owned(),
        note: note.into(),
        user_id: user_id.map(|id| id.to_string()).unwrap_or_default(),
        client_message_id: message.client_message_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(proto::timestamp(message.created_at)),
    }
}

/// What another system says of a dialog it held.
pub(crate) fn record(sent: pb::ImportedDialog, now: DateTime<Utc>) -> Result<Record, Violations> {
    let mut violations = Violations::new();
    violations.check(sent.reference.is_some(), "reference", || {
        "is missing: how the other system names the dialog is wanted".to_owned()
    });
    let reference = sent
        .reference
        .as_ref()
        .and_then(|sent| Reference::check(&sent.source, &sent.external_id, "reference", &mut violations));
    let channel_id = violations.take("channel_id", ChannelId::parse(&sent.channel_id, "channel_id"));
    let customer_id = violations.take("customer_id", CustomerId::parse(&sent.customer_id, "customer_id"));
    let count = sent.messages.len();
    violations.check((1..=MOST_MESSAGES).contains(&count), "messages", || {
        format!("has {count} entries: 1 to {MOST_MESSAGES} are wanted")
    });
    let mut messages: Vec<RecordedMessage> = Vec::new();
    for (index, sent) in sent.messages.iter().take(MOST_MESSAGES).enumerate() {
        let mut inner = Violations::new();
        let moment = proto::required_instant(sent.created_at, "created_at");
        if let Some(moment) = inner.take("created_at", moment) {
            let before = messages.last().map(|message| message.created_at);
            messages.push(RecordedMessage::check(sent.from_customer, &sent.text, moment, before, now, &mut inner));
        }
        violations.within(&format!("messages[{index}]"), inner);
    }
    match (reference, channel_id, customer_id) {
        (Some(reference), Some(channel_id), Some(customer_id)) if violations.is_empty() => {
            Ok(Record { reference, channel_id, customer_id, messages })
        }
        _ => Err(violations),
    }
}
