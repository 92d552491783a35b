//! Who belongs to what, and when that changes next. A pair's row is written under the lock of its customer's row alone;
//! the numbers of members are raised in the order of their keys.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Partition, SegmentId};
use clientele_platform::column;
use clientele_platform::postgres::{Error as StorageError, assert_rows};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::person::uuids;
use crate::domain::membership::{Membership, Pair, Step, StepKey};
use crate::{Error, contract};

/// Pairs by customer and segment.
pub(crate) type Pairs = HashMap<(CustomerId, SegmentId), Pair>;

/// What is known of these customers and a segment, or all segments.
pub(crate) async fn pairs(
    conn: &mut PgConnection,
    customers: &[CustomerId],
    segment: Option<SegmentId>,
) -> Result<Pairs, Error> {
    let rows = sqlx::query!(
        "select id, customer_id, segment_id, version, entered_at, next_change_at, decided_at
         from campaigns.membership
         where customer_id = any($1) and ($2::uuid is null or segment_id = $2)",
        &uuids(customers),
        segment.map(Uuid::from),
    )
    .fetch_all(conn)
    .await?;
    let pair = |row: Pair| ((row.customer, row.segment), row);
    Ok(rows
        .into_iter()
        .map(|row| {
            pair(Pair {
                id: row.id.into(),
                customer: row.customer_id.into(),
                segment: row.segment_id.into(),
                version: row.version,
                entered_at: row.entered_at,
                next_change_at: row.next_change_at,
                decided_at: row.decided_at,
            })
        })
        .collect())
}

/// Writes pairs; of those that have become void the row goes.
pub(crate) async fn put(conn: &mut PgConnection, pairs: &[Pair]) -> Result<(), Error> {
    let (void, kept): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|pair| pair.is_void());
    if !void.is_empty() {
        sqlx::query!(
            "delete from campaigns.membership m
             using unnest($1::uuid[], $2::uuid[]) as u(customer_id, segment_id)
             where m.customer_id = u.customer_id and m.segment_id = u.segment_id",
            column!(void, pair => pair.customer.uuid()),
            column!(void, pair => pair.segment.uuid()),
        )
        .execute(&mut *conn)
        .await?;
    }
    if !kept.is_empty() {
        let done = sqlx::query!(
            "insert into campaigns.membership
                (customer_id, segment_id, id, version, active, entered_at, next_change_at, decided_at)
             select u.customer_id, u.segment_id, u.id, u.version, u.entered_at is not null, u.entered_at,
                    u.next_change_at, u.decided_at
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                         $7::timestamptz[])
                  as u(customer_id, segment_id, id, version, entered_at, next_change_at, decided_at)
             on conflict (customer_id, segment_id) do update
                set version = excluded.version, active = excluded.active, entered_at = excluded.entered_at,
                    next_change_at = excluded.next_change_at, decided_at = excluded.decided_at",
            column!(kept, pair => pair.customer.uuid()),
            column!(kept, pair => pair.segment.uuid()),
            column!(kept, pair => pair.id.uuid()),
            column!(kept, pair => pair.version),
            column!(kept, pair => pair.entered_at) as &[Option<DateTime<Utc>>],
            column!(kept, pair => pair.next_change_at) as &[Option<DateTime<Utc>>],
            column!(kept, pair => pair.decided_at) as &[Option<DateTime<Utc>>],
        )
        .execute(conn)
        .await?;
        assert_rows(done.rows_affected(), kept.len())?;
    }
    Ok(())
}

/// Raises the numbers of members.
pub(crate) async fn raise_counts(
    conn: &mut PgConnection,
    changes: &BTreeMap<(SegmentId, Partition), i64>,
) -> Result<(), Error> {
    let changes: Vec<_> = changes.iter().filter(|(_, change)| **change != 0).collect();
    if changes.is_empty() {
        return Ok(());
    }
    // Every row exists before it is changed: a number below zero must not be inserted on the way to a right sum.
    sqlx::query!(
        "insert into campaigns.segment_count (segment_id, partition, members)
         select u.segment_id, u.partition, 0 from unnest($1::uuid[], $2::smallint[]) as u(segment_id, partition)
         order by u.segment_id, u.partition
         on conflict do nothing",
        column!(changes, ((segment, _), _) => segment.uuid()),
        column!(changes, ((_, partition), _) => partition.number()),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "select 1 as one from campaigns.segment_count c
         join unnest($1::uuid[], $2::smallint[]) as u(segment_id, partition)
           on c.segment_id = u.segment_id and c.partition = u.partition
         order by c.segment_id, c.partition
         for update of c",
        column!(changes, ((segment, _), _) => segment.uuid()),
        column!(changes, ((_, partition), _) => partition.number()),
    )
    .fetch_all(&mut *conn)
    .await?;
    let done = sqlx::query!(
        "update campaigns.segment_count c set members = c.members + u.change
         from unnest($1::uuid[], $2::smallint[], $3::bigint[]) as u(segment_id, partition, change)
         where c.segment_id = u.segment_id and c.partition = u.partition",
        column!(changes, ((segment, _), _) => segment.uuid()),
        column!(changes, ((_, partition), _) => partition.number()),
        column!(changes, (_, change) => **change),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), changes.len())?)
}

