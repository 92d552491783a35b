//! Channels: creating, changing, listing.

use std::sync::Arc;

use clientele_kernel::{ChannelId, Entropy, Error, Etag, paging};
use clientele_platform::postgres::Database;
use clientele_platform::{Begun, Command};
use prost::Message;

use crate::domain::channel::{Channel, ChannelChange};
use crate::events::publish;
use crate::store;

/// Where the channel stands in the requests: the errors' paths begin with it.
const CHANNEL: &str = "channel";

/// What can be done with channels.
#[derive(Clone)]
pub(crate) struct Channels {
    db: Database,
    entropy: Arc<dyn Entropy>,
}

/// A page of channels.
pub(crate) struct ChannelPage {
    pub(crate) channels: Vec<Channel>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

impl Channels {
    pub(crate) fn new(db: Database, entropy: Arc<dyn Entropy>) -> Self {
        Self { db, entropy }
    }

    /// Channels by name.
    pub(crate) async fn list(&self, page_size: i32, page_token: &str) -> Result<ChannelPage, Error> {
        let size = paging::size(page_size, 100, 200)?;
        let fingerprint = paging::fingerprint(&["channels"]);
        let after: Option<String> = paging::decode(page_token, fingerprint)?;
        let mut channels = store::channel::list(self.db.pool(), after.as_deref().unwrap_or_default(), size + 1).await?;
        let more = paging::cut(&mut channels, size);
        let last = channels.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&last.name.key, fingerprint)).unwrap_or_default();
        Ok(ChannelPage { channels, next_page_token })
    }

    /// Creates a channel.
    pub(crate) async fn create<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        said: ChannelChange,
        answer: fn(&Channel) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let now = uow.now();
        let channel = Channel::create(uow.id(), said, self.entropy.as_ref(), now).map_err(|e| e.within(CHANNEL))?;
        store::channel::insert(uow.conn(), &channel).await?;
        uow.record(publish::channel(&channel));
        let answer = answer(&channel);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Changes a channel, if it still is at the version the caller read.
    pub(crate) async fn update<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        id: ChannelId,
        etag: Etag,
        change: ChannelChange,
        answer: fn(&Channel) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let before = store::channel::lock(uow.conn(), id).await?.ok_or_else(|| Error::not_found("channel", id))?;
        etag.require(before.version)?;
        let after = before.changed(change, uow.now());
        if let Some(after) = &after {
            store::channel::update(uow.conn(), after).await?;
            uow.record(publish::channel(after));
        }
        let answer = answer(after.as_ref().unwrap_or(&before));
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}
