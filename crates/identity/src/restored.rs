//! What identity must do after its database was restored from a backup.

use clientele_platform::postgres::Error;
use sqlx::PgConnection;

/// Ends every session: some of them had been ended since the backup was made. For the owner of the tables or a superuser.
/// Gives how many there were.
pub async fn end_sessions(conn: &mut PgConnection) -> Result<u64, Error> {
    let ended = sqlx::query!("delete from identity.session").execute(conn).await?;
    Ok(ended.rows_affected())
}
