//! What messaging must do after its database was restored from a backup.

use clientele_platform::postgres::Error;
use sqlx::PgConnection;

/// Holds every letter that waited to be sent when the backup was made: it may have been sent since. The service settles
/// them as `unknown` when it starts. For the owner of the tables or a superuser; the service must not be running. Gives
/// how many there are.
pub async fn hold_letters(conn: &mut PgConnection) -> Result<u64, Error> {
    // Later than any wait, so that no worker ever claims it, a worker of another version included.
    let held = sqlx::query!(
        "update messaging.email
         set state = 'queued', next_attempt_at = timestamptz '9999-01-01 00:00:00+00', claimed_by = null,
             claimed_until = null, claim_epoch = claim_epoch + 1
         where state in ('queued', 'claimed')"
    )
    .execute(conn)
    .await?;
    Ok(held.rows_affected())
}
