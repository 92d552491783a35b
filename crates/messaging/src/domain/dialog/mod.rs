//! Dialogs with customers and visitors: who may write, what opens and closes them, and what is noted on the way.
//!
//! - [`message`]: what is said, and what the system notes
//! - [`import`]: dialogs that another system held
//! - [`listing`]: which dialogs a list shows

pub(crate) mod import;
pub(crate) mod listing;
pub(crate) mod message;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use clientele_kernel::{ChannelId, Code, CustomerId, DialogId, Error, Ids, Reference, UserId, VisitorId};

use self::message::{Content, Message, Note, Said, Speaker};
use super::channel::Channel;

/// The permission to take a dialog from whoever is responsible; administrators have every permission.
pub(crate) const REASSIGN: &str = "messaging.dialog.reassign";

/// Whether a dialog is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed,
}

/// What a visitor says of themselves; nobody has proved it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VisitingCard {
    /// What they call themselves; may be empty.
    pub(crate) name: String,
    /// An address to answer to; may be empty.
    pub(crate) email: String,
}

/// How a dialog that another system held is known, with the hash of what that system said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) reference: Reference,
    pub(crate) content_hash: [u8; 32],
}

/// A dialog as of now. Its messages stand apart: there may be many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialog {
    pub(crate) id: DialogId,
    pub(crate) channel_id: ChannelId,
    pub(crate) channel_name: String,
    /// `None` for one that another system held.
    pub(crate) visitor_id: Option<VisitorId>,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) card: VisitingCard,
    pub(crate) state: State,
    /// The colleague responsible.
    pub(crate) assignee_id: Option<UserId>,
    pub(crate) last_sequence: i64,
    pub(crate) read_sequence: i64,
    pub(crate) unread_count: i32,
    /// The last message that somebody wrote.
    pub(crate) last_message: Message,
    pub(crate) opened_at: DateTime<Utc>,
    pub(crate) closed_at: Option<DateTime<Utc>>,
    pub(crate) origin: Option<Origin>,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Who acts on the team's side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colleague {
    /// `None` for a program.
    pub(crate) user_id: Option<UserId>,
    /// Whether they may take dialogs from others.
    pub(crate) may_reassign: bool,
}

/// When entries are made, and where their ids come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) ids: &'a Ids,
}

impl Dialog {
    /// Opens a dialog with a visitor's first message.
    pub(crate) fn open(
        id: DialogId,
        channel: &Channel,
        visitor_id: VisitorId,
        card: VisitingCard,
        said: Said,
        pen: Pen<'_>,
    ) -> (Self, Vec<Message>) {
        let opened = entry(id, 1, Content::System(Note::Opened), None, pen);
        let message = entry(id, 2, Content::Customer(said.text), Some(said.client_message_id), pen);
        let dialog = Self {
            id,
            channel_id: channel.id,
            channel_name: channel.name.text.clone(),
            visitor_id: Some(visitor_id),
            customer_id: None,
            card,
            state: State::Open,
            assignee_id: None,
            last_sequence: 2,
            read_sequence: 0,
            unread_count: 1,
            last_message: message.clone(),
            opened_at: pen.now,
            closed_at: None,
            origin: None,
            version: 1,
            updated_at: pen.now,
        };
        (dialog, vec![opened, message])
    }

    /// The customer writes; a closed dialog opens again. What the card leaves empty stays as it was.
    pub(crate) fn customer_writes(&mut self, said: Said, card: VisitingCard, pen: Pen<'_>) -> Vec<Message> {
        let pen = self.touch(pen);
        if !card.name.is_empty() {
            self.card.name = card.name;
        }
        if !card.email.is_empty() {
            self.card.email = card.email;
        }
        let mut added = Vec::new();
        self.reopen(pen, &mut added);
        self.add(Content::Customer(said.text), Some(said.client_message_id), pen, &mut added);
        self.unread_count = self.unread_count.saturating_add(1);
        added
    }

    /// A colleague writes: a closed dialog opens again, one without a responsible colleague becomes the writer's. Fails where
    /// there is no visitor who could read it.
    pub(crate) fn colleague_writes(&mut self, by: UserId, said: Said, pen: Pen<'_>) -> Result<Vec<Message>, Error> {
        if self.visitor_id.is_none() {
            return Err(Error::failed_precondition(
                "DIALOG_HAS_NO_RECIPIENT",
                "this dialog was held in another system: nobody would get what is written here",
            ));
        }
        if let Some(other) = self.assignee_id.filter(|assignee| *assignee != by) {
            return Err(not_yours(other, "it must be given to you before you can write in it"));
        }
        let pen = self.touch(pen);
        let mut added = Vec::new();
        self.reopen(pen, &mut added);
        if self.assignee_id.is_none() {
            self.assignee_id = Some(by);
            self.add(Content::System(Note::Assigned(Some(by))), None, pen, &mut added);
        }
        self.add(Content::Colleague(Some(by), said.text), Some(said.client_message_id), pen, &mut added);
        Ok(added)
    }

