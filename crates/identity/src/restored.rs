//! What identity must do after its database was restored from a backup.

use clientele_platform::postgres::Error;
use sqlx::PgConnection;

/// Ends every session, and every key that signs tokens: some of them had been ended since the backup was made, a key perhaps
/// because others know it. The next one is made when identity starts. For the owner of the tables or a superuser. Gives how
/// many sessions there were.
pub async fn end_sessions(conn: &mut PgConnection) -> Result<u64, Error> {
    sqlx::query!("delete from identity.signing_key").execute(&mut *conn).await?;
    let ended = sqlx::query!("delete from identity.session").execute(conn).await?;
    Ok(ended.rows_affected())
}
