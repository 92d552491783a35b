//! What messaging learns from other contexts.

use std::sync::Arc;

use async_trait::async_trait;
use clientele_contracts::customers::v1::ImportRecorded;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Error, EventId, UserId, id};
use clientele_platform::consumer::{Consumer, Handler};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{event, proto};

use crate::app::notification::{self, News};
use crate::contract;

/// What messaging follows.
pub(crate) fn consumers() -> Vec<Consumer> {
    vec![Consumer { name: "messaging.customers", source: "customers", handler: Arc::new(CustomerEvents) }]
}

/// Tells colleagues what became of their imports.
struct CustomerEvents;

#[async_trait]
impl Handler for CustomerEvents {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let mut news = Vec::new();
        for envelope in events {
            let Some(import) = event::decode::<ImportRecorded>(envelope)? else { continue };
            let Some(kind) = contract::notification::of_import(&import) else { continue };
            // What a program began nobody waits for.
            if import.user_id.is_empty() {
                continue;
            }
            news.push(News {
                user_id: UserId::parse(&import.user_id, "user_id")?,
                kind,
                subject_id: id::parse_uuid(&import.import_id, "import_id")?,
                counts: import.counts.into_iter().collect(),
                event_id: EventId::parse(&envelope.id, "id")?,
                happened_at: proto::required_instant(envelope.recorded_at, "recorded_at")?,
            });
        }
        // In the order of people, so that two replicas never wait for each other in a circle.
        news.sort_by_key(|news| news.user_id);
        for news in news {
            notification::tell(work, news).await?;
        }
        Ok(())
    }

    /// What was told stays told: each event is told of once, however often it comes, and old ones call nobody.
    async fn forget(&self, _: &mut UnitOfWork) -> Result<(), Error> {
        Ok(())
    }
}
