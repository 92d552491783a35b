//! A gateway and the services around it.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use chrono::TimeDelta;
use clientele_contracts::identity::v1 as identity;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_gateway::{Config, Deps, Service, Settings, build};
use clientele_kernel::{ActorKind, Clock, Error, SystemEntropy};
use clientele_platform::bus::InProcess;
use clientele_platform::config::Loader;
use clientele_platform::grpc::{Guard, Network, Verifier, status};
use clientele_platform::proto;
use clientele_platform::telemetry::Metrics;
use clientele_testkit::{Issuer, TestClock};
use http::{Request, StatusCode};
use prost::Message;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tower::ServiceExt;

use crate::services::method;

pub(crate) const ANA: &str = "01900000-0000-7000-8000-00000000000a";
pub(crate) const CUSTOMER: &str = "01900000-0000-7000-8000-0000000000c1";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Who may prove what at identity, and how often it was asked.
#[derive(Default)]
pub(crate) struct Identity {
    /// Permissions by secret.
    pub(crate) secrets: Mutex<HashMap<String, Vec<&'static str>>>,
    /// How often a token was asked for.
    pub(crate) asked: AtomicUsize,
    /// The last sign-in.
    pub(crate) sign_in: Mutex<Option<identity::CreateSessionRequest>>,
}

/// A gateway with an identity; a test adds the services it needs.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) network: Network,
    pub(crate) bus: Arc<InProcess>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) config: Config,
    pub(crate) stop: CancellationToken,
    issuer: Issuer,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose settings differ.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let loader =
            Loader::new().defaults(clientele_platform::config::DEFAULT).defaults(clientele_gateway::config::DEFAULT);
        let mut settings = Settings::from(&loader.read().unwrap()).unwrap();
        change(&mut settings);
        let clock = Arc::new(TestClock::default());
        let network = Network::new();
        let bus = Arc::new(InProcess::new(NonZeroU16::new(1024).unwrap()));
        let identity = Arc::new(Identity::default());
        let issuer = Issuer::new(clock.clone());
        network.serve("identity", Routes::from(identity_routes(&issuer, &identity, &clock)));
        let stop = CancellationToken::new();
        let deps = Deps {
            network: network.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            metrics: Metrics::unread(),
            stop: stop.clone(),
        };
        let Service { router, tasks } = build(settings.gateway.clone(), &settings.common.server, deps).unwrap();
        let world = Self { router, network, bus, clock, identity, config: settings.gateway, stop, issuer };
        if tokio::runtime::Handle::try_current().is_ok() {
            for task in tasks {
                tokio::spawn((task.work)(world.stop.clone()));
            }
        }
        world
    }

    /// Lets whoever has this secret do these things.
    pub(crate) fn allow(&self, secret: &str, permissions: &[&'static str]) {
        self.identity.secrets.lock().unwrap().insert(secret.to_owned(), permissions.to_vec());
    }

    /// Puts a service in place, behind the guard that every service stands behind.
    pub(crate) fn serve(&self, name: &str, router: Router) {
        let verifier = Verifier::new(self.network.transport("identity"), self.clock.clone());
        let guard = Guard::new(verifier, Duration::from_secs(30), 256, Metrics::unread());
        self.network.serve(name, guard.protect(Routes::from(router)));
    }

    /// Gives identity further methods, behind the guard.
    pub(crate) fn add_to_identity(&self, further: Router) {
        // The guard finds the keys at the unguarded identity, which the guarded one takes the place of afterwards.
        let open = Network::new();
        open.serve("identity", Routes::from(identity_routes(&self.issuer, &self.identity, &self.clock)));
        let guard = Guard::new(
            Verifier::new(open.transport("identity"), self.clock.clone()),
            Duration::from_secs(30),
            256,
            Metrics::unread(),
        );
        let routes = identity_routes(&self.issuer, &self.identity, &self.clock).merge(further);
        self.network.serve("identity", guard.protect(Routes::from(routes)));
    }

    /// Puts a service of one method in place.
    pub(crate) fn serve_method<Q, A, F, R>(&self, name: &str, path: &'static str, answer: F)
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
        F: Fn(tonic::Request<Q>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<A, Status>> + Send + 'static,
    {
        self.serve(name, method(Router::new(), path, answer));
    }

    /// Sends a request and reads the answer whole.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer::read(response).await
    }

    /// A `GET` with the key `clk_all`, which may do everything.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.allow("clk_all", &["*"]);
        self.send(request("GET", path).header("authorization", "Bearer clk_all").body(Body::empty()).unwrap()).await
    }

    /// A request with a JSON body and the key `clk_all`.
    pub(crate) async fn change(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.allow("clk_all", &["*"]);
        let request =
            request(method, path).header("authorization", "Bearer clk_all").header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Signs Ana in: her cookie and her token against forgery.
    pub(crate) async fn sign_in(&self) -> (String, String) {
        let answer = self.send(sign_in_request(PASSWORD)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        (cookie, answer.json()["csrfToken"].as_str().unwrap().to_owned())
    }
}

/// A request from this machine.
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "crm.example")
}

