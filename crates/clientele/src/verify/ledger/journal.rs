//! What messaging's journal tells of letters, over the feed that every service and outside system reads.

use chrono::{DateTime, Utc};
use clientele_contracts::messaging::v1::EmailRecorded;
use clientele_contracts::platform::v1::{Event, ReadFeedResponse};
use clientele_kernel::{Error, PARTITIONS};
use clientele_platform::proto;
use prost::Message;

use super::Said;
use crate::client::Client;

const PAGE: &str = "1000";

/// How far each partition of the journal has been read.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    positions: Vec<i64>,
}

impl Journal {
    /// A journal of which nothing was read yet.
    pub(super) fn unread() -> Self {
        Self { positions: vec![0; usize::from(PARTITIONS.unsigned_abs())] }
    }

    /// Hands on what is told of letters since the last time, each letter's events in their order.
    pub(super) async fn read(
        &mut self,
        client: &Client,
        mut take: impl FnMut(Told) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (partition, position) in self.positions.iter_mut().enumerate() {
            let path = format!("/v1/feeds/messaging/{partition}");
            loop {
                let query = [("after", position.to_string()), ("pageSize", PAGE.to_owned())];
                let page: ReadFeedResponse = client.get(&path, &query).await?;
                for event in &page.events {
                    *position = event.position;
                    if let Some(told) = told(event)? {
                        take(told)?;
                    }
                }
                // What is written while this is read is left for the next time.
                if page.events.is_empty() || *position >= page.head {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What an event tells of a letter.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) letter: String,
    pub(super) said: Said,
    /// When a worker has tried it or settled it; none where it was only asked for, or sent by another system.
    pub(super) worked_on: Option<DateTime<Utc>>,
}

fn told(event: &Event) -> Result<Option<Told>, Error> {
    let Some(data) = event.data.as_ref().filter(|data| data.type_url.ends_with("clientele.messaging.v1.EmailRecorded"))
    else {
        return Ok(None);
    };
    let told = EmailRecorded::decode(data.value.as_slice()).map_err(Error::internal)?;
    let said = Said::new(told.state(), &told.reason, told.settled_at.as_ref());
    let worked_on = proto::instant(event.recorded_at, "recorded_at")?;
    let worked_on = worked_on.filter(|_| event.aggregate_version > 1 && !told.imported);
    Ok(Some(Told { letter: told.email_id, said, worked_on }))
}
