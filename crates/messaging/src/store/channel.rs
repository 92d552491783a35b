//! Channels, and how many visitors become known in them.

use chrono::{DateTime, Utc};
use clientele_kernel::text::Name;
use clientele_kernel::{ChannelId, StoreId};
use clientele_platform::postgres::{Error, assert_one};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::domain::channel::{Channel, PageOrigin};
use crate::error::refusal;

struct Row {
    id: Uuid,
    name: String,
    name_key: String,
    site_key: String,
    allowed_origins: Vec<String>,
    store_id: Option<Uuid>,
    greeting: String,
    active: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Channel {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            name: Name { text: row.name, key: row.name_key },
            site_key: row.site_key,
            allowed_origins: row.allowed_origins.into_iter().map(PageOrigin::stored).collect(),
            store_id: row.store_id.map(StoreId::from),
            greeting: row.greeting,
            active: row.active,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn origins(channel: &Channel) -> Vec<String> {
    channel.allowed_origins.iter().map(|origin| origin.as_str().to_owned()).collect()
}

/// Writes a new channel.
pub(crate) async fn insert(conn: &mut PgConnection, channel: &Channel) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into messaging.channel
             (id, name, name_key, kind, site_key, allowed_origins, store_id, greeting, active, version, created_at,
              updated_at)
         values ($1, $2, $3, 'widget', $4, $5, $6, $7, $8, $9, $10, $11)",
        channel.id.uuid(),
        channel.name.text,
        channel.name.key,
        channel.site_key,
        &origins(channel),
        channel.store_id.map(StoreId::uuid),
        channel.greeting,
        channel.active,
        channel.version,
        channel.created_at,
        channel.updated_at,
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_one(done.rows_affected())
}

/// Writes a changed channel, locked before.
pub(crate) async fn update(conn: &mut PgConnection, channel: &Channel) -> Result<(), Error> {
    let done = sqlx::query!(
        "update messaging.channel
         set name = $2, name_key = $3, allowed_origins = $4, store_id = $5, greeting = $6, active = $7, version = $8,
             updated_at = $9
         where id = $1 and version = $8::bigint - 1",
        channel.id.uuid(),
        channel.name.text,
        channel.name.key,
        &origins(channel),
        channel.store_id.map(StoreId::uuid),
        channel.greeting,
        channel.active,
        channel.version,
        channel.updated_at,
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_one(done.rows_affected())
}

/// The channel, locked until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: ChannelId) -> Result<Option<Channel>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, site_key, allowed_origins, store_id, greeting, active, version, created_at, updated_at
         from messaging.channel where id = $1 for no key update",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Channel::from))
}

/// Those of the channels that exist.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, ids: &[ChannelId]) -> Result<Vec<Channel>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, name, name_key, site_key, allowed_origins, store_id, greeting, active, version, created_at, updated_at
         from messaging.channel where id = any($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Channel::from).collect())
}

/// The channel that pages name by this key, unless it is switched off.
pub(crate) async fn active(pool: &PgPool, site_key: &str) -> Result<Option<Channel>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, site_key, allowed_origins, store_id, greeting, active, version, created_at, updated_at
         from messaging.channel where site_key = $1 and active",
        site_key,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Channel::from))
}

/// Channels by name, those after a key.
pub(crate) async fn list(pool: &PgPool, after: &str, limit: u32) -> Result<Vec<Channel>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, name_key, site_key, allowed_origins, store_id, greeting, active, version, created_at, updated_at
         from messaging.channel where name_key > $1 order by name_key limit $2",
        after,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Channel::from).collect())
}

/// Counts one more visit of the channel: how many there are, and since when they are counted. A count that began at
/// `over` or before begins anew.
pub(crate) async fn count_visit(
    conn: &mut PgConnection,
    id: ChannelId,
    now: DateTime<Utc>,
    over: DateTime<Utc>,
) -> Result<(i32, DateTime<Utc>), Error> {
    let row = sqlx::query!(
        "insert into messaging.channel_visits as v (channel_id, began_at, visits) values ($1, $2, 1)
         on conflict (channel_id) do update
         set visits = case when v.began_at <= $3 then 1 else v.visits + 1 end,
             began_at = case when v.began_at <= $3 then $2 else v.began_at end
         returning visits, began_at",
        id.uuid(),
        now,
        over,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.visits, row.began_at))
}