/// Customers of pairs whose result has changed by time, those that wait longest first; at most `limit`. One look at the
/// index for each segment in use: pairs of those that were put away are passed over.
pub(crate) async fn due(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<Vec<CustomerId>, Error> {
    let ids = sqlx::query_scalar!(
        "select d.customer_id
         from campaigns.segment s
         cross join lateral (
            select m.customer_id, m.next_change_at from campaigns.membership m
            where m.segment_id = s.id and m.next_change_at <= $1
            order by m.next_change_at limit $2) d
         where s.active
         order by d.next_change_at
         limit $2",
        now,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let mut ids: Vec<CustomerId> = ids.into_iter().map(CustomerId::from).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Customers that belong or by time may come to belong to a segment; at most `limit`.
pub(crate) async fn concerned(
    conn: &mut PgConnection,
    segment: SegmentId,
    limit: i64,
) -> Result<Vec<CustomerId>, Error> {
    let ids = sqlx::query_scalar!(
        r#"(select customer_id as "id!" from campaigns.membership where segment_id = $1 and active limit $2)
           union
           (select customer_id from campaigns.membership where segment_id = $1 and next_change_at is not null limit $2)
           limit $2"#,
        segment.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CustomerId::from).collect())
}

/// How many belong to a segment, whether it is in use or not.
pub(crate) async fn number(conn: &mut PgConnection, segment: SegmentId) -> Result<i64, Error> {
    let number = sqlx::query_scalar!(
        r#"select coalesce(sum(members), 0)::bigint as "number!" from campaigns.segment_count where segment_id = $1"#,
        segment.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(number)
}

struct Row {
    segment_id: Uuid,
    name: String,
    customer_id: Uuid,
    entered_at: DateTime<Utc>,
    next_change_at: Option<DateTime<Utc>>,
}

impl From<Row> for Membership {
    fn from(row: Row) -> Self {
        Self {
            segment: row.segment_id.into(),
            segment_name: row.name,
            customer: row.customer_id.into(),
            entered_at: row.entered_at,
            reasons: Vec::new(),
            next_change_at: row.next_change_at,
        }
    }
}

/// Members of a segment in use, in the order of customers' ids, those after one; at most `limit`.
pub(crate) async fn of_segment(
    executor: impl PgExecutor<'_>,
    segment: SegmentId,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Membership>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.segment_id, s.name, m.customer_id, m.entered_at as "entered_at!", m.next_change_at
           from campaigns.membership m
           join campaigns.segment s on s.id = m.segment_id and s.active
           where m.segment_id = $1 and m.active and m.customer_id > $2
           order by m.customer_id
           limit $3"#,
        segment.uuid(),
        after.unwrap_or_default(),
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Membership::from).collect())
}

/// The memberships of a customer in segments in use, by the segments' names; at most `limit`.
pub(crate) async fn of_customer(
    conn: &mut PgConnection,
    customer: CustomerId,
    limit: i64,
) -> Result<Vec<Membership>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.segment_id, s.name, m.customer_id, m.entered_at as "entered_at!", m.next_change_at
           from campaigns.membership m
           join campaigns.segment s on s.id = m.segment_id and s.active
           where m.customer_id = $1 and m.active
           order by s.name_key
           limit $2"#,
        customer.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Membership::from).collect())
}

/// Where the customer's changes of membership stand in the journal, newest first, those before one; at most `limit`.
pub(crate) async fn steps(
    executor: impl PgExecutor<'_>,
    customer: CustomerId,
    before: Option<&StepKey>,
    limit: u32,
) -> Result<Vec<Step>, Error> {
    let rows = sqlx::query!(
        "select j.id as event_id, m.id, j.aggregate_version, m.segment_id, s.name, j.occurred_at, j.event_type,
                j.public_payload
         from campaigns.membership m
         join campaigns.segment s on s.id = m.segment_id
         join campaigns.journal j on j.aggregate_type = $2 and j.aggregate_id = m.id
         where m.customer_id = $1 and ($3::timestamptz is null or (j.occurred_at, j.aggregate_version, j.id) < ($3, $4, $5::uuid))
         order by j.occurred_at desc, j.aggregate_version desc, j.id desc
         limit $6",
        customer.uuid(),
        crate::events::publish::MEMBERSHIP,
        before.map(|key| key.changed_at),
        before.map_or(0, |key| key.version),
        before.map(|key| key.event),
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (entered, cause) = contract::told(&row.event_type, &row.public_payload)
                .ok_or_else(|| StorageError::corrupt("journal", format!("payload of event {}", row.event_id)))?;
            Ok(Step {
                event: row.event_id.into(),
                membership: row.id.into(),
                version: row.aggregate_version,
                segment: row.segment_id.into(),
                segment_name: row.name,
                entered,
                changed_at: row.occurred_at,
                cause,
            })
        })
        .collect()
}
