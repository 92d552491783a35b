//! The journal: append-only, dense positions per partition in the order of commits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ActorKind, EventId, Origin, Partition};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Database, Entry, Error};
use crate::caller::Caller;
use crate::column;

/// A past state of an aggregate.
#[derive(Debug)]
pub struct JournalRow {
    /// Id of the event.
    pub id: EventId,
    /// Version after the change.
    pub version: i64,
    /// Full name of the event's message.
    pub event_type: String,
    /// Who did it.
    pub actor: Actor,
    /// Where it came from.
    pub origin: Origin,
    /// Label of the integration.
    pub integration: Option<String>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The aggregate after the change, as its resource message; `None` when there was none or its key was destroyed.
    pub image: Option<Zeroizing<Vec<u8>>>,
}

pub(super) struct NewRow {
    pub(super) id: EventId,
    pub(super) partition: Partition,
    pub(super) position: i64,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) entry: Entry,
}

/// Raises the heads of these partitions by so many events, and gives the positions they had. The rows stay locked until
/// the transaction ends: this is what makes positions dense and in the order of commits.
pub(super) async fn raise_heads(
    conn: &mut PgConnection,
    counts: &BTreeMap<Partition, i64>,
) -> Result<BTreeMap<Partition, i64>, Error> {
    let partitions: Vec<i16> = counts.keys().map(|p| p.number()).collect();
    let raises: Vec<i64> = counts.values().copied().collect();
    if partitions.len() > 1 {
        // In ascending order, so that two transactions never wait for each other in a circle.
        sqlx::query("select 1 from journal_head where partition = any($1) order by partition for update")
            .bind(&partitions)
            .execute(&mut *conn)
            .await?;
    }
    let rows: Vec<(i16, i64)> = sqlx::query_as(
        "update journal_head h set position = h.position + r.n
         from unnest($1::smallint[], $2::bigint[]) as r(partition, n)
         where h.partition = r.partition
         returning h.partition, h.position - r.n",
    )
    .bind(&partitions)
    .bind(&raises)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(number, position)| {
            let partition =
                Partition::try_new(number.into()).ok_or_else(|| Error::corrupt("journal_head", number.to_string()))?;
            Ok((partition, position))
        })
        .collect()
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    caller: &Caller,
    now: DateTime<Utc>,
    rows: &[NewRow],
) -> Result<(), Error> {
    let done = sqlx::query(
        "insert into journal (id, partition, position, aggregate_type, aggregate_id, aggregate_version, event_type,
                              customer_id, public_payload, private_payload, subject_id, occurred_at,
                              actor_kind, actor_id, origin, integration, traceparent, recorded_at)
         select u.*, $13, $14, $15, $16, $17,
                -- A writer that waited for another's lock began before it: time never runs back within an aggregate.
                -- Events of one aggregate in one unit of work all come after the newest from before it.
                greatest($18, (select j.recorded_at from journal j
                               where j.aggregate_type = u.aggregate_type and j.aggregate_id = u.aggregate_id
                                 and j.aggregate_version < u.aggregate_version
                               order by j.aggregate_version desc limit 1))
         from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::uuid[], $6::bigint[], $7::text[],
                     $8::uuid[], $9::bytea[], $10::bytea[], $11::uuid[], $12::timestamptz[])
              as u(id, partition, position, aggregate_type, aggregate_id, aggregate_version, event_type,
                   customer_id, public_payload, private_payload, subject_id, occurred_at)",
    )
    .bind(column!(rows, r => r.id.uuid()))
    .bind(column!(rows, r => r.partition.number()))
    .bind(column!(rows, r => r.position))
    .bind(column!(rows, r => r.entry.aggregate_type))
    .bind(column!(rows, r => r.entry.aggregate_id))
    .bind(column!(rows, r => r.entry.aggregate_version))
    .bind(column!(rows, r => r.entry.event_type.as_str()))
    .bind(column!(rows, r => r.entry.customer_id.map(Uuid::from)))
    .bind(column!(rows, r => r.entry.public.as_slice()))
    .bind(column!(rows, r => r.sealed.as_deref()))
    .bind(column!(rows, r => r.entry.subject()))
    .bind(column!(rows, r => r.entry.occurred_at.unwrap_or(now)))
    .bind(caller.actor.kind.as_str())
    .bind(&caller.actor.id)
    .bind(caller.origin.as_str())
    .bind(caller.integration.as_deref())
    .bind(caller.traceparent.as_deref())
    .bind(now)
    .execute(conn)
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(Error::Rows { expected: rows.len() as u64, actual: done.rows_affected() })
    }
}

