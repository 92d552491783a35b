//! A service running as it does in production, in the process of the test: behind the real guard, with relay and
//! consumers, reached over the real clients.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use clientele_contracts::platform::v1::Event;
use clientele_kernel::{ActorKind, Clock, Partition, SystemEntropy, UserId};
use clientele_platform::bus::InProcess;
use clientele_platform::feed::FeedReader;
use clientele_platform::grpc::{Clients, Credential, Network, Transport};
use clientele_platform::lifecycle::Lifecycle;
use clientele_platform::telemetry::Metrics;
use clientele_platform::{Deps, Host, Service};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use tonic::body::Body;

use crate::{Issuer, TestDatabase};

/// What services of a test run in.
#[derive(Debug)]
pub struct Harness {
    /// The process they share.
    pub host: Host,
    /// Who signs tokens, where identity itself is not under test.
    pub issuer: Issuer,
}

impl Harness {
    /// A process with an in-process bus and an issuer in the place of identity.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let issuer = Issuer::new(clock.clone());
        let network = Network::new();
        network.serve("identity", issuer.routes());
        let host = Host {
            clock,
            entropy: Arc::new(SystemEntropy),
            network,
            bus: Arc::new(InProcess::new(NonZeroU16::new(1024).expect("it is not zero"))),
            metrics: Metrics::unread(),
            lifecycle: Lifecycle::new(Duration::from_secs(5)),
            request_deadline: Duration::from_secs(30),
            max_concurrent_requests: 512,
        };
        Self { host, issuer }
    }

    /// What a service is built from, on this database.
    pub fn deps(&self, database: &TestDatabase) -> Deps {
        let service = database.db.context().to_owned();
        self.host.deps(database.db.clone(), Credential { service, secret: "a secret of this test".to_owned().into() })
    }

    /// Starts a built service: relay, consumers, tasks, and its guarded routes under its name.
    pub fn start(&self, service: Service, deps: &Deps) {
        let name = service.name;
        let routes = self.host.start(service, deps).expect("a built service starts");
        self.host.network.serve(name, routes);
    }

    /// The way to a service for a user with these permissions; `*` for everything.
    pub fn client(&self, service: &str, permissions: &[&str]) -> Transport {
        let user = UserId::from(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)).to_string();
        self.client_as(service, &self.issuer.token(ActorKind::User, &user, permissions))
    }

    /// The way to a service with a token.
    pub fn client_as(&self, service: &str, token: &str) -> Transport {
        let header = HeaderValue::try_from(format!("Bearer {token}")).expect("a token is a header value");
        Transport::new(WithToken { inner: self.host.network.transport(service), header })
    }

    /// The way to a service without a token.
    pub fn anonymous(&self, service: &str) -> Transport {
        self.host.network.transport(service)
    }

    /// All events of a service's feed, by partition and position, read as another service reads them.
    pub async fn events(&self, service: &str) -> Vec<Event> {
        let reader = Credential { service: "reader".to_owned(), secret: "a secret of this test".to_owned().into() };
        let Host { network, clock, request_deadline, .. } = &self.host;
        let clients = Clients::new(network.clone(), reader, clock.clone(), *request_deadline);
        let feed = FeedReader::new(&clients, service).expect("the name of a service is part of a path");
        let mut events: Vec<Event> = Vec::new();
        for partition in Partition::all() {
            let mut after = 0;
            loop {
                let page = feed.read(partition, after, None, 1000).await.expect("the feed answers");
                after = page.events.last().map_or(page.head, |last| last.position);
                events.extend(page.events);
                if after == page.head {
                    break;
                }
            }
        }
        events
    }

    /// The events of one aggregate, oldest first.
    pub async fn events_of(&self, service: &str, aggregate: &str) -> Vec<Event> {
        let mut events = self.events(service).await;
        events.retain(|event| event.aggregate_id == aggregate);
        events.sort_by_key(|event| event.aggregate_version);
        events
    }

    /// Ends what runs in the background.
    pub async fn stop(&self) {
        self.host.lifecycle.stop();
        self.host.lifecycle.shutdown().await.expect("everything ends in order");
    }
}

#[derive(Clone)]
struct WithToken {
    inner: Transport,
    header: HeaderValue,
}

impl tower::Service<http::Request<Body>> for WithToken {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Transport as tower::Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        request.headers_mut().insert(AUTHORIZATION, self.header.clone());
        self.inner.call(request)
    }
}
