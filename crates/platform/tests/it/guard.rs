//! Who gets a place at a service that has few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use clientele_contracts::orders::v1::feed_client::FeedClient;
use clientele_contracts::orders::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::SystemClock;
use clientele_platform::grpc::{Guard, Verifier};
use clientele_platform::telemetry::Metrics;
use clientele_testkit::{Harness, eventually_within};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use crate::support::LONG;

/// A token of a key that nobody has, `{"alg":"EdDSA","kid":"none"}`.
const FORGED: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5vbmUifQ.e30.x";

struct Empty;

#[tonic::async_trait]
impl Feed for Empty {
    async fn read(&self, _: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        Ok(Response::new(ReadFeedResponse::default()))
    }
}

#[tokio::test]
async fn who_has_proven_nothing_takes_no_place_of_those_who_have() {
    let clock = Arc::new(SystemClock);
    let harness = Harness::new(clock.clone());
    let network = harness.host.network.clone();
    let verifier = Verifier::new(network.transport("identity"), clock);
    let guard = Guard::new(verifier, LONG, 1, Metrics::unread());
    network.serve("orders", guard.protect(Routes::new(FeedServer::new(Empty))));
    let mut known = FeedClient::new(harness.client("orders", &["orders.feed.read"]));
    known.read(ReadFeedRequest::default()).await.unwrap();

    // From here on identity says nothing, and who comes with a key that is not known waits for it.
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    network.serve(
        "identity",
        Routes::from(Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>()
        })),
    );
    let forgers: Vec<_> = (0..8)
        .map(|_| {
            let mut forger = FeedClient::new(harness.client_as("orders", FORGED));
            tokio::spawn(async move { forger.read(ReadFeedRequest::default()).await })
        })
        .collect();
    eventually_within(LONG, "a forged token being looked at", || async {
        (asked.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    known.read(ReadFeedRequest::default()).await.unwrap();
    for forger in forgers {
        forger.abort();
    }
    // With identity back, a forger is told what they are.
    network.serve("identity", harness.issuer.routes());
    let refused = FeedClient::new(harness.client_as("orders", FORGED)).read(ReadFeedRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
}
