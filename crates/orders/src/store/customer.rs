//! Which customers are known to exist.

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use clientele_platform::postgres::Error;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Those of the ids that are known.
pub(crate) async fn known(pool: &PgPool, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!("select id from orders.customer where id = any($1)", &ids).fetch_all(pool).await?;
    Ok(found.into_iter().map(CustomerId::from).collect())
}

/// Notes that these customers exist. Ascending, so that two transactions never wait for each other in a circle.
pub(crate) async fn remember(conn: &mut PgConnection, ids: &[CustomerId], now: DateTime<Utc>) -> Result<(), Error> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        sqlx::query!(
            "insert into orders.customer (id, known_since) select id, $2 from unnest($1::uuid[]) as id
             on conflict (id) do nothing",
            &ids,
            now
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Forgets customers who are gone. Those with orders stay: an order keeps its customer.
pub(crate) async fn forget(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    sqlx::query!(
        "delete from orders.customer c
         where c.id = any($1)
           and not exists (select from orders.order o where o.customer_id = c.id)
           and not exists (select from orders.credit_note n where n.customer_id = c.id)",
        &ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets all customers. Those with orders stay: an order keeps its customer.
pub(crate) async fn forget_all(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "delete from orders.customer c
         where not exists (select from orders.order o where o.customer_id = c.id)
           and not exists (select from orders.credit_note n where n.customer_id = c.id)"
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of the customers, those who have orders or credit notes.
pub(crate) async fn buyers(pool: &PgPool, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!(
        r#"select k.id as "id!" from unnest($1::uuid[]) as k(id)
           where exists (select from orders.order o where o.customer_id = k.id)
              or exists (select from orders.credit_note n where n.customer_id = k.id)"#,
        &ids
    )
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(CustomerId::from).collect())
}
