//! What is said in a dialog, and what the system notes of it.

use chrono::{DateTime, Utc};
use clientele_kernel::{DialogId, DialogMessageId, Error, UserId, Violations, id, text};
use uuid::Uuid;

/// Most characters of a message.
pub(crate) const LONGEST_TEXT: usize = 4_000;

/// An entry of a dialog: added once, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: DialogMessageId,
    pub(crate) dialog_id: DialogId,
    /// Place in the dialog: from 1, rising by one.
    pub(crate) sequence: i64,
    pub(crate) content: Content,
    /// The writer's own id of it.
    pub(crate) client_message_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Who speaks, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The customer or visitor.
    Customer(String),
    /// A colleague; one of another system has no id here.
    Colleague(Option<UserId>, String),
    /// The system notes what happened.
    System(Note),
}

/// What happened in a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// It was opened.
    Opened,
    /// It was closed.
    Closed,
    /// It was given to a colleague, or to nobody.
    Assigned(Option<UserId>),
    /// The visitor was recognised as a customer.
    CustomerLinked,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The customer or visitor.
    Customer,
    /// A colleague.
    Colleague,
}

impl Content {
    /// Who speaks; `None` for what the system notes.
    pub(crate) fn speaker(&self) -> Option<Speaker> {
        match self {
            Self::Customer(_) => Some(Speaker::Customer),
            Self::Colleague(..) => Some(Speaker::Colleague),
            Self::System(_) => None,
        }
    }

    /// The colleague who wrote.
    fn writer(&self) -> Option<UserId> {
        if let Self::Colleague(writer, _) = self { *writer } else { None }
    }

    /// What was written; empty for what the system notes.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Customer(text) | Self::Colleague(_, text) => text,
            Self::System(_) => "",
        }
    }
}

/// Something somebody wants to say, with their own id of it, by which a repetition is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) client_message_id: Uuid,
}

impl Said {
    /// Reads what was sent, noting what is wrong.
    pub(crate) fn check(text: &str, client_message_id: &str, violations: &mut Violations) -> Option<Self> {
        let text = violations.or_default(text::required_prose(text, LONGEST_TEXT, "text"));
        let id = id::parse_uuid(client_message_id, "client_message_id");
        let client_message_id = violations.take("client_message_id", id)?;
        Some(Self { text, client_message_id })
    }

    /// Fails unless the same writer (`None` for the customer) said the same under the same id before.
    pub(crate) fn require_repeats(&self, before: &Content, writer: Option<UserId>) -> Result<(), Error> {
        if before.text() == self.text && before.writer() == writer {
            return Ok(());
        }
        let error = Error::failed_precondition(
            "CLIENT_MESSAGE_ID_REUSED",
            "this `client_message_id` was used for another message of the dialog: take a new one for each message",
        );
        Err(Error {
            violations: vec![clientele_kernel::Violation::new(
                "client_message_id",
                "was used for another message: take a new one",
            )],
            ..error
        })
    }
}
