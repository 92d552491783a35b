//! Groups and their permissions.

use chrono::{DateTime, Utc};
use clientele_kernel::GroupId;
use clientele_kernel::text::Name;
use clientele_platform::postgres::assert_one;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::group::Group;
use crate::domain::permission::Permissions;

struct Row {
    id: Uuid,
    name: String,
    name_key: String,
    permissions: Vec<String>,
    administrators: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Group {
    fn from(row: Row) -> Self {
        let permissions = if row.administrators {
            Permissions::Everything
        } else {
            Permissions::Only(row.permissions.into_iter().collect())
        };
        Self {
            id: row.id.into(),
            name: Name { text: row.name, key: row.name_key },
            permissions,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Writes a new group.
pub(crate) async fn insert(conn: &mut PgConnection, group: &Group) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into identity.group (id, name, name_key, permissions, administrators, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        group.id.uuid(),
        group.name.text,
        group.name.key,
        &group.permission_names(),
        group.is_administrators(),
        group.version,
        group.created_at,
        group.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Writes a changed group.
pub(crate) async fn update(conn: &mut PgConnection, group: &Group) -> Result<(), Error> {
    let done = sqlx::query!(
        "update identity.group set name = $2, name_key = $3, permissions = $4, version = $5, updated_at = $6
         where id = $1 and version = $5::bigint - 1",
        group.id.uuid(),
        group.name.text,
        group.name.key,
        &group.permission_names(),
        group.version,
        group.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// One group.
pub(crate) async fn find(db: impl PgExecutor<'_>, id: GroupId) -> Result<Option<Group>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, permissions, administrators, version, created_at, updated_at
         from identity.group where id = $1",
        id.uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Group::from))
}

/// One group, kept from changing until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: GroupId) -> Result<Option<Group>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, name_key, permissions, administrators, version, created_at, updated_at
         from identity.group where id = $1 for no key update",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Group::from))
}

/// Id of the administrators' group.
pub(crate) async fn administrators(db: impl PgExecutor<'_>) -> Result<Option<GroupId>, Error> {
    let id = sqlx::query_scalar!("select id from identity.group where administrators").fetch_optional(db).await?;
    Ok(id.map(GroupId::from))
}

/// Those of the ids that are groups.
pub(crate) async fn existing(db: impl PgExecutor<'_>, ids: &[GroupId]) -> Result<Vec<GroupId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!("select id from identity.group where id = any($1)", &ids).fetch_all(db).await?;
    Ok(found.into_iter().map(GroupId::from).collect())
}

/// Groups by name, those after the given key.
pub(crate) async fn list(db: impl PgExecutor<'_>, after: &str, limit: i64) -> Result<Vec<Group>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, name_key, permissions, administrators, version, created_at, updated_at
         from identity.group where name_key > $1 order by name_key limit $2",
        after,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Group::from).collect())
}

/// Keeps groups from being made or changed until the transaction ends.
pub(crate) async fn lock_all(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("lock table identity.group in share row exclusive mode").execute(conn).await?;
    Ok(())
}