    /// Gives the dialog to a colleague, or to nobody.
    pub(crate) fn assign(&mut self, by: Colleague, to: Option<UserId>, pen: Pen<'_>) -> Result<Vec<Message>, Error> {
        self.require_responsible(by, "only they or an administrator may give it to somebody else")?;
        if self.assignee_id == to {
            return Ok(Vec::new());
        }
        let pen = self.touch(pen);
        self.assignee_id = to;
        let mut added = Vec::new();
        self.add(Content::System(Note::Assigned(to)), None, pen, &mut added);
        Ok(added)
    }

    /// Closes the dialog.
    pub(crate) fn close(&mut self, by: Colleague, pen: Pen<'_>) -> Result<Vec<Message>, Error> {
        self.require_responsible(by, "only they or an administrator may close it")?;
        if self.state == State::Closed {
            return Ok(Vec::new());
        }
        let pen = self.touch(pen);
        self.state = State::Closed;
        self.closed_at = Some(pen.now);
        let mut added = Vec::new();
        self.add(Content::System(Note::Closed), None, pen, &mut added);
        Ok(added)
    }

    /// Says which customer the visitor is.
    pub(crate) fn link(&mut self, customer_id: CustomerId, pen: Pen<'_>) -> Result<Vec<Message>, Error> {
        match self.customer_id {
            Some(known) if known == customer_id => return Ok(Vec::new()),
            Some(known) => {
                let error = Error::failed_precondition(
                    "DIALOG_OF_ANOTHER_CUSTOMER",
                    format!("the dialog belongs to the customer `{known}` already"),
                );
                return Err(error.with_metadata("customer_id", known.to_string()));
            }
            None => {}
        }
        let pen = self.touch(pen);
        self.customer_id = Some(customer_id);
        let mut added = Vec::new();
        self.add(Content::System(Note::CustomerLinked), None, pen, &mut added);
        Ok(added)
    }

    /// Notes that the team has read up to a sequence number, beyond which there are so many messages of the customer. What
    /// was read stays read.
    pub(crate) fn mark_read(&mut self, sequence: i64, unread_beyond: i32, pen: Pen<'_>) {
        if sequence > self.read_sequence {
            self.touch(pen);
            self.read_sequence = sequence;
            self.unread_count = unread_beyond;
        }
    }

    /// Fails for a sequence number that the dialog cannot have been read up to.
    pub(crate) fn check_read(&self, sequence: i64) -> Result<(), Error> {
        if (0..=self.last_sequence).contains(&sequence) {
            return Ok(());
        }
        let last = self.last_sequence;
        Err(Error::invalid("sequence", format!("`{sequence}` is no place in the dialog: 0 to {last} are")))
    }

    /// Fails where another colleague is responsible and the caller may not take the dialog from them.
    fn require_responsible(&self, by: Colleague, rule: &str) -> Result<(), Error> {
        match self.assignee_id {
            Some(other) if by.user_id != Some(other) && !by.may_reassign => Err(not_yours(other, rule)),
            _ => Ok(()),
        }
    }

    /// One version on. Time never runs back within a dialog: a writer that waited for another's lock began before it.
    fn touch<'a>(&mut self, pen: Pen<'a>) -> Pen<'a> {
        let now = pen.now.max(self.updated_at);
        self.version += 1;
        self.updated_at = now;
        Pen { now, ..pen }
    }

    fn reopen(&mut self, pen: Pen<'_>, added: &mut Vec<Message>) {
        if self.state == State::Closed {
            self.state = State::Open;
            self.closed_at = None;
            self.add(Content::System(Note::Opened), None, pen, added);
        }
    }

    fn add(&mut self, content: Content, client_message_id: Option<uuid::Uuid>, pen: Pen<'_>, added: &mut Vec<Message>) {
        self.last_sequence += 1;
        let message = entry(self.id, self.last_sequence, content, client_message_id, pen);
        if message.content.speaker().is_some() {
            self.last_message = message.clone();
        }
        added.push(message);
    }
}

/// Who spoke last among these entries.
pub(crate) fn spoke(added: &[Message]) -> Option<Speaker> {
    added.iter().rev().find_map(|message| message.content.speaker())
}

fn entry(
    dialog_id: DialogId,
    sequence: i64,
    content: Content,
    client_message_id: Option<uuid::Uuid>,
    pen: Pen<'_>,
) -> Message {
    Message { id: pen.ids.at(pen.now), dialog_id, sequence, content, client_message_id, created_at: pen.now }
}

fn not_yours(assignee: UserId, rule: &str) -> Error {
    Error::new(
        Code::PermissionDenied,
        "DIALOG_NOT_YOURS",
        format!("another colleague is responsible for this dialog: {rule}"),
    )
    .with_metadata("assignee_id", assignee.to_string())
}
