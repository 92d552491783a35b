//! Customers whose facts have to be asked for.

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::person::uuids;
use crate::Error;

/// A customer and the version of its record from which on facts are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) customer: CustomerId,
    pub(crate) version: i64,
}

/// Notes that facts are wanted, at once.
pub(crate) async fn want(conn: &mut PgConnection, wanted: &[Wanted], now: DateTime<Utc>) -> Result<(), Error> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = wanted.iter().map(|w| (w.customer.uuid(), w.version)).unzip();
    sqlx::query!(
        "insert into campaigns.customer_refresh as r (customer_id, version, due_at)
         select u.id, u.version, $3 from unnest($1::uuid[], $2::bigint[]) as u(id, version) order by u.id
         on conflict (customer_id) do update
            set version = excluded.version, due_at = excluded.due_at where r.version < excluded.version",
        &ids,
        &versions,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes customers that are due, putting them off until `until` for everybody else.
pub(crate) async fn claim(
    pool: &PgPool,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Wanted>, Error> {
    let rows = sqlx::query!(
        "update campaigns.customer_refresh r set due_at = $2
         from (select customer_id from campaigns.customer_refresh
               where due_at <= $1 order by due_at limit $3 for update skip locked) d
         where r.customer_id = d.customer_id
         returning r.customer_id, r.version",
        now,
        until,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| Wanted { customer: row.customer_id.into(), version: row.version }).collect())
}

/// Gives customers back that were taken but could not be asked for.
pub(crate) async fn give_back(pool: &PgPool, wanted: &[Wanted], now: DateTime<Utc>) -> Result<(), Error> {
    let ids: Vec<Uuid> = wanted.iter().map(|w| w.customer.uuid()).collect();
    // One statement locks rows in the order in which it meets them: the order of ids, as everywhere.
    sqlx::query!(
        "update campaigns.customer_refresh r set due_at = $2
         from (select customer_id from campaigns.customer_refresh
               where customer_id = any($1) order by customer_id for update) d
         where r.customer_id = d.customer_id",
        &ids,
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Locks those of the customers whose facts are still wanted: whoever was deleted meanwhile is not among them.
pub(crate) async fn lock(conn: &mut PgConnection, wanted: &[Wanted]) -> Result<Vec<CustomerId>, Error> {
    let ids: Vec<Uuid> = wanted.iter().map(|w| w.customer.uuid()).collect();
    let locked = sqlx::query_scalar!(
        "select customer_id from campaigns.customer_refresh where customer_id = any($1) order by customer_id for update",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(locked.into_iter().map(CustomerId::from).collect())
}

/// Notes that facts of these versions are known. Whoever has changed since stays wanted.
pub(crate) async fn done(conn: &mut PgConnection, wanted: &[Wanted]) -> Result<(), Error> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = wanted.iter().map(|w| (w.customer.uuid(), w.version)).unzip();
    sqlx::query!(
        "delete from campaigns.customer_refresh r
         using unnest($1::uuid[], $2::bigint[]) as u(id, version)
         where r.customer_id = u.id and r.version <= u.version",
        &ids,
        &versions,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Facts of these customers are wanted no longer.
pub(crate) async fn cancel(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<(), Error> {
    sqlx::query!("delete from campaigns.customer_refresh where customer_id = any($1)", &uuids(ids))
        .execute(conn)
        .await?;
    Ok(())
}
