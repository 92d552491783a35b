//! Visitors, found by the hash of their secret.

use chrono::{DateTime, Utc};
use clientele_kernel::{ChannelId, VisitorId};
use clientele_platform::postgres::{Error, assert_one};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::domain::visitor::{SecretHash, Visitor};

/// Writes a new visitor.
pub(crate) async fn insert(conn: &mut PgConnection, visitor: &Visitor) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into messaging.visitor (id, channel_id, secret_hash, has_dialog, created_at, seen_at)
         values ($1, $2, $3, false, $4, $4)",
        visitor.id.uuid(),
        visitor.channel_id.uuid(),
        &visitor.secret_hash.0[..],
        visitor.created_at,
    )
    .execute(conn)
    .await?;
    assert_one(done.rows_affected())
}

/// The visitor of the channel who has this secret.
pub(crate) async fn find(
    conn: impl PgExecutor<'_>,
    channel_id: ChannelId,
    secret: SecretHash,
) -> Result<Option<VisitorId>, Error> {
    let found = sqlx::query_scalar!(
        "select id from messaging.visitor where secret_hash = $1 and channel_id = $2",
        &secret.0[..],
        channel_id.uuid(),
    );
    Ok(found.fetch_optional(conn).await?.map(VisitorId::from))
}

/// The same, locked until the transaction ends: two first messages at once open one dialog.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    secret: SecretHash,
) -> Result<Option<VisitorId>, Error> {
    let found = sqlx::query_scalar!(
        "select id from messaging.visitor where secret_hash = $1 and channel_id = $2 for no key update",
        &secret.0[..],
        channel_id.uuid(),
    );
    Ok(found.fetch_optional(conn).await?.map(VisitorId::from))
}

/// Notes that a visitor was here; false when they are forgotten meanwhile.
pub(crate) async fn seen(pool: &PgPool, id: VisitorId, now: DateTime<Utc>) -> Result<bool, Error> {
    let done =
        sqlx::query!("update messaging.visitor set seen_at = greatest(seen_at, $2) where id = $1", id.uuid(), now);
    Ok(done.execute(pool).await?.rows_affected() == 1)
}

/// Notes that a visitor, locked before, has a dialog now.
pub(crate) async fn has_dialog(conn: &mut PgConnection, id: VisitorId) -> Result<(), Error> {
    let done = sqlx::query!("update messaging.visitor set has_dialog = true where id = $1", id.uuid());
    assert_one(done.execute(conn).await?.rows_affected())
}

/// Forgets visitors who never wrote and were last here before a moment, at most `limit` of them; returns how many.
pub(crate) async fn forget(pool: &PgPool, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from messaging.visitor where id in
             (select id from messaging.visitor where not has_dialog and seen_at < $1
              order by seen_at limit $2 for update skip locked)",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
