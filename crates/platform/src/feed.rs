//! The feed: a context's journal for whoever follows it, in pages, in order and without gaps.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::{Actor, ActorKind, Error, Origin, PARTITIONS, Partition, paging};
use sqlx::FromRow;
use tokio::sync::Semaphore;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::grpc::{self, Clients, Transport};
use crate::postgres::{Database, Error as StorageError};
use crate::proto;

const PAGE: u32 = 200;
const LARGEST_PAGE: u32 = 1000;
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// A reader asks this often at once at most: a follower has a worker for each partition, and all of them look when it
/// begins and after every gap of the bus.
const READS_AT_ONCE: usize = 4;

/// Answers a context's `Feed.Read`.
pub async fn read(db: &Database, request: ReadFeedRequest) -> Result<ReadFeedResponse, Error> {
    let partition = Partition::try_new(request.partition.into()).ok_or_else(|| {
        Error::invalid("partition", format!("`{}` does not exist: 0 to {} do", request.partition, PARTITIONS - 1))
    })?;
    if request.after < 0 {
        return Err(Error::invalid("after", format!("`{}` is no position: 0 or more is wanted", request.after)));
    }
    let size = paging::size(request.page_size, PAGE, LARGEST_PAGE)?;
    let reader = incarnation(&request.incarnation)
        .map_err(|_| Error::invalid("incarnation", "is no id: name the one that the answer before named"))?;
    let history = History::read(db, partition).await?;
    let common = history.in_common(reader);
    if request.after > common {
        return Err(Error::failed_precondition(
            JOURNAL_RESTORED,
            format!(
                "the journal was restored from a backup: what you know of partition {} after position {common} is so no \
                 longer; forget what you made of the events and read from 0 without an incarnation",
                partition.number()
            ),
        ));
    }
    let rows = rows_after(db, &[(partition, request.after)], size).await?;
    let head: i64 = sqlx::query_scalar("select position from journal_head where partition = $1")
        .bind(partition.number())
        .fetch_one(db.pool())
        .await
        .map_err(StorageError::from)?;
    Ok(ReadFeedResponse { events: rows, head, incarnation: name(history.present()) })
}

/// The reason with which a reader is refused who knows events that are no longer so.
pub const JOURNAL_RESTORED: &str = "JOURNAL_RESTORED";

/// Whether another context's feed refused us with [`JOURNAL_RESTORED`].
pub(crate) fn was_restored(error: &Error) -> bool {
    error.metadata.iter().any(|(key, value)| key == "reason" && value == JOURNAL_RESTORED)
}

/// An incarnation as messages name it: empty, and none here, for a journal that was never restored.
pub(crate) fn incarnation(name: &str) -> Result<Option<Uuid>, uuid::Error> {
    if name.is_empty() { Ok(None) } else { name.parse().map(Some) }
}

fn name(incarnation: Option<Uuid>) -> String {
    incarnation.map(|id| id.to_string()).unwrap_or_default()
}

/// The incarnations of one partition, in their order, each with the position at which it begins.
struct History(Vec<(Uuid, i64)>);

impl History {
    async fn read(db: &Database, partition: Partition) -> Result<Self, StorageError> {
        let begun = sqlx::query_as("select id, positions[$1] from journal_incarnation order by number")
            .bind(i32::from(partition.number()) + 1)
            .fetch_all(db.pool())
            .await?;
        Ok(Self(begun))
    }

    fn present(&self) -> Option<Uuid> {
        self.0.last().map(|(id, _)| *id)
    }

    /// Up to which position a reader's incarnation has its events in common with the present one. With one that nobody
    /// knows (it was itself undone by a later restore) nothing can be said to be in common.
    fn in_common(&self, reader: Option<Uuid>) -> i64 {
        let later = match reader {
            None => Some(self.0.as_slice()),
            Some(reader) => self.0.iter().position(|(id, _)| *id == reader).map(|at| &self.0[at + 1..]),
        };
        later.map_or(0, |later| later.iter().map(|(_, begins)| *begins).min().unwrap_or(i64::MAX))
    }
}

#[derive(FromRow)]
struct FeedRow {
    id: Uuid,
    partition: i16,
    position: i64,
    aggregate_type: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    event_type: String,
    customer_id: Option<Uuid>,
    public_payload: Vec<u8>,
    actor_kind: String,
    actor_id: String,
    origin: String,
    integration: Option<String>,
    traceparent: Option<String>,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    incarnation: Option<Uuid>,
}

