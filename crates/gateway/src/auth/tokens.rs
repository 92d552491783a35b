//! Exchanges credentials for short-lived tokens at identity, and keeps these until shortly before they end.
//!
//! With identity down, a token that is kept serves until its very end, so that an outage of a few minutes is not noticed
//! by whoever is at work.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::identity::v1::IssueTokenRequest;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_kernel::{Clock, Error};
use clientele_platform::grpc::Transport;
use clientele_platform::proto;
use http::StatusCode;
use moka::future::Cache;
use tokio::sync::Mutex;

use super::credential::{Credential, Fingerprint};
use crate::call::Call;
use crate::problem::Problem;

/// A token is renewed this long before it ends.
const RENEWAL: TimeDelta = TimeDelta::seconds(60);
/// Tokens end after five minutes; what nobody used for longer need not be kept.
const IDLE: Duration = Duration::from_mins(10);
/// Most credentials whose tokens are kept; the least used give way.
const MOST_KEPT: u64 = 50_000;

/// Whom a credential speaks for.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The signed token. Not shown by `Debug` of what holds it, because it is a secret for as long as it lasts.
    pub(crate) token: Token,
    /// When the token ends.
    pub(crate) expires_at: DateTime<Utc>,
    /// Id of the user or API key.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) display_name: String,
    /// What the caller may do.
    pub(crate) permissions: Vec<String>,
}

/// A signed token.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) Arc<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Tokens by the credential they were given for.
#[derive(Clone)]
pub(crate) struct Tokens {
    identity: Transport,
    clock: Arc<dyn Clock>,
    kept: Cache<Fingerprint, Arc<Slot>>,
}

#[derive(Default)]
struct Slot {
    current: RwLock<Option<Arc<Principal>>>,
    /// Held while identity is asked, so that a hundred requests of one page ask once.
    asking: Mutex<()>,
}

impl Slot {
    fn current(&self) -> Option<Arc<Principal>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, principal: Option<Arc<Principal>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = principal;
    }
}

impl Tokens {
    pub(crate) fn new(identity: Transport, clock: Arc<dyn Clock>) -> Self {
        Self { identity, clock, kept: Cache::builder().max_capacity(MOST_KEPT).time_to_idle(IDLE).build() }
    }

    /// The principal of a credential whose token is kept and has not ended.
    pub(crate) async fn known(&self, credential: &Credential) -> Option<Arc<Principal>> {
        let principal = self.kept.get(&credential.fingerprint()).await?.current()?;
        (self.clock.now() < principal.expires_at).then_some(principal)
    }

    /// The principal of a credential, by a kept token or by asking identity. `call` bounds how long that may take.
    pub(crate) async fn exchange(&self, credential: &Credential, call: &Call) -> Result<Arc<Principal>, Problem> {
        let slot = self.kept.get_with(credential.fingerprint(), async { Arc::default() }).await;
        let fresh = |principal: &Arc<Principal>| self.clock.now() < principal.expires_at - RENEWAL;
        if let Some(principal) = slot.current().filter(fresh) {
            return Ok(principal);
        }
        let running = |principal: &Arc<Principal>| self.clock.now() < principal.expires_at;
        let _asking = match slot.asking.try_lock() {
            Ok(guard) => guard,
            Err(_somebody_asks) => {
                if let Some(principal) = slot.current().filter(running) {
                    return Ok(principal);
                }
                let guard = slot.asking.lock().await;
                if let Some(principal) = slot.current().filter(running) {
                    return Ok(principal);
                }
                guard
            }
        };
        match self.ask(credential, call).await {
            Ok(principal) => {
                let principal = Arc::new(principal);
                slot.set(Some(principal.clone()));
                Ok(principal)
            }
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
                slot.set(None);
                self.kept.invalidate(&credential.fingerprint()).await;
                Err(problem)
            }
            Err(problem) => slot.current().filter(running).ok_or(problem),
        }
    }

    /// Forgets a token that a service has refused; one that was fetched meanwhile stays.
    pub(crate) async fn refused(&self, credential: &Credential, principal: &Arc<Principal>) {
        if let Some(slot) = self.kept.get(&credential.fingerprint()).await
            && slot.current().is_some_and(|current| Arc::ptr_eq(&current, principal))
        {
            slot.set(None);
        }
    }

    /// Forgets the token of a credential, because it has ended.
    pub(crate) async fn forget(&self, credential: &Credential) {
        let fingerprint = credential.fingerprint();
        if let Some(slot) = self.kept.get(&fingerprint).await {
            slot.set(None);
        }
        self.kept.invalidate(&fingerprint).await;
    }

    async fn ask(&self, credential: &Credential, call: &Call) -> Result<Principal, Problem> {
        let request = call.request(IssueTokenRequest { proof: Some(credential.to_proof()) });
        let mut identity = TokensClient::new(self.identity.clone());
        let answer = call.within(identity.issue_token(request)).await.map_err(Problem::from)?.into_inner();
        let expires_at = proto::required_instant(answer.expires_at, "expires_at").map_err(Error::internal)?;
        let principal = answer.principal.ok_or_else(|| Error::internal("identity gave a token without a principal"))?;
        Ok(Principal {
            token: Token(answer.token.into()),
            expires_at,
            id: principal.id,
            display_name: principal.display_name,
            permissions: principal.permissions,
        })
    }
}
