//! Checks tokens by the public keys that identity publishes. Keys are fetched when first needed and kept: with identity
//! down, running tokens serve until they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::identity::v1::ListSigningKeysRequest;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_kernel::{ActorKind, Clock, Error};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, RwLock, Semaphore};

use super::Transport;
use super::guard::OVERLOADED;
use crate::caller::Permissions;

/// Who issues our tokens.
pub const ISSUER: &str = "clientele";

/// How often at most the keys are fetched because of a token with a key that is not known: a flood of forged tokens must
/// not become a flood of calls to identity. Who comes earlier waits.
const SHORTEST_REFRESH: TimeDelta = TimeDelta::milliseconds(500);
/// A key that is no longer published, because it was revoked, is dropped after this time, as far as identity can be asked.
const LONGEST_KEPT: TimeDelta = TimeDelta::seconds(30);
/// How long identity is left alone after it could not be asked, where a key is known.
const REST: TimeDelta = TimeDelta::seconds(5);
const FETCH_DEADLINE: Duration = Duration::from_secs(2);
/// How many tokens of keys that are not known may wait for identity to be asked; further ones are turned away. Those of keys
/// that are known wait for nobody.
const STRANGERS: usize = 256;

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
    /// How often identity has been asked so far; not told by the clock, which may be set back.
    begun: Arc<AtomicU64>,
    strangers: Arc<Semaphore>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    /// Which time of asking they come from.
    asked: u64,
    /// When identity was asked for them.
    fetched_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
}

/// Whether keys were fetched a moment ago.
enum Age {
    Fresh,
    Stale,
}

impl Verifier {
    /// A verifier that asks identity over this transport for its keys.
    pub fn new(identity: Transport, clock: Arc<dyn Clock>) -> Self {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        Self { identity, clock, keys: Arc::default(), asking: Arc::default(), begun: Arc::default(), strangers }
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
        let came = self.begun.load(Ordering::Acquire);
        let known = self.known(kid).await;
        let _place = match known {
            Some(_) => None,
            None => Some(self.strangers.try_acquire().map_err(|_| {
                Error::unavailable("too many tokens of unknown keys are being looked at: try again")
                    .with_reason(OVERLOADED)
            })?),
        };
        let _asking = match &known {
            Some((key, Age::Fresh)) => return Ok(key.clone()),
            // What is known still serves; tokens end by themselves. One request asks, the others do not wait for it.
            Some((key, Age::Stale)) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_somebody_asks) => return Ok(key.clone()),
            },
            None => self.asking.lock().await,
        };
        let (asked, fetched_at) = {
            let keys = self.keys.read().await;
            (keys.asked, keys.fetched_at)
        };
        // Identity may have been asked since the token came, by those who waited for it before.
        if asked <= came {
            if let (None, Some(at)) = (&known, fetched_at) {
                let rest = (SHORTEST_REFRESH - (self.clock.now() - at)).min(SHORTEST_REFRESH);
                tokio::time::sleep(rest.to_std().unwrap_or_default()).await;
            }
            let asked_at = self.clock.now();
            let asked = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
            match self.fetch().await {
                Ok(by_id) => {
                    *self.keys.write().await = Keys { by_id, asked, fetched_at: Some(asked_at), failed_at: None };
                }
                Err(error) => {
                    let Some((key, _)) = known else { return Err(error) };
                    tracing::warn!(%error, "the signing keys could not be refreshed");
                    self.keys.write().await.failed_at = Some(asked_at);
                    return Ok(key);
                }
            }
        }
        let known = self.known(kid).await;
        known.map(|(key, _)| key).ok_or_else(|| Error::unauthenticated("the token is not one of ours"))
    }

    /// The key of this id, if it is known, and whether it is time to ask for the keys again.
    async fn known(&self, kid: &str) -> Option<(DecodingKey, Age)> {
        let now = self.clock.now();
        let keys = self.keys.read().await;
        let key = keys.by_id.get(kid)?.clone();
        // A moment that is yet to come was noted before the clock was set back.
        let within = |moment: Option<DateTime<Utc>>, span: TimeDelta| moment.is_some_and(|at| (now - at).abs() < span);
        let fresh = within(keys.fetched_at, LONGEST_KEPT) || within(keys.failed_at, REST);
        Some((key, if fresh { Age::Fresh } else { Age::Stale }))
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use clientele_kernel::{Code, SystemClock};
    use proptest::prelude::*;
    use tonic::service::Routes;

    use super::*;
    use crate::grpc::Network;

    #[tokio::test]
    async fn so_many_tokens_of_unknown_keys_wait_and_no_more() {
        let network = Network::new();
        network.serve("identity", Routes::from(Router::new().fallback(std::future::pending::<()>)));
        let verifier = Verifier::new(network.transport("identity"), Arc::new(SystemClock));
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.x", part(r#"{"alg":"EdDSA","kid":"none"}"#), part("{}"));
        let mut waiting = Vec::new();
        for _ in 0..STRANGERS {
            // Else the runtime has them stop for others after so many steps.
            let mut verifying = Box::pin(tokio::task::unconstrained(verifier.verify(&token)));
            assert!(futures::poll!(&mut verifying).is_pending());
            waiting.push(verifying);
        }
        let refused = tokio::task::unconstrained(verifier.verify(&token)).await;
        assert_eq!(refused.unwrap_err().reason, OVERLOADED);
        waiting.pop();
        assert!(futures::poll!(Box::pin(tokio::task::unconstrained(verifier.verify(&token)))).is_pending());
    }

    proptest! {
        #[test]
        fn whatever_is_not_signed_by_identity_is_nobodys_word(
            text in any::<String>(), header in any::<String>(), algorithm in "EdDSA|none|HS256|RS256|.{0,5}", kid in any::<String>(),
        ) {
            // Nobody answers here: what is no token at all is refused before anybody is asked.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let verifier = Verifier::new(Network::new().transport("identity"), Arc::new(SystemClock));
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let proper = serde_json::json!({ "alg": algorithm, "kid": kid }).to_string();
            for token in [text.clone(), format!("{}.{}.", part(&header), part(&text)), format!("{}.{}.x", part(&proper), part(&text))] {
                let refused = runtime.block_on(verifier.verify(&token)).unwrap_err();
                let asked = algorithm == "EdDSA" && refused.code == Code::Unavailable;
                prop_assert!(refused.code == Code::Unauthenticated || asked, "{}: {:?}", token, refused);
            }
        }
    }
}
