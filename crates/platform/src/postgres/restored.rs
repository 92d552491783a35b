//! What a journal, its readers and its workers must know after the database was restored from a backup.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// How much of a restored journal those who followed it before have in common with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InCommon {
    /// All that is in it now: nothing was written since the restore.
    All,
    /// Nobody can say: whoever has applied anything forgets it and begins at the first event.
    Unknown,
}

/// Begins a new incarnation of a context's journal: from here on positions are given that were given before, to other
/// events, and whoever read those learns of it. Workers of before the restore are fenced out, and leases are free.
///
/// For the owner of the tables or a superuser; the service must not be running. Repeating it does no harm.
pub async fn restored(
    conn: &mut PgConnection,
    context: &str,
    incarnation: Uuid,
    in_common: InCommon,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let begins = match in_common {
        InCommon::All => "position",
        InCommon::Unknown => "0::bigint",
    };
    let begun = format!(
        "insert into {context}.journal_incarnation (number, id, restored_at, positions)
         select coalesce((select max(number) from {context}.journal_incarnation), 0) + 1, $1, $2,
                (select array_agg({begins} order by partition) from {context}.journal_head)"
    );
    sqlx::query(sqlx::AssertSqlSafe(begun)).bind(incarnation).bind(now).execute(&mut *conn).await?;
    let freed = format!(
        "update {context}.cursor set epoch = epoch + 1, owner = null, leased_until = null;
         delete from {context}.consumer_member;
         update {context}.lease set epoch = epoch + 1, leased_until = timestamptz 'epoch';"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(freed)).execute(conn).await?;
    Ok(())
}
