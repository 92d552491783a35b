//! What the team does with dialogs: writing, reading, giving away, closing, saying who the visitor is.
//!
//! - [`listing`]: lists and parts of dialogs
//! - [`import`]: dialogs that another system held

pub(crate) mod import;
pub(crate) mod listing;

use clientele_kernel::{Code, CustomerId, DialogId, Error, UserId};
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, UnitOfWork};

use super::lookup::Lookup;
use crate::domain::dialog::message::{Message, Said, Speaker};
use crate::domain::dialog::{Colleague, Dialog, Pen, REASSIGN};
use crate::events::publish;
use crate::store;

/// What can be done with dialogs.
#[derive(Clone)]
pub(crate) struct Dialogs {
    db: Database,
    lookup: Lookup,
}

impl Dialogs {
    pub(crate) fn new(db: Database, lookup: Lookup) -> Self {
        Self { db, lookup }
    }

    /// Writes to the customer. A repetition gets the message it repeats, also where the writer may no longer write.
    pub(crate) async fn write(&self, caller: &Caller, id: DialogId, said: Said) -> Result<Message, Error> {
        let writer = caller.user().ok_or_else(not_a_user)?;
        let mut uow = self.db.begin(caller).await?;
        let mut dialog = locked(&mut uow, id).await?;
        let before =
            store::dialog::message::sent_as(uow.conn(), id, Speaker::Colleague, said.client_message_id).await?;
        if let Some(before) = before {
            said.require_repeats(&before.content, Some(writer))?;
            return Ok(before);
        }
        let pen = Pen { now: uow.now(), ids: self.db.ids() };
        let added = dialog.colleague_writes(writer, said, pen)?;
        save(&mut uow, &dialog, &added).await?;
        uow.commit().await?;
        Ok(dialog.last_message)
    }

    /// Marks what the customer wrote as read.
    pub(crate) async fn mark_read(&self, caller: &Caller, id: DialogId, sequence: i64) -> Result<Dialog, Error> {
        let mut uow = self.db.begin(caller).await?;
        let mut dialog = locked(&mut uow, id).await?;
        dialog.check_read(sequence)?;
        let unread = store::dialog::message::unread_beyond(uow.conn(), id, sequence).await?;
        let version = dialog.version;
        dialog.mark_read(sequence, unread, Pen { now: uow.now(), ids: self.db.ids() });
        settle(uow, dialog, version, &[]).await
    }

    /// Gives the dialog to a colleague, or to nobody.
    pub(crate) async fn assign(&self, caller: &Caller, id: DialogId, to: Option<UserId>) -> Result<Dialog, Error> {
        // Who calls exists; anybody else is asked for, for a dialog given to nobody real would be everybody's to see and
        // nobody's to answer.
        if let Some(assignee) = to.filter(|to| caller.user() != Some(*to))
            && !self.lookup.is_active_user(assignee).await?
        {
            return Err(Error::invalid("assignee_id", format!("there is no active user `{assignee}`")));
        }
        let mut uow = self.db.begin(caller).await?;
        let mut dialog = locked(&mut uow, id).await?;
        let version = dialog.version;
        let added = dialog.assign(colleague(caller), to, Pen { now: uow.now(), ids: self.db.ids() })?;
        settle(uow, dialog, version, &added).await
    }

    /// Closes the dialog.
    pub(crate) async fn close(&self, caller: &Caller, id: DialogId) -> Result<Dialog, Error> {
        let mut uow = self.db.begin(caller).await?;
        let mut dialog = locked(&mut uow, id).await?;
        let version = dialog.version;
        let added = dialog.close(colleague(caller), Pen { now: uow.now(), ids: self.db.ids() })?;
        settle(uow, dialog, version, &added).await
    }

    /// Says which customer the visitor is.
    pub(crate) async fn link(&self, caller: &Caller, id: DialogId, customer: CustomerId) -> Result<Dialog, Error> {
        if !self.lookup.customers([customer]).await?.contains(&customer) {
            return Err(Error::not_found("customer", customer));
        }
        let mut uow = self.db.begin(caller).await?;
        let mut dialog = locked(&mut uow, id).await?;
        let version = dialog.version;
        let added = dialog.link(customer, Pen { now: uow.now(), ids: self.db.ids() })?;
        settle(uow, dialog, version, &added).await
    }
}

/// The dialog, locked until the unit of work ends: what follows gets the next sequence numbers.
async fn locked(uow: &mut UnitOfWork, id: DialogId) -> Result<Dialog, Error> {
    store::dialog::lock(uow.conn(), id).await?.ok_or_else(|| Error::not_found("dialog", id))
}

/// Writes and tells a change; where nothing has changed nothing is written.
async fn settle(mut uow: UnitOfWork, dialog: Dialog, version: i64, added: &[Message]) -> Result<Dialog, Error> {
    if dialog.version > version {
        save(&mut uow, &dialog, added).await?;
        uow.commit().await?;
    }
    Ok(dialog)
}

async fn save(uow: &mut UnitOfWork, dialog: &Dialog, added: &[Message]) -> Result<(), Error> {
    store::dialog::update(uow.conn(), dialog).await?;
    store::dialog::message::insert(uow.conn(), added).await?;
    uow.record(publish::dialog(dialog, added));
    Ok(())
}

fn colleague(caller: &Caller) -> Colleague {
    Colleague { user_id: caller.user(), may_reassign: caller.permissions.allow(REASSIGN) }
}

fn not_a_user() -> Error {
    Error::new(Code::PermissionDenied, "NOT_A_USER", "only a user who has signed in can write to a customer")
}