#[derive(FromRow)]
struct ImageRow {
    id: Uuid,
    aggregate_id: Uuid,
    aggregate_version: i64,
    event_type: String,
    actor_kind: String,
    actor_id: String,
    origin: String,
    integration: Option<String>,
    recorded_at: DateTime<Utc>,
    private_payload: Option<Vec<u8>>,
    subject_id: Uuid,
}

/// The states of an aggregate, newest first: those before version `before`, or all; at most `limit`.
pub async fn images(
    db: &Database,
    aggregate_type: &str,
    aggregate_id: Uuid,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<JournalRow>, Error> {
    let mut conn = db.pool.acquire().await?;
    let rows: Vec<ImageRow> = sqlx::query_as(
        "select id, aggregate_id, aggregate_version, event_type, actor_kind, actor_id, origin, integration, recorded_at,
                private_payload, subject_id
         from journal
         where aggregate_type = $1 and aggregate_id = $2 and aggregate_version < $3
         order by aggregate_version desc
         limit $4",
    )
    .bind(aggregate_type)
    .bind(aggregate_id)
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(&mut *conn)
    .await?;
    open(db, &mut conn, rows).await
}

/// States of aggregates of a type at these versions, with the aggregates' ids; versions that never were are left out.
pub async fn images_at(
    db: &Database,
    aggregate_type: &str,
    versions: &[(Uuid, i64)],
) -> Result<Vec<(Uuid, JournalRow)>, Error> {
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) = versions.iter().copied().unzip();
    let mut conn = db.pool.acquire().await?;
    let rows: Vec<ImageRow> = sqlx::query_as(
        "select j.id, j.aggregate_id, j.aggregate_version, j.event_type, j.actor_kind, j.actor_id, j.origin, j.integration,
                j.recorded_at, j.private_payload, j.subject_id
         from unnest($2::uuid[], $3::bigint[]) with ordinality as k(id, version, place)
         join journal j on j.aggregate_type = $1 and j.aggregate_id = k.id and j.aggregate_version = k.version
         order by k.place",
    )
    .bind(aggregate_type)
    .bind(&ids)
    .bind(&numbers)
    .fetch_all(&mut *conn)
    .await?;
    let found: Vec<Uuid> = rows.iter().map(|row| row.aggregate_id).collect();
    let states = open(db, &mut conn, rows).await?;
    Ok(found.into_iter().zip(states).collect())
}

/// The state of an aggregate at a moment: the newest recorded not later than it.
pub async fn image_as_of(
    db: &Database,
    aggregate_type: &str,
    aggregate_id: Uuid,
    moment: DateTime<Utc>,
) -> Result<Option<JournalRow>, Error> {
    let mut conn = db.pool.acquire().await?;
    let row: Option<ImageRow> = sqlx::query_as(
        "select id, aggregate_id, aggregate_version, event_type, actor_kind, actor_id, origin, integration, recorded_at,
                private_payload, subject_id
         from journal
         where aggregate_type = $1 and aggregate_id = $2 and recorded_at <= $3
         order by aggregate_version desc
         limit 1",
    )
    .bind(aggregate_type)
    .bind(aggregate_id)
    .bind(moment)
    .fetch_optional(&mut *conn)
    .await?;
    Ok(open(db, &mut conn, row.into_iter().collect()).await?.pop())
}

async fn open(db: &Database, conn: &mut PgConnection, rows: Vec<ImageRow>) -> Result<Vec<JournalRow>, Error> {
    let mut subjects: Vec<Uuid> = rows.iter().map(|row| row.subject_id).collect();
    subjects.dedup();
    let keys = db.keyring.existing_keys(conn, &subjects).await?;
    rows.into_iter()
        .map(|row| {
            let image = match (&row.private_payload, keys.get(&row.subject_id)) {
                (Some(sealed), Some(key)) => Some(key.open(row.id, sealed)?),
                _ => None,
            };
            let corrupt = |what: &str| Error::corrupt("journal", format!("{what} of event {}", row.id));
            Ok(JournalRow {
                id: row.id.into(),
                version: row.aggregate_version,
                actor: Actor {
                    kind: ActorKind::parse(&row.actor_kind).ok_or_else(|| corrupt("actor_kind"))?,
                    id: row.actor_id,
                },
                origin: Origin::parse(&row.origin).ok_or_else(|| corrupt("origin"))?,
                event_type: row.event_type,
                integration: row.integration,
                recorded_at: row.recorded_at,
                image,
            })
        })
        .collect()
}
