//! The layer every call from a service goes through: the service's own token, a deadline, the trace.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{IssueTokenRequest, ServiceCredential};
use clientele_kernel::{Clock, Error};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, RwLock};
use tonic::Code;
use tonic::body::Body;
use tower::Service;

use super::{HEADER_INTEGRATION, HEADER_ORIGIN, Network, Transport, status};
use crate::caller::Caller;
use crate::telemetry;

/// By which a service proves itself to identity.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Name of the service.
    pub service: String,
    /// Its secret.
    pub secret: SecretString,
}

/// The ways from one service to the others. Calls carry the service's own token, unless the request brings its caller's,
/// and a deadline, unless the request brings one.
#[derive(Clone)]
pub struct Clients {
    network: Network,
    tokens: Arc<TokenSource>,
    deadline: Duration,
    /// The services that ways were asked for.
    called: Arc<std::sync::Mutex<BTreeSet<String>>>,
}

struct TokenSource {
    identity: Transport,
    credential: Credential,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<(HeaderValue, DateTime<Utc>)>>,
    /// Held while identity is asked, so that many calls ask once.
    asking: Mutex<()>,
}

/// A token is renewed this long before it ends.
const RENEWAL: TimeDelta = TimeDelta::seconds(60);

impl Clients {
    /// Ways over this network, in the name of a service.
    pub fn new(network: Network, credential: Credential, clock: Arc<dyn Clock>, deadline: Duration) -> Self {
        let identity = network.transport("identity");
        Self {
            network,
            tokens: Arc::new(TokenSource {
                identity,
                credential,
                clock,
                current: RwLock::default(),
                asking: Mutex::default(),
            }),
            deadline,
            called: Arc::default(),
        }
    }

    /// The services that the ways lead to, identity included, which gives the tokens.
    pub fn called(&self) -> Vec<String> {
        self.note("identity").into_iter().collect()
    }

    fn note(&self, name: &str) -> BTreeSet<String> {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        called.insert(name.to_owned());
        called.clone()
    }

    /// The way to a service.
    pub fn transport(&self, name: &str) -> Transport {
        self.note(name);
        Transport::new(Authenticated {
            inner: self.network.transport(name),
            tokens: self.tokens.clone(),
            deadline: self.deadline,
        })
    }

    /// The way to a service without a token of ours: for whoever brings their own.
    pub fn anonymous(&self, name: &str) -> Transport {
        self.note(name);
        self.network.transport(name)
    }

    /// Name of the service that calls.
    pub fn service(&self) -> &str {
        &self.tokens.credential.service
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("service", &self.tokens.credential.service).finish_non_exhaustive()
    }
}

impl TokenSource {
    async fn token(&self) -> Result<HeaderValue, Error> {
        let now = self.clock.now();
        let running = self.running(now).await;
        let _asking = match &running {
            Some((token, until)) if now < *until - RENEWAL => return Ok(token.clone()),
            // The old token serves until its end. One call asks for the next, the others do not wait for it.
            Some((token, _)) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_somebody_asks) => return Ok(token.clone()),
            },
            None => {
                let asking = self.asking.lock().await;
                if let Some((token, _)) = self.running(now).await {
                    return Ok(token);
                }
                asking
            }
        };
        let proof = Proof::Service(ServiceCredential {
            name: self.credential.service.clone(),
            secret: self.credential.secret.expose_secret().to_owned(),
        });
        let request = tonic::Request::new(IssueTokenRequest { proof: Some(proof) });
        let issued =
            tokio::time::timeout(Duration::from_secs(5), TokensClient::new(self.identity.clone()).issue_token(request))
                .await
                .map_err(|_| Error::unavailable("identity did not answer in time"))
                .and_then(|answer| answer.map_err(super::error));
        let answer = match (issued, running) {
            (Ok(answer), _) => answer.into_inner(),
            (Err(_), Some((token, _))) => return Ok(token),
            (Err(error), None) => return Err(error),
        };
        let until = crate::proto::required_instant(answer.expires_at, "expires_at")?;
        let mut header = HeaderValue::try_from(format!("Bearer {}", answer.token)).map_err(Error::internal)?;
        header.set_sensitive(true);
        *self.current.write().await = Some((header.clone(), until));
        Ok(header)
    }

    /// Forgets a token that was refused, because its key was revoked.
    async fn refused(&self, token: &HeaderValue) {
        let mut current = self.current.write().await;
        if current.as_ref().is_some_and(|(known, _)| known == token) {
            *current = None;
        }
    }

    /// The token there is, unless it has ended, and when it ends.
    async fn running(&self, now: DateTime<Utc>) -> Option<(HeaderValue, DateTime<Utc>)> {
        self.current.read().await.clone().filter(|(_, until)| now < *until)
    }
}

#[derive(Clone)]
struct Authenticated {
    inner: Transport,
    tokens: Arc<TokenSource>,
    deadline: Duration,
}

impl Service<http::Request<Body>> for Authenticated {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let Self { mut inner, tokens, deadline } = self.clone();
        Box::pin(async move {
            let headers = request.headers_mut();
            telemetry::inject(headers);
            if !headers.contains_key("grpc-timeout") {
                let value = HeaderValue::try_from(format!("{}m", deadline.as_millis().min(99_999_999)));
                headers.insert("grpc-timeout", value.expect("digits and a letter are a header value"));
            }
            let mut own = None;
            if !headers.contains_key(AUTHORIZATION) {
                match tokens.token().await {
                    Ok(token) => own = Some(token.clone()),
                    Err(error) => return Ok(status(error).into_http()),
                }
                headers.extend(own.clone().map(|token| (AUTHORIZATION, token)));
                headers.entry(HEADER_ORIGIN).or_insert(HeaderValue::from_static("automation"));
            }
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
            match tokio::time::timeout(deadline, inner.call(request)).await {
                Ok(Ok(answer)) => match own {
                    Some(token) if is_unauthenticated(&answer) => {
                        tokens.refused(&token).await;
                        let again = Error::unavailable("a token of ours was refused: the next call brings another");
                        Ok(status(again).into_http())
                    }
                    _ => Ok(answer),
                },
                Ok(Err(error)) => Err(error),
                Err(_late) => Ok(tonic::Status::deadline_exceeded("the service did not answer in time").into_http()),
            }
        })
    }
}

fn is_unauthenticated(answer: &http::Response<Body>) -> bool {
    tonic::Status::from_header_map(answer.headers()).is_some_and(|status| status.code() == Code::Unauthenticated)
}

/// The request in the name of the caller of another: their token, origin and integration go with it.
pub fn as_caller<T>(message: T, caller: &Caller) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata = request.metadata_mut();
    if let Some(value) = caller.token.as_deref().and_then(|token| format!("Bearer {token}").parse().ok()) {
        metadata.insert("authorization", value);
    }
    if let Ok(value) = caller.origin.as_str().parse() {
        metadata.insert(HEADER_ORIGIN, value);
    }
    if let Some(value) = caller.integration.as_deref().and_then(|label| label.parse().ok()) {
        metadata.insert(HEADER_INTEGRATION, value);
    }
    request
}
