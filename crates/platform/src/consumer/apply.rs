//! Events and cursors, in one transaction.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Error, Partition};
use futures::FutureExt;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::{Consumer, parked};
use crate::caller::Caller;
use crate::postgres::{Database, Error as StorageError, UnitOfWork};
use crate::telemetry;

/// Why a batch was not applied.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another replica works on the partition now.
    Lost,
    /// Trying again may help.
    Transient(Error),
    /// The handler cannot take it.
    Poison(Error),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        // Whatever the platform's own statements meet is no fault of the event.
        Self::Transient(error.into())
    }
}

/// Where a worker stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) epoch: i64,
    pub(super) position: i64,
    /// The incarnation of the source's journal that the next event is of.
    pub(super) incarnation: Option<Uuid>,
}

/// Events that follow a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) place: Place,
    pub(super) events: &'a [Event],
}

/// Applies the events of some partitions and moves the cursors past them, all or none. Events of an aggregate that is parked
/// are parked too.
pub(super) async fn apply(db: &Database, consumer: &Consumer, batches: &[Batch<'_>]) -> Result<(), Failure> {
    // Open until the batches are done: each request that is concerned sees how long its effect took.
    let spans = spans(consumer, batches);
    let work = apply_in_span(db, consumer, batches);
    work.instrument(spans.first().cloned().unwrap_or_else(Span::none)).await
}

/// One span for each trace that the events belong to, as its continuation.
fn spans(consumer: &Consumer, batches: &[Batch<'_>]) -> Vec<Span> {
    let traces = batches.iter().flat_map(|batch| {
        crate::event::traces(batch.events).into_iter().map(|traceparent| (batch.place.partition, traceparent))
    });
    let span = |(partition, traceparent): (Partition, &str)| {
        let span = tracing::info_span!(
            "consumer.apply",
            otel.kind = "consumer",
            consumer = consumer.name,
            partition = partition.number()
        );
        telemetry::set_parent(&span, traceparent);
        span
    };
    traces.map(span).collect()
}

async fn apply_in_span(db: &Database, consumer: &Consumer, batches: &[Batch<'_>]) -> Result<(), Failure> {
    let mut work = begin(db, consumer).await?;
    let places: Vec<Place> = batches.iter().map(|batch| batch.place).collect();
    let any_parked = lock_cursors(&mut work, consumer, &places).await?;
    let mut moves = Vec::with_capacity(batches.len());
    let mut ready = Vec::with_capacity(batches.iter().map(|batch| batch.events.len()).sum());
    for Batch { place, events } in batches {
        let parked = if any_parked { parked::among(&mut work, consumer.name, events).await? } else { Vec::new() };
        let (waiting, next): (Vec<Event>, Vec<Event>) =
            events.iter().cloned().partition(|event| parked.contains(&event.aggregate_id));
        if !waiting.is_empty() {
            let reason = "an earlier event of this aggregate is parked";
            parked::park(&mut work, consumer.name, place.partition, &waiting, reason, 0).await?;
        }
        if let Some(last) = events.last() {
            moves.push(Move::new(*place, last, waiting.len())?);
        }
        ready.extend(next);
    }
    if !ready.is_empty() {
        handle(consumer, &mut work, &ready).await?;
    }
    move_cursors(&mut work, consumer, &moves).await?;
    work.commit().await?;
    Ok(())
}

/// Parks an event that cannot be applied and moves the cursor past it.
pub(super) async fn park(
    db: &Database,
    consumer: &Consumer,
    place: Place,
    event: &Event,
    error: &Error,
    attempts: i32,
) -> Result<i64, Failure> {
    let mut work = begin(db, consumer).await?;
    lock_cursors(&mut work, consumer, &[place]).await?;
    let reason = reason(error);
    parked::park(&mut work, consumer.name, place.partition, std::slice::from_ref(event), &reason, attempts).await?;
    move_cursors(&mut work, consumer, &[Move::new(place, event, 1)?]).await?;
    work.commit().await?;
    Ok(event.position)
}

/// [`Failure::Lost`] unless the partition is still the worker's and as far as it knows.
pub(super) async fn still_held(db: &Database, consumer: &Consumer, place: Place) -> Result<(), Failure> {
    let mut work = begin(db, consumer).await?;
    lock_cursors(&mut work, consumer, &[place]).await.map(drop)
}

/// Notes that the partition is not followed any more, for whoever takes it up and for the people who look.
pub(super) async fn halt(db: &Database, consumer: &Consumer, place: Place) -> Result<(), Failure> {
    let mut work = begin(db, consumer).await?;
    lock_cursors(&mut work, consumer, &[place]).await?;
    sqlx::query("update cursor set halted_at = $3, incarnation = $4 where consumer = $1 and partition = $2")
        .bind(consumer.name)
        .bind(place.partition.number())
        .bind(work.now())
        .bind(place.incarnation)
        .execute(work.conn())
        .await
        .map_err(StorageError::from)?;
    work.commit().await?;
    Ok(())
}

/// Has the consumer forget what it has built of a journal that was restored from a backup, and begin again at the first
/// event: in all partitions, for what it has built is made of all of them. `heads` are the ends of the restored journal's
/// partitions: while the handler forgets, the cursors stand there, which is how far it has to come to know everything again,
/// however far it had come, and whether or not it was learning anew already.
pub(super) async fn begin_anew(
    db: &Database,
    consumer: &Consumer,
    place: Place,
    heads: &[(Partition, i64)],
) -> Result<(), Failure> {
    let mut work = begin(db, consumer).await?;
    // What was built of millions of events takes longer to clear than a request may.
    sqlx::query("select set_config('statement_timeout', '600000', true), set_config('lock_timeout', '60000', true)")
        .execute(work.conn())
        .await
        .map_err(StorageError::from)?;
    sqlx::query("select 1 from cursor where consumer = $1 order by partition for update")
        .bind(consumer.name)
        .execute(work.conn())
        .await
        .map_err(StorageError::from)?;
    // Of the workers that notice, one does it.
    lock_cursors(&mut work, consumer, &[place]).await?;
    let (partitions, positions): (Vec<i16>, Vec<i64>) = heads.iter().map(|(p, head)| (p.number(), *head)).unzip();
    sqlx::query(
        "update cursor c set position = h.position
         from unnest($2::smallint[], $3::bigint[]) as h(partition, position)
         where c.consumer = $1 and c.partition = h.partition",
    )
    .bind(consumer.name)
    .bind(partitions)
    .bind(positions)
    .execute(work.conn())
    .await
    .map_err(StorageError::from)?;
    match AssertUnwindSafe(consumer.handler.forget(&mut work)).catch_unwind().await {
        Ok(forgotten) => forgotten.map_err(Failure::Transient)?,
        Err(_panic) => return Err(Failure::Transient(Error::internal("the handler panicked"))),
    }
    sqlx::query(
        "update cursor
         set position = 0, recorded_at = null, parked = 0, incarnation = null, halted_at = null, epoch = epoch + 1,
             owner = null, leased_until = null
         where consumer = $1",
    )
    .bind(consumer.name)
    .execute(work.conn())
    .await
    .map_err(StorageError::from)?;
    sqlx::query("delete from parked_event where consumer = $1")
        .bind(consumer.name)
        .execute(work.conn())
        .await
        .map_err(StorageError::from)?;
    work.commit().await?;
    Ok(())
}

/// What is kept of an error for the people who look at parked events.
pub(super) fn reason(error: &Error) -> String {
    let cause = error.source.as_ref().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{}{cause}", error.message).chars().take(1000).collect()
}

/// Runs the handler; a panic is a failure like any other.
pub(super) async fn handle(consumer: &Consumer, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Failure> {
    match AssertUnwindSafe(consumer.handler.apply(work, events)).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_transient() => Err(Failure::Transient(error)),
        Ok(Err(error)) => Err(Failure::Poison(error)),
        Err(_panic) => Err(Failure::Poison(Error::internal("the handler panicked"))),
    }
}

async fn begin(db: &Database, consumer: &Consumer) -> Result<UnitOfWork, Failure> {
    Ok(db.begin(&Caller::service(consumer.name)).await?)
}

/// Locks cursors, so that a replay of parked events and the worker take turns, and tells whether the consumer has anything
/// parked, in these partitions or others: an aggregate that got its customer late has events in two.
async fn lock_cursors(work: &mut UnitOfWork, consumer: &Consumer, places: &[Place]) -> Result<bool, Failure> {
    let rows: Vec<(i16, i64, Option<Uuid>, i64, bool)> = sqlx::query_as(
        "select partition, epoch, owner, position,
                parked > 0 or exists (select 1 from parked_event where consumer = $1)
         from cursor where consumer = $1 and partition = any($2) order by partition for update",
    )
    .bind(consumer.name)
    .bind(places.iter().map(|place| place.partition.number()).collect::<Vec<_>>())
    .fetch_all(work.conn())
    .await
    .map_err(StorageError::from)?;
    let still_held = |place: &Place| {
        rows.iter().any(|(partition, epoch, owner, position, _)| {
            *partition == place.partition.number()
                && *epoch == place.epoch
                && owner.is_some()
                && *position == place.position
        })
    };
    if !places.iter().all(still_held) {
        return Err(Failure::Lost);
    }
    Ok(rows.iter().any(|(.., parked)| *parked))
}

/// How far a cursor is moved.
struct Move {
    place: Place,
    position: i64,
    recorded_at: Option<DateTime<Utc>>,
    newly_parked: i64,
}

impl Move {
    fn new(place: Place, last: &Event, newly_parked: usize) -> Result<Self, Failure> {
        let recorded_at = crate::proto::instant(last.recorded_at, "recorded_at").map_err(Failure::Poison)?;
        let newly_parked = i64::try_from(newly_parked).unwrap_or_default();
        Ok(Self { place, position: last.position, recorded_at, newly_parked })
    }
}

async fn move_cursors(work: &mut UnitOfWork, consumer: &Consumer, moves: &[Move]) -> Result<(), Failure> {
    let done = sqlx::query(
        "update cursor c
         set position = m.position, recorded_at = m.recorded_at, parked = c.parked + m.parked, incarnation = m.incarnation
         from unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::bigint[], $8::uuid[])
              as m(partition, epoch, before, position, recorded_at, parked, incarnation)
         where c.consumer = $1 and c.partition = m.partition and c.epoch = m.epoch and c.position = m.before",
    )
    .bind(consumer.name)
    .bind(moves.iter().map(|m| m.place.partition.number()).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.place.epoch).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.place.position).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.position).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.recorded_at).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.newly_parked).collect::<Vec<_>>())
    .bind(moves.iter().map(|m| m.place.incarnation).collect::<Vec<_>>())
    .execute(work.conn())
    .await
    .map_err(StorageError::from)?;
    if usize::try_from(done.rows_affected()) == Ok(moves.len()) { Ok(()) } else { Err(Failure::Lost) }
}
