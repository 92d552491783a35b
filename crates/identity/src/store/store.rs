//! Shops and branches.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clientele_kernel::StoreId;
use clientele_kernel::text::Name;
use clientele_platform::postgres::{self, assert_one};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::store::Store;

struct Row {
    id: Uuid,
    name: String,
    name_key: String,
    time_zone: String,
    active: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Store {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let corrupt = |_| postgres::Error::corrupt("store", format!("time_zone `{}`", row.time_zone));
        Ok(Self {
            id: row.id.into(),
            time_zone: row.time_zone.parse::<Tz>().map_err(corrupt)?,
            name: Name { text: row.name, key: row.name_key },
            active: row.active,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Writes a new store.
pub(crate) async fn insert(conn: &mut PgConnection, store: &Store) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into identity.store (id, name, name_key, time_zone, active, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        store.id.uuid(),
        store.name.text,
        store.name.key,
        store.time_zone.name(),
        store.active,
        store.version,
        store.created_at,
        store.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Writes a changed store.
pub(crate) async fn update(conn: &mut PgConnection, store: &Store) -> Result<(), Error> {
    let done = sqlx::query!(
        "update identity.store set name = $2, name_key = $3, time_zone = $4, active = $5, version = $6, updated_at = $7
         where id = $1 and version = $6::bigint - 1",
        store.id.uuid(),
        store.name.text,
        store.name.key,
        store.time_zone.name(),
        store.active,
        store.version,
        store.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// One store.
pub(crate) async fn find(db: impl PgExecutor<'_>, id: StoreId) -> Result<Option<Store>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, time_zone, active, version, created_at, updated_at
         from identity.store where id = $1",
        id.uuid(),
    )
    .fetch_optional(db)
    .await?;
    row.map(Store::try_from).transpose()
}

/// One store, kept from changing until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: StoreId) -> Result<Option<Store>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, time_zone, active, version, created_at, updated_at
         from identity.store where id = $1 for no key update",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Store::try_from).transpose()
}

/// Stores by name, those after the given key.
pub(crate) async fn list(db: impl PgExecutor<'_>, after: &str, limit: i64) -> Result<Vec<Store>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, name_key, time_zone, active, version, created_at, updated_at
         from identity.store where name_key > $1 order by name_key limit $2",
        after,
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Store::try_from).collect()
}
