//! What colleagues are told.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::UserId;
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, QueryBuilder};
use uuid::Uuid;

use crate::domain::notification::{Kind, Notification};

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    subject_id: Uuid,
    counts: Json<BTreeMap<String, i64>>,
    event_id: Uuid,
    version: i64,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Notification {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let kind = Kind::parse(&row.kind)
            .ok_or_else(|| Error::corrupt("notification", format!("kind {} of {}", row.kind, row.id)))?;
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            kind,
            subject_id: row.subject_id,
            counts: row.counts.0,
            event_id: row.event_id.into(),
            version: row.version,
            created_at: row.created_at,
            read_at: row.read_at,
        })
    }
}

/// Writes a notification; false when its event was told before.
pub(crate) async fn insert(conn: &mut PgConnection, notification: &Notification) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into messaging.notification
             (id, user_id, kind, subject_id, counts, event_id, version, created_at, read_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (event_id) do nothing",
        notification.id.uuid(),
        notification.user_id.uuid(),
        notification.kind.as_str(),
        notification.subject_id,
        Json(&notification.counts) as _,
        notification.event_id.uuid(),
        notification.version,
        notification.created_at,
        notification.read_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes what stands behind the user's newest `kept`.
pub(crate) async fn forget_oldest(conn: &mut PgConnection, user_id: UserId, kept: i64) -> Result<(), Error> {
    sqlx::query!(
        "with last_kept as materialized (
             select created_at, id from messaging.notification where user_id = $1
             order by created_at desc, id desc limit $2
         )
         delete from messaging.notification n
         where n.user_id = $1 and (select count(*) from last_kept) = $2
           and (n.created_at, n.id) < (select created_at, id from last_kept order by created_at, id limit 1)",
        user_id.uuid(),
        kept,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The user's notifications, newest first, after a place; at most `limit`.
pub(crate) async fn list(
    pool: &PgPool,
    user_id: UserId,
    unread: bool,
    after: Option<&(DateTime<Utc>, Uuid)>,
    limit: u32,
) -> Result<Vec<Notification>, Error> {
    let mut query = QueryBuilder::new(
        "select id, user_id, kind, subject_id, counts, event_id, version, created_at, read_at
         from messaging.notification where user_id = ",
    );
    query.push_bind(user_id.uuid());
    if unread {
        query.push(" and read_at is null");
    }
    if let Some((moment, id)) = after {
        query.push(" and (created_at, id) < (").push_bind(*moment).push(", ").push_bind(*id).push(")");
    }
    query.push(" order by created_at desc, id desc limit ").push_bind(i64::from(limit));
    let rows: Vec<Row> = query.build_query_as().fetch_all(pool).await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// How many of the user's are not read, counted up to `most`.
pub(crate) async fn count_unread(conn: impl PgExecutor<'_>, user_id: UserId, most: i64) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from
               (select 1 from messaging.notification where user_id = $1 and read_at is null limit $2) as counted"#,
        user_id.uuid(),
        most,
    );
    Ok(count.fetch_one(conn).await?)
}

/// The user's unread ones among these, or all of them, locked until the transaction ends.
pub(crate) async fn lock_unread(
    conn: &mut PgConnection,
    user_id: UserId,
    among: Option<&[Uuid]>,
) -> Result<Vec<Notification>, Error> {
    let mut query = QueryBuilder::new(
        "select id, user_id, kind, subject_id, counts, event_id, version, created_at, read_at
         from messaging.notification where read_at is null and user_id = ",
    );
    query.push_bind(user_id.uuid());
    if let Some(ids) = among {
        query.push(" and id = any(").push_bind(ids.to_vec()).push(")");
    }
    query.push(" order by id for no key update");
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// Writes that notifications, locked before, were read.
pub(crate) async fn mark_read(conn: &mut PgConnection, read: &[Notification]) -> Result<(), Error> {
    let done = sqlx::query!(
        "update messaging.notification n set read_at = r.read_at, version = r.version
         from unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) as r(id, read_at, version)
         where n.id = r.id and n.version = r.version - 1",
        column!(read, n => n.id.uuid()),
        column!(read, n => n.read_at) as &[Option<DateTime<Utc>>],
        column!(read, n => n.version)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), read.len())
}
