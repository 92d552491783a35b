//! Failed sign-ins per login and address.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::throttle::{Subject, Tally};

/// The tally of a subject, kept from changing until the transaction ends; a fresh one where there is none.
pub(crate) async fn lock(conn: &mut PgConnection, subject: Subject, now: DateTime<Utc>) -> Result<Tally, Error> {
    // Writing the row as it is locks it; so even two first failures at once count as two.
    let row = sqlx::query!(
        "insert into identity.sign_in_throttle as t (kind, subject, failures, failed_at, forget_at)
         values ($1, $2, 0, $3, $3)
         on conflict (kind, subject) do update set failures = t.failures
         returning failures, failed_at, blocked_until, forget_at",
        subject.kind.as_str(),
        &subject.hash[..],
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok(Tally {
        failures: row.failures,
        failed_at: row.failed_at,
        blocked_until: row.blocked_until,
        forget_at: row.forget_at,
    })
}

/// Writes the tally of a subject.
pub(crate) async fn write(conn: &mut PgConnection, subject: Subject, tally: &Tally) -> Result<(), Error> {
    sqlx::query!(
        "update identity.sign_in_throttle
         set failures = $3, failed_at = $4, blocked_until = $5, forget_at = $6
         where kind = $1 and subject = $2",
        subject.kind.as_str(),
        &subject.hash[..],
        tally.failures,
        tally.failed_at,
        tally.blocked_until,
        tally.forget_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes back one failure. The wait it caused goes too, unless somebody failed after it.
pub(crate) async fn take_back(conn: &mut PgConnection, subject: Subject, counted: &Tally) -> Result<(), Error> {
    sqlx::query!(
        "update identity.sign_in_throttle
         set failures = greatest(failures - 1, 0),
             blocked_until = case when failures = $3 then null else blocked_until end
         where kind = $1 and subject = $2",
        subject.kind.as_str(),
        &subject.hash[..],
        counted.failures,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets all failures of a subject.
pub(crate) async fn forget(conn: &mut PgConnection, subject: Subject) -> Result<(), Error> {
    sqlx::query!(
        "delete from identity.sign_in_throttle where kind = $1 and subject = $2",
        subject.kind.as_str(),
        &subject.hash[..],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Clears away tallies that mean nothing any more, at most `limit` of them.
pub(crate) async fn delete_forgotten(db: impl PgExecutor<'_>, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from identity.sign_in_throttle where (kind, subject) in
             (select kind, subject from identity.sign_in_throttle where forget_at <= $1
              order by forget_at limit $2 for update skip locked)",
        now,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
