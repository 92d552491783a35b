//! The dictionary of statuses.

use clientele_platform::postgres::{Error, assert_one};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::domain::status::{Status, StatusGroup};
use crate::error::refusal;

struct StatusRow {
    code: String,
    id: Uuid,
    name: String,
    status_group: String,
    position: i32,
    active: bool,
    version: i64,
}

/// All statuses, by group and place.
pub(crate) async fn all(conn: impl PgExecutor<'_>) -> Result<Vec<Status>, Error> {
    let rows = sqlx::query_as!(
        StatusRow,
        "select code, id, name, status_group, position, active, version from orders.status
         order by array_position(array['new', 'in_progress', 'completed', 'cancelled'], status_group), position, code"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(status).collect()
}

/// How many statuses there are.
pub(crate) async fn count(conn: impl PgExecutor<'_>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from orders.status"#).fetch_one(conn).await?)
}

/// Adds a status; refused when its code is taken.
pub(crate) async fn insert(conn: impl PgExecutor<'_>, status: &Status) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into orders.status (code, id, name, status_group, position, active, version)
         values ($1, $2, $3, $4, $5, $6, $7)",
        status.code,
        status.id,
        status.name,
        status.group.as_str(),
        status.position,
        status.active,
        status.version
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_one(done.rows_affected())
}

fn status(row: StatusRow) -> Result<Status, Error> {
    Ok(Status {
        group: group(&row.status_group, "orders.status")?,
        id: row.id,
        code: row.code,
        name: row.name,
        position: row.position,
        active: row.active,
        version: row.version,
    })
}

/// A group as it was stored.
pub(super) fn group(name: &str, table: &'static str) -> Result<StatusGroup, Error> {
    StatusGroup::from_name(name).ok_or_else(|| Error::corrupt(table, format!("status group {name}")))
}
