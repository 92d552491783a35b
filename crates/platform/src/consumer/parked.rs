//! Events that could not be applied, and those of the same aggregate that came after. People who run the service look at
//! them and have them applied again, in order, once the cause is mended.

use clientele_contracts::platform::v1::{
    ConsumerPartition, Event, GetConsumerStatusResponse, ListParkedEventsRequest, ListParkedEventsResponse,
    ParkedEvent, ReplayParkedEventsRequest, ReplayParkedEventsResponse,
};
use clientele_kernel::{Error, Partition, id::parse_uuid, paging};
use prost::Message;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Consumer;
use super::apply::{self, Failure};
use crate::caller::Caller;
use crate::postgres::{Database, Error as StorageError, UnitOfWork};
use crate::{event, proto};

/// Parks events of one partition.
pub(super) async fn park(
    work: &mut UnitOfWork,
    consumer: &str,
    partition: Partition,
    events: &[Event],
    reason: &str,
    attempts: i32,
) -> Result<(), StorageError> {
    let now = work.now();
    let aggregates = events.iter().map(event::aggregate_id).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "insert into parked_event (consumer, partition, position, aggregate_id, aggregate_version, event, reason, attempts, parked_at)
         select $1, $2, e.position, e.aggregate_id, e.aggregate_version, e.event, $7, $8, $9
         from unnest($3::bigint[], $4::uuid[], $5::bigint[], $6::bytea[]) as e(position, aggregate_id, aggregate_version, event)",
    )
    .bind(consumer)
    .bind(partition.number())
    .bind(events.iter().map(|e| e.position).collect::<Vec<_>>())
    .bind(&aggregates)
    .bind(events.iter().map(|e| e.aggregate_version).collect::<Vec<_>>())
    .bind(events.iter().map(Message::encode_to_vec).collect::<Vec<_>>())
    .bind(reason)
    .bind(attempts)
    .bind(now)
    .execute(work.conn())
    .await?;
    Ok(())
}

/// The ids of those aggregates of these events that have parked ones.
pub(super) async fn among(
    work: &mut UnitOfWork,
    consumer: &str,
    events: &[Event],
) -> Result<Vec<String>, StorageError> {
    let aggregates = events.iter().map(event::aggregate_id).collect::<Result<Vec<_>, _>>()?;
    let parked: Vec<Uuid> = sqlx::query_scalar(
        "select distinct aggregate_id from parked_event where consumer = $1 and aggregate_id = any($2)",
    )
    .bind(consumer)
    .bind(&aggregates)
    .fetch_all(work.conn())
    .await?;
    Ok(parked.into_iter().map(|id| id.to_string()).collect())
}

/// Answers `ListParkedEvents`.
pub async fn list(db: &Database, request: ListParkedEventsRequest) -> Result<ListParkedEventsResponse, Error> {
    type Row = (String, i16, i64, Vec<u8>, String, i32, DateTime<Utc>);
    let size = paging::size(request.page_size, 100, 500)?;
    let print = paging::fingerprint(&["parked", &request.consumer]);
    let (consumer, partition, position) =
        paging::decode::<(String, i16, i64)>(&request.page_token, print)?.unwrap_or_else(|| (String::new(), -1, 0));
    let mut rows: Vec<Row> = sqlx::query_as(
        "select consumer, partition, position, event, reason, attempts, parked_at
         from parked_event
         where ($1 = '' or consumer = $1) and (consumer, partition, position) > ($2, $3, $4)
         order by consumer, partition, position
         limit $5",
    )
    .bind(&request.consumer)
    .bind(consumer)
    .bind(partition)
    .bind(position)
    .bind(i64::from(size) + 1)
    .fetch_all(db.pool())
    .await
    .map_err(StorageError::from)?;
    let more = paging::cut(&mut rows, size);
    let next_page_token =
        rows.last().filter(|_| more).map(|r| paging::encode(&(&r.0, r.1, r.2), print)).unwrap_or_default();
    let parked_events = rows
        .into_iter()
        .map(|(consumer, _, _, bytes, reason, attempts, parked_at)| {
            let event =
                Event::decode(bytes.as_slice()).map_err(|e| StorageError::corrupt("parked_event", e.to_string()))?;
            Ok(ParkedEvent {
                consumer,
                event: Some(event),
                reason,
                attempts,
                parked_at: Some(proto::timestamp(parked_at)),
            })
        })
        .collect::<Result<_, StorageError>>()?;
    Ok(ListParkedEventsResponse { parked_events, next_page_token })
}

