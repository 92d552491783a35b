//! The relay: publishes the public part of the journal to the bus, partition by partition in order. One replica at a
//! time does it. What was published before a crash and not noted is published again; consumers pass over it.

use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Error, Partition};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::bus::Bus;
use crate::lease::Lease;
use crate::postgres::{Database, Error as StorageError};
use crate::telemetry::{self, Metrics};
use crate::{event, feed};

/// Its name among the tasks of a service.
pub(crate) const TASK: &str = "relay";
const BATCH_PER_PARTITION: u32 = 100;
const SHORTEST_POLL: Duration = Duration::from_millis(5);
const LONGEST_POLL: Duration = Duration::from_millis(500);
const SHORTEST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Publishes until stopped.
pub async fn run(db: Database, bus: Arc<dyn Bus>, metrics: Metrics, stop: CancellationToken) -> Result<(), Error> {
    let mut lease = Lease::new(db.clone(), "relay", db.ids().next::<Uuid>());
    let mut poll = SHORTEST_POLL;
    let mut retry = Backoff::new(SHORTEST_RETRY, LONGEST_RETRY);
    let mut prepared = false;
    while !stop.is_cancelled() {
        let held = lease.hold().await;
        let holds = matches!(held, Ok(true));
        let pause = match held {
            Ok(true) => match carry(&db, bus.as_ref(), &metrics, &lease, &mut prepared).await {
                Ok(0) => {
                    retry.reset();
                    poll = (poll * 2).min(LONGEST_POLL);
                    poll
                }
                Ok(_) => {
                    poll = SHORTEST_POLL;
                    retry.reset();
                    continue;
                }
                Err(error) => {
                    metrics.task_failed(db.context(), TASK);
                    tracing::warn!(context = db.context(), %error, "the relay could not publish; trying again");
                    retry.grow()
                }
            },
            Ok(false) => LONGEST_POLL,
            Err(error) => {
                metrics.task_failed(db.context(), TASK);
                tracing::warn!(context = db.context(), %error, "the relay cannot reach its database; trying again");
                retry.grow()
            }
        };
        // Woken by a commit in this process, whose events are there to be seen; the poll finds those of other replicas.
        // Whoever does not hold the lease is not woken: each commit would only have it ask for the lease in vain.
        tokio::select! {
            () = stop.cancelled() => break,
            () = db.committed(), if holds => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    lease.release().await;
    Ok(())
}

/// One span for each trace that the events belong to, as its continuation, open until they are out.
fn spans(context: &str, events: &[Event]) -> Vec<Span> {
    event::traces(events)
        .into_iter()
        .map(|traceparent| {
            let span = tracing::info_span!("relay.publish", otel.kind = "producer", context);
            telemetry::set_parent(&span, traceparent);
            span
        })
        .collect()
}

async fn carry(
    db: &Database,
    bus: &dyn Bus,
    metrics: &Metrics,
    lease: &Lease,
    prepared: &mut bool,
) -> Result<usize, Error> {
    if !*prepared {
        match bus.prepare(db.context()).await {
            // Told already, and no reason to hold back what others wait for.
            Err(error) if error.reason == "BUS_SETTINGS" => {}
            other => other?,
        }
        *prepared = true;
    }
    publish_some(db, bus, metrics, lease).await
}

async fn publish_some(db: &Database, bus: &dyn Bus, metrics: &Metrics, lease: &Lease) -> Result<usize, Error> {
    // Most often nothing is new, and this is all that is asked.
    let cursors: Vec<(i16, i64)> = sqlx::query_as(
        "select c.partition, c.position
         from relay_cursor c
         join journal_head h on h.partition = c.partition and h.position > c.position
         order by c.partition",
    )
    .fetch_all(db.pool())
    .await
    .map_err(StorageError::from)?;
    if cursors.is_empty() {
        return Ok(0);
    }
    let after: Vec<(Partition, i64)> =
        cursors.into_iter().filter_map(|(n, position)| Partition::try_new(n.into()).map(|p| (p, position))).collect();
    let events = feed::rows_after(db, &after, BATCH_PER_PARTITION).await?;
    if events.is_empty() {
        return Ok(0);
    }
    let spans = spans(db.context(), &events);
    bus.publish(&events).instrument(spans.first().cloned().unwrap_or_else(Span::none)).await?;
    drop(spans);

    let mut reached = std::collections::BTreeMap::new();
    for event in &events {
        reached.insert(i16::try_from(event.partition).unwrap_or_default(), event.position);
    }
    let (partitions, positions): (Vec<i16>, Vec<i64>) = reached.into_iter().unzip();
    sqlx::query(
        "update relay_cursor c set position = greatest(c.position, r.position)
         from unnest($1::smallint[], $2::bigint[]) as r(partition, position)
         where c.partition = r.partition
           and exists (select 1 from lease where name = $3 and owner = $4 and epoch = $5)",
    )
    .bind(&partitions)
    .bind(&positions)
    .bind(lease.name())
    .bind(lease.owner())
    .bind(lease.epoch())
    .execute(db.pool())
    .await
    .map_err(StorageError::from)?;
    metrics.published(db.context(), events.len() as u64);
    Ok(events.len())
}
