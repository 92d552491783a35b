//! Sealing. Private payloads are sealed under a key of the customer (or of the aggregate that belongs to none), these
//! keys are wrapped by a master key from configuration. Destroying a subject's key erases, at once and for good,
//! everything sealed under it, journal and backups of the journal included.
//!
//! Several master keys may be known at once: the present one wraps, all of them open. So one is replaced while replicas of
//! either configuration work side by side; `master_key` has what else that takes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use clientele_kernel::Entropy;
use sha2::{Digest, Sha256};
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

/// The longest name of a master key.
const LONGEST_ID: usize = 64;

impl MasterKey {
    /// By which a wrong key under a known name is told. The key is 256 random bits: its digest says nothing about it.
    pub(super) fn check_value(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"clientele master key check value")
            .chain_update(self.key.as_ref())
            .finalize()
            .into()
    }
}

/// Whose key a payload is sealed under: a customer, or an aggregate that belongs to none.
pub type Subject = Uuid;

/// Seals and opens. The first master key wraps new keys; the others open what they wrapped: those from before a
/// replacement, and the next one, that other replicas wrap with already.
#[derive(Clone)]
pub struct Keyring {
    masters: Arc<Vec<MasterKey>>,
    entropy: Arc<dyn Entropy>,
    /// How often something was met that a master key had wrapped which is not known here.
    unknown: Arc<AtomicU64>,
}

impl Keyring {
    /// A keyring of at least one master key, the present one first.
    pub fn try_new(masters: Vec<MasterKey>, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        if masters.is_empty() {
            return Err(Error::Seal("there is no master key"));
        }
        let mut ids = HashSet::new();
        for master in &masters {
            let fits = (1..=LONGEST_ID).contains(&master.id.len()) && master.id.bytes().all(|b| b.is_ascii_graphic());
            if !fits {
                return Err(Error::MasterKey(format!(
                    "`{}` cannot be the name of a master key: 1 to {LONGEST_ID} printable ASCII characters without spaces can",
                    clientele_kernel::error::shorten(&master.id)
                )));
            }
            if !ids.insert(&master.id) {
                return Err(Error::MasterKey(format!("there are two master keys of the name `{}`", master.id)));
            }
        }
        Ok(Self { masters: Arc::new(masters), entropy, unknown: Arc::default() })
    }

    /// The master key that wraps.
    pub(super) fn present(&self) -> &MasterKey {
        &self.masters[0]
    }

    /// All master keys that are known, the present one first.
    pub(super) fn masters(&self) -> &[MasterKey] {
        &self.masters
    }

    /// How often something was met, since the process began, that a master key had wrapped which is not known here.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    fn master(&self, id: &[u8]) -> Result<&MasterKey, Error> {
        self.masters.iter().find(|master| master.id.as_bytes() == id).ok_or_else(|| {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            Error::UnknownMasterKey(String::from_utf8_lossy(id).into_owned())
        })
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
        let (id, rest) = named(sealed)?;
        open(&self.master(id)?.key, purpose.as_bytes(), rest)
    }

    /// The name of the master key that a secret of the service is sealed under; none where it is no sealed secret.
    pub fn sealed_under(sealed: &[u8]) -> Option<String> {
        named(sealed).ok().map(|(id, _)| String::from_utf8_lossy(id).into_owned())
    }

    /// A secret of the service sealed anew under the present master key; none where it is already.
    pub fn reseal_secret(&self, purpose: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if named(sealed)?.0 == self.present().id.as_bytes() {
            return Ok(None);
        }
        Ok(Some(self.seal_secret(purpose, &self.open_secret(purpose, sealed)?)))
    }

    /// A subject's key wrapped anew under the present master key.
    pub(super) fn rewrap(&self, subject: Subject, master_id: &str, wrapped: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.unwrap(subject, master_id, wrapped)?;
        Ok(self.seal(&self.present().key, subject.as_bytes(), key.0.as_ref()))
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

    pub(super) fn unwrap(&self, subject: Subject, master_id: &str, wrapped: &[u8]) -> Result<SubjectKey, Error> {
        let plain = open(&self.master(master_id.as_bytes())?.key, subject.as_bytes(), wrapped)?;
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

/// Takes a sealed secret apart: the name of its master key, and the rest.
fn named(sealed: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (&length, rest) = sealed.split_first().ok_or(Error::Seal("it is empty"))?;
    rest.split_at_checked(length.into()).ok_or(Error::Seal("it is cut short"))
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
    use proptest::prelude::*;

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
        let other = keyring(&["b"]);
        assert!(matches!(other.open_secret("p", &sealed), Err(Error::UnknownMasterKey(id)) if id == "a"));
        assert_eq!(other.unknown(), 1);
    }

    #[test]
    fn a_secret_is_sealed_anew_once_and_stays_bound_to_its_purpose() {
        let sealed = keyring(&["a"]).seal_secret("p", b"secret");
        let both = keyring(&["b", "a"]);
        let anew = both.reseal_secret("p", &sealed).unwrap().unwrap();
        assert_eq!(both.reseal_secret("p", &anew).unwrap(), None);
        assert_eq!(keyring(&["b"]).open_secret("p", &anew).unwrap().as_slice(), b"secret");
        assert!(both.reseal_secret("q", &sealed).is_err());
    }

    #[test]
    fn master_keys_have_names_of_their_own() {
        let named = |ids: &[&str]| {
            let masters = ids.iter().map(|id| MasterKey { id: (*id).to_owned(), key: Zeroizing::new([1; KEY]) });
            Keyring::try_new(masters.collect(), Arc::new(SeededEntropy::new(3)))
        };
        assert!(named(&["a", "a"]).unwrap_err().to_string().contains("two master keys of the name `a`"));
        assert!(named(&[""]).is_err());
        assert!(named(&["a b"]).is_err());
        assert!(named(&["2026-11"]).is_ok());
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

    proptest! {
        #[test]
        fn any_bytes_are_opened_only_where_they_were_sealed(bytes in prop::collection::vec(any::<u8>(), 0..120), secret in prop::collection::vec(any::<u8>(), 0..60)) {
            let ring = keyring(&["a"]);
            prop_assert!(ring.open_secret("p", &bytes).is_err());
            prop_assert!(open(&[7; KEY], b"an event", &bytes).is_err());
            let sealed = ring.seal_secret("p", &secret);
            let opened = ring.open_secret("p", &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), secret.as_slice());
        }
    }
}
