//! Tokens: whoever proves who they are gets one; signing keys and their rotation.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{ActorKind, Clock, Entropy, Error as KernelError, SessionId};
use clientele_platform::Caller;
use clientele_platform::grpc::{Claims, ISSUER};
use clientele_platform::postgres::{Database, Error as StorageError, Keyring};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::RwLock;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Error;
use crate::domain::secret::{self, SecretKind};
use crate::domain::session::{self, Lifetimes};
use crate::domain::token::{self, Principal, Schedule, Slot};
use crate::events::publish;
use crate::store;
use crate::store::token::StoredKey;

/// What a token says: what every service reads, and what identity alone reads back.
#[derive(Debug, Serialize, Deserialize)]
struct SessionClaims {
    #[serde(flatten)]
    claims: Claims,
    /// The session the token was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
}

/// A proof of who asks.
pub(crate) enum Proof {
    Session(String),
    ApiKey(String),
    Service { name: String, secret: SecretString },
}

/// A signed token.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) principal: Principal,
}

/// Use cases about tokens.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    db: Database,
    keys: Arc<SigningKeys>,
    lifetimes: Lifetimes,
    /// Of a service there may be several secrets, for the time of a change.
    services: Arc<Vec<(&'static str, SecretString)>>,
}

impl Tokens {
    pub(crate) fn new(
        db: Database,
        keys: Arc<SigningKeys>,
        lifetimes: Lifetimes,
        services: Vec<(&'static str, SecretString)>,
    ) -> Self {
        Self { db, keys, lifetimes, services: Arc::new(services) }
    }

    /// Gives a token to whoever proves who they are.
    pub(crate) async fn issue(&self, proof: Proof) -> Result<Issued, Error> {
        let principal = match proof {
            Proof::Session(secret) => self.of_session(&secret).await?,
            Proof::ApiKey(secret) => self.of_api_key(&secret).await?,
            Proof::Service { name, secret } => self.of_service(&name, &secret)?,
        };
        self.keys.sign(principal).await
    }

    async fn of_session(&self, presented: &str) -> Result<Principal, Error> {
        let now = self.db.clock().now();
        let hash = secret::presented(presented, SecretKind::Session).ok_or(Error::ProofRefused)?;
        let session = store::session::find_live(self.db.pool(), hash, now).await?.ok_or(Error::ProofRefused)?;
        if let Some(expires_at) = session::prolonged(session.used_at, session.ends_at, self.lifetimes, now) {
            store::session::prolong(self.db.pool(), session.id, now, expires_at).await?;
        }
        Ok(Principal {
            kind: ActorKind::User,
            id: session.user_id.to_string(),
            display_name: session.display_name,
            permissions: session.permissions,
            session: Some(session.id.uuid()),
            ends_at: Some(session.ends_at),
        })
    }

    async fn of_api_key(&self, presented: &str) -> Result<Principal, Error> {
        let now = self.db.clock().now();
        let hash = secret::presented(presented, SecretKind::ApiKey).ok_or(Error::ProofRefused)?;
        let key = store::api_key::find_live(self.db.pool(), hash, now).await?.ok_or(Error::ProofRefused)?;
        Ok(Principal {
            kind: ActorKind::ApiKey,
            id: key.id.to_string(),
            display_name: key.name,
            permissions: key.creator.narrowed(key.scopes),
            session: None,
            ends_at: key.expires_at,
        })
    }

    fn of_service(&self, name: &str, presented: &SecretString) -> Result<Principal, Error> {
        let digest = |secret: &SecretString| Sha256::digest(secret.expose_secret().as_bytes());
        // Digests are of one length, so comparing them tells nothing of the secret's.
        let fits = |secret: &SecretString| bool::from(digest(secret).ct_eq(&digest(presented)));
        let proven = self.services.iter().any(|(known, secret)| *known == name && fits(secret));
        proven.then(|| token::service(name)).flatten().ok_or(Error::ProofRefused)
    }

    /// The session a caller's token was given for.
    pub(crate) async fn session_of(&self, caller: &Caller) -> Result<Option<SessionId>, Error> {
        match &caller.token {
            Some(token) => Ok(self.keys.read(token).await?.sid.map(SessionId::from)),
            None => Ok(None),
        }
    }

    /// The keys that are published, oldest first.
    pub(crate) async fn published(&self) -> Result<Vec<PublicKey>, Error> {
        self.keys.published().await
    }

    /// Makes the next signing key now; with `revoke` it takes over at once and all others end.
    pub(crate) async fn rotate(&self, caller: &Caller, revoke: bool) -> Result<Vec<PublicKey>, Error> {
        self.keys.rotate(caller, revoke).await?;
        self.keys.published().await
    }
}

/// The public half of a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) id: Uuid,
    pub(crate) bytes: [u8; 32],
}

