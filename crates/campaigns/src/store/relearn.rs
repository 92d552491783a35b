//! What is being learned once more.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::Error;

/// Takes any version of figures from now on, up to where the consumer's cursors, locked before, stand.
pub(crate) async fn begin(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.relearning (partition, until_position)
         select partition, position from campaigns.cursor where consumer = $1
         on conflict (partition) do update set until_position = excluded.until_position",
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
pub(crate) async fn is_over(pool: &PgPool, consumer: &str) -> Result<bool, Error> {
    let over = sqlx::query_scalar!(
        r#"select exists(select from campaigns.relearning)
              and not exists(select from campaigns.relearning r
                             left join campaigns.cursor c on c.partition = r.partition and c.consumer = $1
                             where c.position is null or c.position < r.until_position) as "over!""#,
        consumer
    )
    .fetch_one(pool)
    .await?;
    Ok(over)
}

/// Ends it where all have been learned: figures that were not told again are no longer so. False where there was nothing
/// to end.
pub(crate) async fn end(conn: &mut PgConnection, consumer: &str) -> Result<bool, Error> {
    let ended = sqlx::query!(
        "delete from campaigns.relearning
         where not exists(select from campaigns.relearning r
                          left join campaigns.cursor c on c.partition = r.partition and c.consumer = $1
                          where c.position is null or c.position < r.until_position)",
        consumer
    )
    .execute(&mut *conn)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "delete from campaigns.figure f
         using campaigns.customer c
         where c.customer_id = f.customer_id and c.figures_version = 0"
    )
    .execute(conn)
    .await?;
    Ok(true)
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
