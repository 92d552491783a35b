//! Visitors of pages that carry the widget: starting a visit, writing, reading.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::{DialogId, Entropy, Error, Origin, VisitorId};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;
use tokio_util::sync::CancellationToken;

use crate::domain::channel::{self, Channel};
use crate::domain::dialog::message::{Message, Said, Speaker};
use crate::domain::dialog::{Dialog, Pen, VisitingCard};
use crate::domain::visitor::{self, MEMORY, MOST_MESSAGES, SPAN, Secret, Visitor};
use crate::events::publish;
use crate::{NAME, store};

/// How often visitors who never wrote are looked for.
/// Its name among the tasks of the service.
pub(crate) const TASK: &str = "visitors";
const PERIOD: Duration = Duration::from_mins(10);
/// How many are forgotten by one statement.
const BATCH: i64 = 1_000;

/// What visitors can do.
#[derive(Clone)]
pub(crate) struct Visitors {
    db: Database,
    entropy: Arc<dyn Entropy>,
}

/// Where a visitor stands: the page's channel, what they prove themselves by, the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) site_key: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) page_origin: &'a str,
}

/// A visit.
pub(crate) struct Visit {
    /// The visitor's secret.
    pub(crate) secret: String,
    pub(crate) channel: Channel,
    /// The visitor's dialog; `None` before the first message.
    pub(crate) dialog: Option<Dialog>,
}

/// What was said in the visitor's dialog.
pub(crate) struct Conversation {
    /// `None` before the first message.
    pub(crate) dialog_id: Option<DialogId>,
    pub(crate) messages: Vec<Message>,
    pub(crate) more: bool,
}

impl Visitors {
    pub(crate) fn new(db: Database, entropy: Arc<dyn Entropy>) -> Self {
        Self { db, entropy }
    }

    /// Greets a visitor who came back, or makes a new one known. A secret that proves nothing here is as good as none: it
    /// may be of a visitor forgotten meanwhile.
    pub(crate) async fn start(&self, door: Door<'_>) -> Result<Visit, Error> {
        let channel = self.channel(door).await?;
        let pool = self.db.pool();
        if let Some(hash) = visitor::presented(door.secret)
            && let Some(id) = store::visitor::find(pool, channel.id, hash).await?
            && store::visitor::seen(pool, id, self.db.clock().now()).await?
        {
            let dialog = match store::dialog::of_visitor(pool, id).await? {
                Some(id) => store::dialog::find(pool, id).await?,
                None => None,
            };
            return Ok(Visit { secret: door.secret.to_owned(), channel, dialog });
        }
        let secret = Secret::draw(self.entropy.as_ref());
        let mut uow = self.db.begin(&visiting()).await?;
        let now = uow.now();
        let (visits, began_at) = store::channel::count_visit(uow.conn(), channel.id, now, now - SPAN).await?;
        visitor::admit_visit(visits, began_at, now)?;
        let visitor = Visitor { id: uow.id(), channel_id: channel.id, secret_hash: secret.hash, created_at: now };
        store::visitor::insert(uow.conn(), &visitor).await?;
        uow.commit().await?;
        Ok(Visit { secret: secret.reveal(), channel, dialog: None })
    }

    /// Writes to the company; the first message opens the dialog.
    pub(crate) async fn write(&self, door: Door<'_>, said: Said, card: VisitingCard) -> Result<Message, Error> {
        let channel = self.channel(door).await?;
        let hash = visitor::presented(door.secret).ok_or_else(visitor::unknown)?;
        let mut uow = self.db.begin(&visiting()).await?;
        let visitor = store::visitor::lock(uow.conn(), channel.id, hash).await?.ok_or_else(visitor::unknown)?;
        let known = match store::dialog::of_visitor(uow.conn(), visitor).await? {
            Some(id) => store::dialog::lock(uow.conn(), id).await?,
            None => None,
        };
        let now = uow.now();
        let ids = self.db.ids();
        let pen = Pen { now, ids };
        let (dialog, added) = if let Some(mut dialog) = known {
            let before =
                store::dialog::message::sent_as(uow.conn(), dialog.id, Speaker::Customer, said.client_message_id);
            if let Some(before) = before.await? {
                said.require_repeats(&before.content, None)?;
                return Ok(before);
            }
            let recent = store::dialog::message::recent_of_customer(uow.conn(), dialog.id, MOST_MESSAGES).await?;
            visitor::admit_message(&recent, now)?;
            let added = dialog.customer_writes(said, card, pen);
            store::dialog::update(uow.conn(), &dialog).await?;
            (dialog, added)
        } else {
            let (dialog, added) = Dialog::open(uow.id(), &channel, visitor, card, said, pen);
            store::dialog::insert(uow.conn(), std::slice::from_ref(&dialog)).await?;
            store::visitor::has_dialog(uow.conn(), visitor).await?;
            (dialog, added)
        };
        store::dialog::message::insert(uow.conn(), &added).await?;
        uow.record(publish::dialog(&dialog, &added));
        uow.commit().await?;
        Ok(dialog.last_message)
    }

    /// What was said after a sequence number.
    pub(crate) async fn read(&self, door: Door<'_>, after: i64, size: u32) -> Result<Conversation, Error> {
        let channel = self.channel(door).await?;
        let visitor = self.visitor(&channel, door.secret).await?;
        let pool = self.db.pool();
        let Some(dialog_id) = store::dialog::of_visitor(pool, visitor).await? else {
            return Ok(Conversation { dialog_id: None, messages: Vec::new(), more: false });
        };
        let mut messages = store::dialog::message::spoken_after(pool, dialog_id, after, size + 1).await?;
        let more = clientele_kernel::paging::cut(&mut messages, size);
        Ok(Conversation { dialog_id: Some(dialog_id), messages, more })
    }

    /// Forgets visitors who never wrote and have not been here for a while, until told to stop.
    pub(crate) async fn forget_silent(self, stop: CancellationToken) -> Result<(), Error> {
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            if let Err(error) = self.forget_once(MEMORY).await {
                self.db.metrics().task_failed(self.db.context(), TASK);
                tracing::warn!(%error, "visitors who never wrote could not be cleared away; trying again later");
            }
        }
    }

    async fn forget_once(&self, memory: TimeDelta) -> Result<(), Error> {
        let before = self.db.clock().now() - memory;
        while store::visitor::forget(self.db.pool(), before, BATCH).await? == BATCH.unsigned_abs() {}
        Ok(())
    }

    /// The page's channel, if the page may carry its widget.
    async fn channel(&self, door: Door<'_>) -> Result<Channel, Error> {
        let found = if channel::is_site_key(door.site_key) {
            store::channel::active(self.db.pool(), door.site_key).await?
        } else {
            None
        };
        let channel = found.ok_or_else(|| channel::not_found(door.site_key))?;
        channel.admit(door.page_origin)?;
        Ok(channel)
    }

    async fn visitor(&self, channel: &Channel, secret: &str) -> Result<VisitorId, Error> {
        let hash = visitor::presented(secret).ok_or_else(visitor::unknown)?;
        let found = store::visitor::find(self.db.pool(), channel.id, hash).await?;
        found.ok_or_else(visitor::unknown)
    }
}

/// Nobody has signed in where a visitor acts: messaging acts for them, and says that it came through a channel.
fn visiting() -> Caller {
    Caller { origin: Origin::Channel, ..Caller::service(NAME) }
}
