//! The captured mailbox.

use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::{CapturedLetterId, Error, paging};
use clientele_platform::postgres::Database;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::mailbox::{Captured, Memory};
use crate::store;
use crate::store::email::Place;

/// How often letters that are kept no longer are looked for.
/// Its name among the tasks of the service.
pub(crate) const TASK: &str = "captured-mailbox";
const PERIOD: Duration = Duration::from_mins(10);
/// How many are forgotten by one statement.
const BATCH: i64 = 1_000;

/// What can be looked at in the captured mailbox.
#[derive(Clone)]
pub(crate) struct Mailbox {
    db: Database,
    /// Whether letters are captured; else a mail server gets them.
    pub(crate) capturing: bool,
}

/// A page of captured letters.
#[derive(Debug)]
pub(crate) struct CapturedPage {
    pub(crate) letters: Vec<Captured>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

impl Mailbox {
    pub(crate) fn new(db: Database, capturing: bool) -> Self {
        Self { db, capturing }
    }

    /// One captured letter.
    pub(crate) async fn get(&self, id: CapturedLetterId) -> Result<Captured, Error> {
        store::mailbox::by_id(self.db.pool(), id).await?.ok_or_else(|| Error::not_found("captured letter", id))
    }

    /// Captured letters, newest first.
    pub(crate) async fn list(&self, page_size: i32, page_token: &str) -> Result<CapturedPage, Error> {
        let size = paging::size(page_size, 50, 200)?;
        let fingerprint = paging::fingerprint(&["captured letters"]);
        let after: Option<Place> = paging::decode(page_token, fingerprint)?;
        let mut letters = store::mailbox::list(self.db.pool(), after, size + 1).await?;
        let more = paging::cut(&mut letters, size);
        let last = letters.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.at, last.id.uuid()), fingerprint));
        Ok(CapturedPage { letters, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// Forgets letters that are too old or too many, until told to stop.
    pub(crate) async fn forget_old(self, memory: Memory, stop: CancellationToken) -> Result<(), Error> {
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            if let Err(error) = self.forget_once(memory, &stop).await {
                self.db.metrics().task_failed(self.db.context(), TASK);
                tracing::warn!(%error, "old captured letters could not be cleared away; trying again later");
            }
        }
    }

    async fn forget_once(&self, memory: Memory, stop: &CancellationToken) -> Result<(), Error> {
        let pool = self.db.pool();
        let now = self.db.clock().now();
        let too_old = (now - TimeDelta::from_std(memory.span).map_err(Error::internal)?, Uuid::max());
        let too_many = store::mailbox::place_beyond(pool, memory.most).await?;
        let up_to = too_many.map_or(too_old, |too_many| too_old.max(too_many));
        while !stop.is_cancelled() && store::mailbox::forget(pool, up_to, BATCH).await? == BATCH.unsigned_abs() {}
        Ok(())
    }
}