/// Events after a position in each of several partitions, at most `limit` from each, ordered by partition and position.
pub(crate) async fn rows_after(
    db: &Database,
    after: &[(Partition, i64)],
    limit: u32,
) -> Result<Vec<Event>, StorageError> {
    let (partitions, positions): (Vec<i16>, Vec<i64>) =
        after.iter().map(|(p, position)| (p.number(), *position)).unzip();
    let rows: Vec<FeedRow> = sqlx::query_as(
        "select j.id, j.partition, j.position, j.aggregate_type, j.aggregate_id, j.aggregate_version, j.event_type,
                j.customer_id, j.public_payload, j.actor_kind, j.actor_id, j.origin, j.integration, j.traceparent,
                j.occurred_at, j.recorded_at,
                (select id from journal_incarnation order by number desc limit 1) as incarnation
         from unnest($1::smallint[], $2::bigint[]) as a(partition, position)
         cross join lateral (
             select * from journal
             where journal.partition = a.partition and journal.position > a.position
             order by journal.position
             limit $3
         ) as j
         order by j.partition, j.position",
    )
    .bind(&partitions)
    .bind(&positions)
    .bind(i64::from(limit))
    .fetch_all(db.pool())
    .await?;
    rows.into_iter().map(|row| event(db.context(), row)).collect()
}

fn event(context: &str, row: FeedRow) -> Result<Event, StorageError> {
    let corrupt = |what: &str| StorageError::corrupt("journal", format!("{what} of event {}", row.id));
    let kind = ActorKind::parse(&row.actor_kind).ok_or_else(|| corrupt("actor_kind"))?;
    let origin = Origin::parse(&row.origin).ok_or_else(|| corrupt("origin"))?;
    Ok(Event {
        id: row.id.to_string(),
        context: context.to_owned(),
        partition: row.partition.into(),
        position: row.position,
        aggregate_type: row.aggregate_type,
        aggregate_id: row.aggregate_id.to_string(),
        aggregate_version: row.aggregate_version,
        customer_id: row.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        actor: Some(proto::actor(&Actor { kind, id: row.actor_id })),
        origin: proto::origin(origin).into(),
        integration: row.integration.unwrap_or_default(),
        occurred_at: Some(proto::timestamp(row.occurred_at)),
        recorded_at: Some(proto::timestamp(row.recorded_at)),
        traceparent: row.traceparent.unwrap_or_default(),
        data: Some(crate::postgres::any(&row.event_type, row.public_payload)),
        incarnation: name(row.incarnation),
    })
}

/// Reads another context's feed over gRPC.
#[derive(Clone)]
pub struct FeedReader {
    transport: Transport,
    path: PathAndQuery,
    places: Arc<Semaphore>,
}

impl FeedReader {
    /// A reader of the feed of `source`.
    pub fn new(clients: &Clients, source: &str) -> Result<Self, Error> {
        let path = PathAndQuery::try_from(format!("/clientele.{source}.v1.Feed/Read")).map_err(Error::internal)?;
        Ok(Self { transport: clients.transport(source), path, places: Arc::new(Semaphore::new(READS_AT_ONCE)) })
    }

    /// Events after a position of an incarnation; empty when caught up. [`JOURNAL_RESTORED`] where that position is beyond
    /// what the present incarnation has in common with it.
    pub async fn read(
        &self,
        partition: Partition,
        after: i64,
        incarnation: Option<Uuid>,
        limit: u32,
    ) -> Result<ReadFeedResponse, Error> {
        let mut client = tonic::client::Grpc::new(self.transport.clone()).max_decoding_message_size(64 * 1024 * 1024);
        let message = ReadFeedRequest {
            partition: partition.number().into(),
            after,
            page_size: i32::try_from(limit).unwrap_or(i32::MAX),
            incarnation: name(incarnation),
        };
        let codec = ProstCodec::<ReadFeedRequest, ReadFeedResponse>::default();
        let call = async {
            client.ready().await.map_err(|e| Error::unavailable("the feed cannot be reached").with_source(e))?;
            client.unary(tonic::Request::new(message), self.path.clone(), codec).await.map_err(grpc::error)
        };
        let _place = self.places.acquire().await.map_err(Error::internal)?;
        let answer = tokio::time::timeout(READ_DEADLINE, call)
            .await
            .map_err(|_| Error::unavailable("the feed did not answer in time"))??;
        Ok(answer.into_inner())
    }
}

impl std::fmt::Debug for FeedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedReader").field("path", &self.path.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_has_in_common_what_no_later_restore_has_undone() {
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let history = History(vec![(ids[0], 480), (ids[1], 700), (ids[2], 650)]);
        assert_eq!(history.present(), Some(ids[2]));
        assert_eq!(history.in_common(None), 480);
        assert_eq!(history.in_common(Some(ids[0])), 650);
        assert_eq!(history.in_common(Some(ids[1])), 650);
        assert_eq!(history.in_common(Some(ids[2])), i64::MAX);
        assert_eq!(history.in_common(Some(ids[3])), 0, "an incarnation that a later restore has undone");
        assert_eq!(History(Vec::new()).in_common(None), i64::MAX);
    }
}