/// Answers `ReplayParkedEvents`: applies the parked events of an aggregate in order, each in a transaction of its own,
/// until one fails.
pub async fn replay(
    db: &Database,
    consumers: &[Consumer],
    request: ReplayParkedEventsRequest,
) -> Result<ReplayParkedEventsResponse, Error> {
    let consumer = consumers.iter().find(|c| c.name == request.consumer).ok_or_else(|| {
        let names: Vec<_> = consumers.iter().map(|c| c.name).collect();
        Error::invalid(
            "consumer",
            format!(
                "`{}` does not exist: there are {}",
                clientele_kernel::error::shorten(&request.consumer),
                names.join(", ")
            ),
        )
    })?;
    let aggregate = parse_uuid(&request.aggregate_id, "aggregate_id")?;
    let mut applied = 0;
    let mut failed = None;
    while failed.is_none() {
        match replay_next(db, consumer, aggregate).await? {
            Replayed::None => break,
            Replayed::Applied => applied += 1,
            Replayed::Failed(error) => failed = Some(apply::reason(&error)),
        }
    }
    let remaining: i64 =
        sqlx::query_scalar("select count(*) from parked_event where consumer = $1 and aggregate_id = $2")
            .bind(consumer.name)
            .bind(aggregate)
            .fetch_one(db.pool())
            .await
            .map_err(StorageError::from)?;
    if applied == 0 && remaining == 0 {
        return Err(Error::not_found("parked event of the aggregate", aggregate));
    }
    Ok(ReplayParkedEventsResponse {
        applied,
        remaining: i32::try_from(remaining).unwrap_or(i32::MAX),
        reason: failed.unwrap_or_default(),
    })
}

enum Replayed {
    None,
    Applied,
    Failed(Error),
}

async fn replay_next(db: &Database, consumer: &Consumer, aggregate: Uuid) -> Result<Replayed, Error> {
    let mut work = db.begin(&Caller::service(consumer.name)).await?;
    // The worker of the partition locks its cursor too: the two take turns. Versions give the order, for an aggregate that
    // got its customer late has events in two partitions.
    let partition: Option<i16> = sqlx::query_scalar(
        "select partition from parked_event where consumer = $1 and aggregate_id = $2 order by aggregate_version limit 1",
    )
    .bind(consumer.name)
    .bind(aggregate)
    .fetch_optional(work.conn())
    .await
    .map_err(StorageError::from)?;
    let Some(partition) = partition else { return Ok(Replayed::None) };
    sqlx::query("select 1 from cursor where consumer = $1 and partition = $2 for update")
        .bind(consumer.name)
        .bind(partition)
        .execute(work.conn())
        .await
        .map_err(StorageError::from)?;
    let first: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "select position, event from parked_event
         where consumer = $1 and aggregate_id = $2 and partition = $3
         order by aggregate_version limit 1",
    )
    .bind(consumer.name)
    .bind(aggregate)
    .bind(partition)
    .fetch_optional(work.conn())
    .await
    .map_err(StorageError::from)?;
    let Some((position, bytes)) = first else { return Ok(Replayed::None) };
    let event = Event::decode(bytes.as_slice()).map_err(|e| StorageError::corrupt("parked_event", e.to_string()))?;

    match apply::handle(consumer, &mut work, std::slice::from_ref(&event)).await {
        Ok(()) => {
            sqlx::query("delete from parked_event where consumer = $1 and partition = $2 and position = $3")
                .bind(consumer.name)
                .bind(partition)
                .bind(position)
                .execute(work.conn())
                .await
                .map_err(StorageError::from)?;
            sqlx::query("update cursor set parked = parked - 1 where consumer = $1 and partition = $2")
                .bind(consumer.name)
                .bind(partition)
                .execute(work.conn())
                .await
                .map_err(StorageError::from)?;
            work.commit().await?;
            Ok(Replayed::Applied)
        }
        Err(Failure::Lost) => Ok(Replayed::None),
        Err(Failure::Transient(error) | Failure::Poison(error)) => {
            drop(work);
            sqlx::query(
                "update parked_event set attempts = attempts + 1, reason = $4
                 where consumer = $1 and partition = $2 and position = $3",
            )
            .bind(consumer.name)
            .bind(partition)
            .bind(position)
            .bind(apply::reason(&error))
            .execute(db.pool())
            .await
            .map_err(StorageError::from)?;
            Ok(Replayed::Failed(error))
        }
    }
}

/// Answers `GetConsumerStatus`.
pub async fn status(db: &Database) -> Result<GetConsumerStatusResponse, Error> {
    let rows: Vec<(String, i16, i64, i64)> =
        sqlx::query_as("select consumer, partition, position, parked from cursor order by consumer, partition")
            .fetch_all(db.pool())
            .await
            .map_err(StorageError::from)?;
    let partitions = rows
        .into_iter()
        .map(|(consumer, partition, position, parked)| ConsumerPartition {
            consumer,
            partition: partition.into(),
            position,
            parked,
        })
        .collect();
    Ok(GetConsumerStatusResponse { partitions })
}
