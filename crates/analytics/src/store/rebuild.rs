//! Throws away what a consumer has built, and has it begin again.

use sqlx::PgConnection;

use crate::Error;

/// Locks the consumer's cursors until the transaction ends. Whoever is in mid-batch is waited for, and finds afterwards
/// that the partition is no longer theirs.
pub(crate) async fn lock(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    // A base of millions of orders takes longer to clear than a request may.
    sqlx::query!(
        "select set_config('statement_timeout', '600000', true) as statement,
                set_config('lock_timeout', '60000', true) as lock"
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!("select partition from analytics.cursor where consumer = $1 order by partition for update", consumer)
        .fetch_all(conn)
        .await?;
    Ok(())
}

/// Puts the consumer's cursors, locked before, back to the beginning, takes its partitions from whoever works on them and
/// forgets its parked events.
pub(crate) async fn reset(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    sqlx::query!(
        "update analytics.cursor
         set position = 0, recorded_at = null, parked = 0, epoch = epoch + 1, owner = null, leased_until = null
         where consumer = $1",
        consumer,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("delete from analytics.parked_event where consumer = $1", consumer).execute(conn).await?;
    Ok(())
}

/// Forgets all that orders has told.
pub(crate) async fn clear_orders(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("delete from analytics.document").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.product").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.customer_figure").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.customer_month").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.customer_product").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.company_month").execute(&mut *conn).await?;
    sqlx::query!("delete from analytics.company_total").execute(&mut *conn).await?;
    clear_timeline(conn, crate::ORDERS).await
}

/// Forgets all that a source has told the timeline.
pub(crate) async fn clear_timeline(conn: &mut PgConnection, source: &str) -> Result<(), Error> {
    sqlx::query!("delete from analytics.timeline_entry where source = $1", source).execute(conn).await?;
    Ok(())
}

/// Keeps the zone that months are counted in, and gives the one they were counted in until now.
pub(crate) async fn swap_zone(conn: &mut PgConnection, zone: &str) -> Result<Option<String>, Error> {
    let before = sqlx::query_scalar!("select zone from analytics.report_zone where only_row for update")
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query!(
        "insert into analytics.report_zone (only_row, zone) values (true, $1)
         on conflict (only_row) do update set zone = excluded.zone",
        zone,
    )
    .execute(conn)
    .await?;
    Ok(before)
}

/// Whether any document has been counted.
pub(crate) async fn has_counted(conn: &mut PgConnection) -> Result<bool, Error> {
    let found =
        sqlx::query_scalar!(r#"select exists(select from analytics.document) as "found!""#).fetch_one(conn).await?;
    Ok(found)
}
