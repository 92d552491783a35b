//! What is being learned once more.

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// Takes any version of figures from now on, up to where the consumer's cursors, locked before, stand.
pub(crate) async fn begin(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.relearning (partition, until_position)
         select partition, position from campaigns.cursor where consumer = $1
         on conflict (partition) do update set until_position = excluded.until_position, cleared_to = null",
        consumer
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("update campaigns.customer set figures_version = 0 where figures_version > 0").execute(conn).await?;
    Ok(())
}

/// Whether figures are being learned once more.
pub(crate) async fn is_on(conn: &mut PgConnection) -> Result<bool, Error> {
    let found =
        sqlx::query_scalar!(r#"select exists(select from campaigns.relearning) as "found!""#).fetch_one(conn).await?;
    Ok(found)
}

/// Whether figures were being learned once more, and all have been.
pub(crate) async fn is_over(db: impl PgExecutor<'_>, consumer: &str) -> Result<bool, Error> {
    let over = sqlx::query_scalar!(
        r#"select exists(select from campaigns.relearning)
              and not exists(select from campaigns.relearning r
                             left join campaigns.cursor c on c.partition = r.partition and c.consumer = $1
                             where c.position is null or c.position < r.until_position) as "over!""#,
        consumer
    )
    .fetch_one(db)
    .await?;
    Ok(over)
}

/// Up to which customer it has been looked whose figures were told again. Whoever else wants to go on, or to begin it all
/// anew, waits until the transaction ends.
pub(crate) async fn lock_place(conn: &mut PgConnection) -> Result<Uuid, Error> {
    let place = sqlx::query_scalar!("select cleared_to from campaigns.relearning order by partition for update")
        .fetch_all(conn)
        .await?;
    Ok(place.into_iter().flatten().max().unwrap_or_else(Uuid::nil))
}

/// It has been looked up to this customer.
pub(crate) async fn put_place(conn: &mut PgConnection, place: CustomerId) -> Result<(), Error> {
    sqlx::query!("update campaigns.relearning set cleared_to = $1", place.uuid()).execute(conn).await?;
    Ok(())
}

/// The next customers of whom there are figures.
pub(crate) async fn with_figures(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<CustomerId>, Error> {
    let ids = sqlx::query_scalar!(
        "select distinct customer_id from campaigns.figure where customer_id > $1 order by customer_id limit $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CustomerId::from).collect())
}

/// Takes away the figures of customers.
pub(crate) async fn clear(conn: &mut PgConnection, customers: &[CustomerId]) -> Result<(), Error> {
    let customers: Vec<Uuid> = customers.iter().map(|id| id.uuid()).collect();
    sqlx::query!("delete from campaigns.figure where customer_id = any($1)", &customers).execute(conn).await?;
    Ok(())
}

/// Ends it: from now on is decided by figures again.
pub(crate) async fn end(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("delete from campaigns.relearning").execute(conn).await?;
    Ok(())
}

/// Wants the facts of everybody, in whatever version they are.
pub(crate) async fn want_all_facts(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!("delete from campaigns.customer_gone").execute(&mut *conn).await?;
    sqlx::query!(
        "insert into campaigns.customer_refresh (customer_id, version, due_at)
         select customer_id, 1, $1 from campaigns.customer where facts_version > 0 order by customer_id
         on conflict (customer_id) do update set version = 1, due_at = excluded.due_at",
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("update campaigns.customer set facts_version = 1 where facts_version > 1").execute(conn).await?;
    Ok(())
}
