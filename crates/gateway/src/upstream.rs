//! The ways to the services, measured.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use clientele_platform::grpc::{Network, Transport};
use clientele_platform::telemetry::Metrics;
use tonic::body::Body;
use tower::Service;

/// The ways to the services. Calls carry what [`crate::call::Call`] puts into them and nothing of the gateway's own: it
/// acts in nobody's name but the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    network: Network,
    metrics: Metrics,
}

impl Upstream {
    pub(crate) fn new(network: Network, metrics: Metrics) -> Self {
        Self { network, metrics }
    }

    /// The way to a service.
    pub(crate) fn to(&self, service: &str) -> Transport {
        Transport::new(Measured { inner: self.network.transport(service), metrics: self.metrics.clone() })
    }
}

#[derive(Clone)]
struct Measured {
    inner: Transport,
    metrics: Metrics,
}

type Answer = Result<http::Response<Body>, tonic::transport::Error>;

impl Service<http::Request<Body>> for Measured {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let metrics = self.metrics.clone();
        let begun = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            metrics.called(&path, outcome(&answer), begun.elapsed());
            answer
        })
    }
}

/// What is known when the head of the answer is there: a refusal without a message is in it, success is not yet certain.
fn outcome(answer: &Answer) -> &'static str {
    let Ok(answer) = answer else { return "UNREACHABLE" };
    match tonic::Status::from_header_map(answer.headers()).map(|status| status.code()) {
        None | Some(tonic::Code::Ok) => "OK",
        Some(tonic::Code::InvalidArgument) => "INVALID_ARGUMENT",
        Some(tonic::Code::NotFound) => "NOT_FOUND",
        Some(tonic::Code::AlreadyExists) => "ALREADY_EXISTS",
        Some(tonic::Code::PermissionDenied) => "PERMISSION_DENIED",
        Some(tonic::Code::Unauthenticated) => "UNAUTHENTICATED",
        Some(tonic::Code::ResourceExhausted) => "RESOURCE_EXHAUSTED",
        Some(tonic::Code::FailedPrecondition) => "FAILED_PRECONDITION",
        Some(tonic::Code::Aborted) => "ABORTED",
        Some(tonic::Code::Unavailable) => "UNAVAILABLE",
        Some(tonic::Code::DeadlineExceeded) => "DEADLINE_EXCEEDED",
        Some(_) => "INTERNAL",
    }
}