/// The signing keys, as all replicas share them.
pub(crate) struct SigningKeys {
    db: Database,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    /// Keys that were opened. Which of them are still in use the table says, each time one is to sign.
    opened: RwLock<HashMap<Uuid, Arc<Opened>>>,
}

/// Both halves of a key.
struct Opened {
    public: [u8; 32],
    private: EncodingKey,
}

impl SigningKeys {
    pub(crate) fn new(db: Database, entropy: Arc<dyn Entropy>) -> Self {
        let clock = db.clock().clone();
        Self { db, entropy, clock, opened: RwLock::default() }
    }

    /// Signs a token for this principal, with the key that the table names at this moment: another replica may have revoked
    /// the one that signed the token before.
    async fn sign(&self, principal: Principal) -> Result<Issued, Error> {
        let now = self.clock.now();
        let schedule = Schedule::new(store::token::slots(self.db.pool()).await?);
        let slot = schedule.signer(now).ok_or_else(no_key)?;
        let key = self.opened(slot.id).await?.ok_or_else(no_key)?;
        let lifetime_ends = now + token::LIFETIME;
        let expires_at = principal.ends_at.map_or(lifetime_ends, |end| end.min(lifetime_ends));
        let claims = SessionClaims {
            claims: Claims {
                iss: ISSUER.to_owned(),
                sub: principal.id.clone(),
                kind: principal.kind.as_str().to_owned(),
                name: principal.display_name.clone(),
                perms: principal.permissions.to_token(),
                iat: now.timestamp(),
                exp: expires_at.timestamp(),
                jti: self.db.ids().next::<Uuid>().to_string(),
            },
            sid: principal.session,
        };
        let header = Header { kid: Some(slot.id.to_string()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.private).map_err(KernelError::internal)?;
        // Whole seconds, as the token says it.
        let expires_at = DateTime::from_timestamp(expires_at.timestamp(), 0).unwrap_or(expires_at);
        Ok(Issued { token, expires_at, principal })
    }

    /// Reads back a token of ours that has been verified on its way in.
    async fn read(&self, token: &str) -> Result<SessionClaims, Error> {
        let refused = |_| Error::ProofRefused;
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        let kid = header.kid.and_then(|kid| kid.parse().ok()).ok_or(Error::ProofRefused)?;
        let key = self.opened(kid).await?.ok_or(Error::ProofRefused)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        Ok(jsonwebtoken::decode(token, &DecodingKey::from_ed_der(&key.public), &validation).map_err(refused)?.claims)
    }

    /// The public keys, as the table has them now: who asks may have seen a token of a key made a moment ago.
    async fn published(&self) -> Result<Vec<PublicKey>, Error> {
        let stored = store::token::list(self.db.pool()).await?;
        // Those that have ended may not have been cleared away yet.
        let ended = Schedule::new(stored.iter().map(|key| key.slot).collect()).ended(self.clock.now());
        let published = stored.iter().filter(|key| !ended.contains(&key.slot.id));
        Ok(published.map(|key| PublicKey { id: key.slot.id, bytes: key.public_key }).collect())
    }

    /// Makes the next key, in the name of the caller. [`Error::RotationUnderWay`] when it has been made already; with
    /// `revoke` it takes over at once, whatever there was before.
    async fn rotate(&self, caller: &Caller, revoke: bool) -> Result<(), Error> {
        let now = self.clock.now();
        self.make_next(caller, revoke, |schedule| match schedule.next(now).filter(|_| !revoke) {
            Some(next) => Err(Error::RotationUnderWay((next.signs_from - now).to_std().unwrap_or_default())),
            None => Ok(true),
        })
        .await
    }

    /// Makes the first key, or the next one when its time has come, and withdraws those whose tokens have ended.
    pub(crate) async fn rotate_if_due(&self, rotation: TimeDelta) -> Result<(), Error> {
        let now = self.clock.now();
        // Looked at without the lock first: almost always there is nothing to do.
        let stored = store::token::list(self.db.pool()).await?;
        let schedule = Schedule::new(stored.iter().map(|key| key.slot).collect());
        if !schedule.is_due(rotation, now) && schedule.ended(now).is_empty() {
            return Ok(());
        }
        self.make_next(&Caller::service("identity"), false, |schedule| Ok(schedule.is_due(rotation, now))).await
    }

    async fn make_next(
        &self,
        caller: &Caller,
        revoke: bool,
        wanted: impl FnOnce(&Schedule) -> Result<bool, Error> + Send,
    ) -> Result<(), Error> {
        let mut uow = self.db.begin(caller).await?;
        let now = uow.now();
        let schedule = Schedule::new(store::token::lock(uow.conn()).await?);
        let ended = if revoke { schedule.all() } else { schedule.ended(now) };
        if wanted(&schedule)? {
            let signs_from = if revoke { now } else { schedule.start_of_new(now) };
            let key = self.draw(uow.id(), signs_from);
            // First: no two keys may begin at one moment.
            store::token::delete(uow.conn(), &ended).await?;
            store::token::insert(uow.conn(), &key, now).await?;
            uow.record(publish::signing_keys_rotated(key.slot.id, revoke));
            tracing::info!(kid = %key.slot.id, %signs_from, revoke, "a new signing key was made");
        } else if ended.is_empty() {
            return Ok(());
        } else {
            store::token::delete(uow.conn(), &ended).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    fn draw(&self, id: Uuid, signs_from: DateTime<Utc>) -> StoredKey {
        let mut seed = Zeroizing::new([0; 32]);
        self.entropy.fill(seed.as_mut());
        let public_key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let sealed_private_key = self.db.keyring().seal_secret(&purpose(id), seed.as_ref());
        StoredKey { slot: Slot { id, signs_from }, public_key, sealed_private_key }
    }

    /// The halves of a key; none where the table has no such key. What is opened anew takes the place of all that was: the
    /// private halves of keys that are gone are not kept.
    async fn opened(&self, id: Uuid) -> Result<Option<Arc<Opened>>, Error> {
        if let Some(key) = self.opened.read().await.get(&id) {
            return Ok(Some(key.clone()));
        }
        let mut opened = self.opened.write().await;
        if !opened.contains_key(&id) {
            let stored = store::token::list(self.db.pool()).await?;
            let keys = stored.iter().map(|key| Ok((key.slot.id, Arc::new(open(self.db.keyring(), key)?))));
            *opened = keys.collect::<Result<_, Error>>()?;
        }
        Ok(opened.get(&id).cloned())
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys")
    }
}

/// Binds a sealed private key to its place: one that is moved to another row does not open.
pub(crate) fn purpose(id: Uuid) -> String {
    format!("identity signing key {id}")
}

fn open(keyring: &Keyring, stored: &StoredKey) -> Result<Opened, Error> {
    let seed = keyring.open_secret(&purpose(stored.slot.id), &stored.sealed_private_key)?;
    let seed = <[u8; 32]>::try_from(seed.as_slice()).map(Zeroizing::new);
    let seed = seed.map_err(|_| StorageError::corrupt("signing_key", "the private key has the wrong length"))?;
    let key = SigningKey::from_bytes(&seed);
    if key.verifying_key().to_bytes() != stored.public_key {
        return Err(StorageError::corrupt("signing_key", "the halves of a key do not belong together").into());
    }
    let der = key.to_pkcs8_der().map_err(KernelError::internal)?;
    Ok(Opened { public: stored.public_key, private: EncodingKey::from_ed_der(der.as_bytes()) })
}

fn no_key() -> Error {
    KernelError::unavailable("there is no signing key yet: try again in a moment").into()
}
