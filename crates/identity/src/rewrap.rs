//! Signing keys when the master key is replaced.

use clientele_platform::postgres::Keyring;
use sqlx::PgConnection;

use crate::app::token::purpose;
use crate::{Error, store};

/// Seals the private halves of signing keys anew under the present master key where another has sealed them; gives how many
/// that were.
pub async fn rewrap(conn: &mut PgConnection, keyring: &Keyring) -> Result<u64, Error> {
    let mut done = 0;
    for key in store::token::list(&mut *conn).await? {
        let sealed = &key.sealed_private_key;
        if let Some(anew) = keyring.reseal_secret(&purpose(key.slot.id), sealed)? {
            done += store::token::replace(&mut *conn, key.slot.id, sealed, &anew).await?;
        }
    }
    Ok(done)
}

/// The names of the master keys under which signing keys are sealed, one for each key.
pub async fn master_keys(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let keys = store::token::list(conn).await?;
    Ok(keys.iter().filter_map(|key| Keyring::sealed_under(&key.sealed_private_key)).collect())
}
