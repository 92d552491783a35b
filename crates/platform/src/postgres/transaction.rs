//! Transactions that are not units of work, and how every transaction begins.

use sqlx::postgres::PgPool;
use sqlx::{Postgres, SqlSafeStr, Transaction};
use tracing::Instrument;

use super::{Database, Error};

const SNAPSHOT: &str = "begin isolation level repeatable read read only";

impl Database {
    /// A transaction whose statements record no event. Dropping it rolls back.
    pub async fn transaction(&self) -> Result<Transaction<'static, Postgres>, Error> {
        begin(&self.pool, None).await
    }

    /// A transaction that only reads, all of it as of one moment.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, Error> {
        begin(&self.pool, Some(SNAPSHOT)).await
    }
}

/// Begins a transaction. Whoever goes away while waiting for a connection leaves no trace; once there is one, the
/// transaction begins in a task of its own, which ends it where nobody waits for it any more: when whoever asks goes away
/// in mid-begin, sqlx 0.9 puts the connection back with the transaction open, and the next ones to use it work within it,
/// unknowing.
pub(super) async fn begin(
    pool: &PgPool,
    statement: Option<&'static str>,
) -> Result<Transaction<'static, Postgres>, Error> {
    let conn = pool.acquire().await?;
    let begun = Transaction::begin(conn, statement.map(SqlSafeStr::into_sql_str));
    // It does not come to an end where it panicked or the process ends.
    let begun = tokio::spawn(begun.in_current_span()).await.map_err(|_| sqlx::Error::WorkerCrashed)?;
    Ok(begun?)
}
