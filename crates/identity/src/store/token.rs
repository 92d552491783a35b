//! Signing keys.

use chrono::{DateTime, Utc};
use clientele_platform::postgres::{self, assert_one};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::token::Slot;

/// A signing key as it is stored, its private half sealed.
pub(crate) struct StoredKey {
    pub(crate) slot: Slot,
    pub(crate) public_key: [u8; 32],
    pub(crate) sealed_private_key: Vec<u8>,
}

/// All keys that are published, oldest first.
pub(crate) async fn list(db: impl PgExecutor<'_>) -> Result<Vec<StoredKey>, Error> {
    let rows = sqlx::query!(
        "select id, public_key, sealed_private_key, signs_from from identity.signing_key order by signs_from"
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let public_key =
                row.public_key.try_into().map_err(|_| postgres::Error::corrupt("signing_key", "public_key"))?;
            let slot = Slot { id: row.id, signs_from: row.signs_from };
            Ok(StoredKey { slot, public_key, sealed_private_key: row.sealed_private_key })
        })
        .collect()
}

/// The schedule of the keys. Whoever else wants to change it waits until the transaction ends; readers do not.
pub(crate) async fn lock(conn: &mut PgConnection) -> Result<Vec<Slot>, Error> {
    sqlx::query!("lock table identity.signing_key in share row exclusive mode").execute(&mut *conn).await?;
    slots(conn).await
}

/// The schedule of the keys.
pub(crate) async fn slots(db: impl PgExecutor<'_>) -> Result<Vec<Slot>, Error> {
    let rows = sqlx::query!("select id, signs_from from identity.signing_key").fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| Slot { id: row.id, signs_from: row.signs_from }).collect())
}

/// Writes a new key.
pub(crate) async fn insert(conn: &mut PgConnection, key: &StoredKey, now: DateTime<Utc>) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into identity.signing_key (id, public_key, sealed_private_key, signs_from, created_at)
         values ($1, $2, $3, $4, $5)",
        key.slot.id,
        &key.public_key[..],
        key.sealed_private_key,
        key.slot.signs_from,
        now,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Puts another sealed form of a private half in the place of the one given; nothing where the key has ended meanwhile.
pub(crate) async fn replace(conn: &mut PgConnection, id: Uuid, old: &[u8], new: &[u8]) -> Result<u64, Error> {
    let done = sqlx::query!(
        "update identity.signing_key set sealed_private_key = $3 where id = $1 and sealed_private_key = $2",
        id,
        old,
        new,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Withdraws keys.
pub(crate) async fn delete(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), Error> {
    sqlx::query!("delete from identity.signing_key where id = any($1)", ids).execute(conn).await?;
    Ok(())
}