pub(crate) fn sign_in_request(password: &str) -> Request<Body> {
    request("POST", "/v1/session")
        .header("content-type", "application/json")
        .body(Body::from(serde_json::json!({"login": "ana@example.com", "password": password}).to_string()))
        .unwrap()
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&body).into_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The reason of a problem, after checking that it is a whole one.
    pub(crate) fn reason(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        assert!(problem["errors"].is_array());
        problem["reason"].as_str().unwrap().to_owned()
    }

    /// The fields a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        self.reason();
        let errors = self.json()["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

fn identity_routes(issuer: &Issuer, identity: &Arc<Identity>, clock: &Arc<TestClock>) -> Router {
    let (keys, issuer, clock) = (issuer.clone(), issuer.clone(), clock.clone());
    let (tokens, sessions, ended) = (identity.clone(), identity.clone(), identity.clone());
    let router = method(Router::new(), "/clientele.identity.v1.Tokens/IssueToken", move |request| {
        let (issuer, identity, clock) = (issuer.clone(), tokens.clone(), clock.clone());
        async move { issue(&issuer, &identity, clock.as_ref(), request) }
    });
    let router = method(router, "/clientele.identity.v1.Tokens/ListSigningKeys", move |request| {
        let keys = keys.clone();
        async move {
            use clientele_contracts::identity::v1::tokens_server::Tokens;
            keys.list_signing_keys(request).await.map(tonic::Response::into_inner)
        }
    });
    let router = method(router, "/clientele.identity.v1.Sessions/CreateSession", move |request| {
        let identity = sessions.clone();
        async move { create_session(&identity, request) }
    });
    method(
        router,
        "/clientele.identity.v1.Sessions/DeleteSession",
        move |request: tonic::Request<identity::DeleteSessionRequest>| {
            let identity = ended.clone();
            async move {
                identity.secrets.lock().unwrap().remove(&request.into_inner().session_secret);
                Ok(identity::DeleteSessionResponse {})
            }
        },
    )
}

fn issue(
    issuer: &Issuer,
    identity: &Identity,
    clock: &dyn Clock,
    request: tonic::Request<identity::IssueTokenRequest>,
) -> Result<identity::IssueTokenResponse, Status> {
    identity.asked.fetch_add(1, Ordering::SeqCst);
    let (kind, secret) = match request.into_inner().proof {
        Some(Proof::SessionSecret(secret)) => (ActorKind::User, secret),
        Some(Proof::ApiKey(secret)) => (ActorKind::ApiKey, secret),
        _ => return Err(Status::unauthenticated("no proof")),
    };
    let known = identity.secrets.lock().unwrap().get(&secret).cloned();
    let permissions = known.ok_or_else(|| status(Error::unauthenticated("the proof does not hold")))?;
    let principal = identity::Principal {
        id: ANA.to_owned(),
        display_name: "Ana".to_owned(),
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        ..identity::Principal::default()
    };
    Ok(identity::IssueTokenResponse {
        token: issuer.token(kind, ANA, &permissions),
        expires_at: Some(proto::timestamp(clock.now() + TimeDelta::minutes(5))),
        principal: Some(principal),
    })
}

fn create_session(
    identity: &Identity,
    request: tonic::Request<identity::CreateSessionRequest>,
) -> Result<identity::CreateSessionResponse, Status> {
    let request = request.into_inner();
    let password = request.password.clone();
    *identity.sign_in.lock().unwrap() = Some(request);
    match password.as_str() {
        PASSWORD => {
            let mut secrets = identity.secrets.lock().unwrap();
            let session_secret = format!("cls_{}", secrets.len());
            secrets.insert(session_secret.clone(), vec!["*"]);
            Ok(identity::CreateSessionResponse { session_secret, ..identity::CreateSessionResponse::default() })
        }
        "throttled" => {
            let delay = Duration::from_secs(30);
            Err(status(Error::exhausted("SIGN_IN_THROTTLED", "too many failures", delay)))
        }
        _ => Err(status(Error::unauthenticated("login or password is wrong"))),
    }
}

/// The address of a client, as the server puts it into a request.
pub(crate) fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    clientele_gateway::server::set_peer(&mut request, SocketAddr::new(address.parse().unwrap(), 40_000), false);
    request
}
