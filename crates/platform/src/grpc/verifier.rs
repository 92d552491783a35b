//! Checks tokens by the public keys that identity publishes. Keys are fetched when first needed and kept: with identity
//! down, running tokens serve until they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::identity::v1::ListSigningKeysRequest;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_kernel::{ActorKind, Clock, Error};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, RwLock};

use super::Transport;
use crate::caller::Permissions;

/// Who issues our tokens.
pub const ISSUER: &str = "clientele";

/// How often at most the keys are fetched because of a token with a key that is not known: a flood of forged tokens must
/// not become a flood of calls to identity.
const SHORTEST_REFRESH: TimeDelta = TimeDelta::seconds(2);
/// A key that is no longer published is dropped after this time.
const LONGEST_KEPT: TimeDelta = TimeDelta::minutes(5);
const FETCH_DEADLINE: Duration = Duration::from_secs(2);

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Id of the user or API key, name of the service.
    pub sub: String,
    /// Kind of the caller, as [`ActorKind::as_str`].
    pub kind: String,
    /// Name to show.
    pub name: String,
    /// What the caller may do; `*` for everything.
    pub perms: Vec<String>,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// Unique id of the token.
    pub jti: String,
}

impl Claims {
    /// Kind of the caller.
    pub fn actor_kind(&self) -> Result<ActorKind, Error> {
        ActorKind::parse(&self.kind).ok_or_else(|| Error::unauthenticated("the token speaks for nobody we know"))
    }

    /// What the caller may do.
    pub fn permissions(&self) -> Permissions {
        self.perms.iter().cloned().collect()
    }
}

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    identity: Transport,
    clock: Arc<dyn Clock>,
    keys: Arc<RwLock<Keys>>,
    /// Held while identity is asked, so that many requests ask once.
    asking: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched_at: Option<DateTime<Utc>>,
}

impl Verifier {
    /// A verifier that asks identity over this transport for its keys.
    pub fn new(identity: Transport, clock: Arc<dyn Clock>) -> Self {
        Self { identity, clock, keys: Arc::default(), asking: Arc::default() }
    }

    /// What the token says, if it is genuine and has not ended.
    pub async fn verify(&self, token: &str) -> Result<Claims, Error> {
        let refused = |_| Error::unauthenticated("the token is not one of ours");
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        let kid = header.kid.filter(|_| header.alg == Algorithm::EdDSA);
        let kid = kid.ok_or_else(|| Error::unauthenticated("the token is not one of ours"))?;
        let key = self.key(&kid).await?;

        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The end is checked below, against the injected clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(refused)?.claims;
        if self.clock.now().timestamp() >= claims.exp {
            return Err(Error::unauthenticated("the token has ended").with_reason("TOKEN_EXPIRED"));
        }
        Ok(claims)
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, Error> {
        let now = self.clock.now();
        let (known, age) = self.known(kid, now).await;
        let _asking = match &known {
            Some(key) if age.is_some_and(|age| age < LONGEST_KEPT) => return Ok(key.clone()),
            // What is known still serves; tokens end by themselves. One request asks, the others do not wait for it.
            Some(key) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_somebody_asks) => return Ok(key.clone()),
            },
            None => self.asking.lock().await,
        };
        let (_, age) = self.known(kid, now).await;
        if age.is_none_or(|age| age >= SHORTEST_REFRESH) {
            match self.fetch().await {
                Ok(by_id) => *self.keys.write().await = Keys { by_id, fetched_at: Some(now) },
                Err(error) if known.is_some() => {
                    tracing::warn!(%error, "the signing keys could not be refreshed");
                }
                Err(error) => return Err(error),
            }
        }
        let (known, _) = self.known(kid, now).await;
        known.ok_or_else(|| Error::unauthenticated("the token is not one of ours"))
    }

    /// The key of this id, if it is known, and how long ago the keys were fetched, if they were.
    async fn known(&self, kid: &str, now: DateTime<Utc>) -> (Option<DecodingKey>, Option<TimeDelta>) {
        let keys = self.keys.read().await;
        (keys.by_id.get(kid).cloned(), keys.fetched_at.map(|at| now - at))
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, Error> {
        let mut client = TokensClient::new(self.identity.clone());
        let answer = tokio::time::timeout(FETCH_DEADLINE, client.list_signing_keys(ListSigningKeysRequest {}))
            .await
            .map_err(|_| Error::unavailable("identity did not answer in time"))?
            .map_err(super::error)?;
        let keys = answer.into_inner().keys.into_iter();
        keys.filter(|key| key.kty == "OKP" && key.crv == "Ed25519")
            .map(|key| Ok((key.kid, DecodingKey::from_ed_components(&key.x).map_err(Error::internal)?)))
            .collect()
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}
