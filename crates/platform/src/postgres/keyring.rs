//! Sealing. Private payloads are sealed under a key of the customer (or of the aggregate that belongs to none), these
//! keys are wrapped by a master key from configuration. Destroying a subject's key erases, at once and for good,
//! everything sealed under it, journal and backups of the journal included.

use std::collections::HashMap;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use clientele_kernel::Entropy;
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Error;

const NONCE: usize = 24;
const KEY: usize = 32;

/// A master key and the name by which wrapped keys remember it.
#[derive(Clone)]
pub struct MasterKey {
    /// The name.
    pub id: String,
    /// The key.
    pub key: Zeroizing<[u8; KEY]>,
}

/// Whose key a payload is sealed under: a customer, or an aggregate that belongs to none.
pub type Subject = Uuid;

/// Seals and opens. The first master key wraps new keys; the others open what they wrapped before a rotation.
#[derive(Clone)]
pub struct Keyring {
    masters: Arc<Vec<MasterKey>>,
    entropy: Arc<dyn Entropy>,
}

impl Keyring {
    /// A keyring of at least one master key, the present one first.
    pub fn try_new(masters: Vec<MasterKey>, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        if masters.is_empty() {
            return Err(Error::Seal("there is no master key"));
        }
        Ok(Self { masters: Arc::new(masters), entropy })
    }

    /// Seals a secret of the service itself under the master key. `purpose` is bound to it: what was sealed for one
    /// purpose does not open for another.
    pub fn seal_secret(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let master = &self.masters[0];
        let id = master.id.as_bytes();
        let mut sealed = vec![u8::try_from(id.len()).unwrap_or(u8::MAX)];
        sealed.extend_from_slice(&id[..usize::from(sealed[0])]);
        sealed.extend(self.seal(&master.key, purpose.as_bytes(), plain));
        sealed
    }

    /// Opens a secret of the service.
    pub fn open_secret(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (&length, rest) = sealed.split_first().ok_or(Error::Seal("it is empty"))?;
        let (id, rest) = rest.split_at_checked(length.into()).ok_or(Error::Seal("it is cut short"))?;
        let master = self
            .masters
            .iter()
            .find(|m| m.id.as_bytes() == id)
            .ok_or(Error::Seal("its master key is not configured"))?;
        open(&master.key, purpose.as_bytes(), rest)
    }

    /// The keys of these subjects, made where there are none.
    pub(crate) async fn keys(
        &self,
        conn: &mut PgConnection,
        subjects: &[Subject],
        now: DateTime<Utc>,
    ) -> Result<HashMap<Subject, SubjectKey>, Error> {
        let mut keys = self.existing_keys(conn, subjects).await?;
        let mut missing: Vec<Subject> = subjects.iter().copied().filter(|s| !keys.contains_key(s)).collect();
        // One order for all writers, so that two batches that make the same keys cannot lock each other out.
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(keys);
        }
        let master = &self.masters[0];
        let wrapped: Vec<Vec<u8>> = missing
            .iter()
            .map(|subject| {
                let mut key = Zeroizing::new([0; KEY]);
                self.entropy.fill(key.as_mut());
                self.seal(&master.key, subject.as_bytes(), key.as_ref())
            })
            .collect();
        sqlx::query(
            "insert into subject_key (subject_id, master_key_id, wrapped_key, created_at)
             select s, $3, w, $4 from unnest($1::uuid[], $2::bytea[]) as u(s, w)
             on conflict (subject_id) do nothing",
        )
        .bind(&missing)
        .bind(&wrapped)
        .bind(&master.id)
        .bind(now)
        .execute(&mut *conn)
        .await?;
        // Read back rather than kept: another transaction may have made the key first.
        keys.extend(self.existing_keys(conn, &missing).await?);
        Ok(keys)
    }

    /// The keys of these subjects as far as they exist: one that was destroyed does not.
    pub(crate) async fn existing_keys(
        &self,
        conn: &mut PgConnection,
        subjects: &[Subject],
    ) -> Result<HashMap<Subject, SubjectKey>, Error> {
        let rows: Vec<(Uuid, String, Vec<u8>)> =
            sqlx::query_as("select subject_id, master_key_id, wrapped_key from subject_key where subject_id = any($1)")
                .bind(subjects)
                .fetch_all(conn)
                .await?;
        rows.into_iter()
            .map(|(subject, master_id, wrapped)| Ok((subject, self.unwrap(subject, &master_id, &wrapped)?)))
            .collect()
    }

    /// Destroys the key of a subject: nothing sealed under it opens ever again.
    pub async fn destroy(&self, conn: &mut PgConnection, subject: Subject) -> Result<bool, Error> {
        let done = sqlx::query("delete from subject_key where subject_id = $1").bind(subject).execute(conn).await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) fn seal_for(&self, key: &SubjectKey, event: Uuid, plain: &[u8]) -> Vec<u8> {
        self.seal(&key.0, event.as_bytes(), plain)
    }

    fn unwrap(&self, subject: Subject, master_id: &str, wrapped: &[u8]) -> Result<SubjectKey, Error> {
        let master =
            self.masters.iter().find(|m| m.id == master_id).ok_or(Error::Seal("its master key is not configured"))?;
        let plain = open(&master.key, subject.as_bytes(), wrapped)?;
        let key =
            <[u8; KEY]>::try_from(plain.as_slice()).map_err(|_| Error::Seal("a wrapped key has the wrong length"))?;
        Ok(SubjectKey(Zeroizing::new(key)))
    }

    fn seal(&self, key: &[u8; KEY], bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new(&Key::from(*key));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: bound_to })
            .expect("the cipher fails only for messages of 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("masters", &self.masters.len()).finish_non_exhaustive()
    }
}

/// The key of one subject.
pub(crate) struct SubjectKey(Zeroizing<[u8; KEY]>);

impl SubjectKey {
    pub(crate) fn open(&self, event: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        open(&self.0, event.as_bytes(), sealed)
    }
}

fn open(key: &[u8; KEY], bound_to: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(Error::Seal("it is cut short"))?;
    let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| Error::Seal("it is cut short"))?;
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: bound_to })
        .map(Zeroizing::new)
        .map_err(|_| Error::Seal("the key does not fit or it was changed"))
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;

    use super::*;

    fn keyring(ids: &[&str]) -> Keyring {
        let masters = ids
            .iter()
            .map(|id| MasterKey { id: (*id).to_owned(), key: Zeroizing::new([id.as_bytes()[0]; KEY]) })
            .collect();
        Keyring::try_new(masters, Arc::new(SeededEntropy::new(3))).unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_purpose_only() {
        let ring = keyring(&["a"]);
        let sealed = ring.seal_secret("signing key", b"secret");
        assert_eq!(ring.open_secret("signing key", &sealed).unwrap().as_slice(), b"secret");
        assert!(ring.open_secret("something else", &sealed).is_err());
    }

    #[test]
    fn after_a_rotation_the_old_master_key_still_opens() {
        let sealed = keyring(&["a"]).seal_secret("p", b"secret");
        assert_eq!(keyring(&["b", "a"]).open_secret("p", &sealed).unwrap().as_slice(), b"secret");
        assert!(keyring(&["b"]).open_secret("p", &sealed).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let ring = keyring(&["a"]);
        let sealed = ring.seal_secret("p", b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open_secret("p", &changed).is_err(), "byte {at}");
        }
    }
}
