//! Looks now and then how far a service is: its journal and relay, its consumers. Bounded: whatever the size of the
//! journal, one row for each partition and cursor is read, by index.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_kernel::Error;
use tokio_util::sync::CancellationToken;

use crate::postgres::{Database, Error as StorageError};
use crate::telemetry::metrics::{ConsumerState, JournalState};

/// How often is looked: about as often as a Prometheus asks.
pub const PERIOD: Duration = Duration::from_secs(15);
const TASK: &str = "sample";

/// Looks until stopped. `consumers` are their names and sources.
pub(crate) async fn run(
    db: Database,
    consumers: Vec<(&'static str, &'static str)>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let (context, metrics) = (db.context(), db.metrics().clone());
    metrics.watch_pool(context, db.pool());
    metrics.published(context, 0);
    metrics.lease_lost(context, "relay", 0);
    metrics.task_begins(context, TASK);
    for (consumer, source) in &consumers {
        metrics.consumer_begins(consumer, source);
        metrics.lease_lost(context, consumer, 0);
    }
    loop {
        let (journal, states) = match look(&db).await {
            Ok((journal, states)) => (Some(journal), states),
            Err(error) => {
                metrics.task_failed(context, TASK);
                tracing::debug!(context, %error, "the service could not be looked at; trying again");
                (None, Vec::new())
            }
        };
        metrics.journal(context, journal);
        for (consumer, source) in &consumers {
            let state = states.iter().find(|(name, ..)| name == consumer);
            let state = state.map(|(_, position, parked, halted)| ConsumerState {
                position: *position,
                parked: *parked,
                halted: *halted,
            });
            metrics.consumer(consumer, source, state, db.clock().now());
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

type Cursors = Vec<(String, i64, i64, i64)>;

async fn look(db: &Database) -> Result<(JournalState, Cursors), StorageError> {
    let (events, unpublished, oldest): (i64, i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "select coalesce(sum(h.position), 0)::bigint, coalesce(sum(greatest(h.position - r.position, 0)), 0)::bigint,
                min(first.recorded_at)
         from journal_head h
         join relay_cursor r on r.partition = h.partition
         left join lateral (
             select j.recorded_at from journal j
             where j.partition = h.partition and j.position > r.position
             order by j.position
             limit 1
         ) as first on h.position > r.position",
    )
    .fetch_one(db.pool())
    .await?;
    let age = oldest.and_then(|oldest| (db.clock().now() - oldest).to_std().ok());
    let cursors = sqlx::query_as(
        "select consumer, coalesce(sum(position), 0)::bigint, coalesce(sum(parked), 0)::bigint, count(halted_at)
         from cursor group by consumer",
    )
    .fetch_all(db.pool())
    .await?;
    Ok((JournalState { events, unpublished, oldest: age.unwrap_or_default() }, cursors))
}
