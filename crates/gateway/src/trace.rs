//! The span of each request, its measure and its line in the log. Paths are in none of them, because they may hold what
//! is personal; the method of the contract is.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use clientele_platform::telemetry;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tracing::Instrument;

use crate::request_id::RequestId;

/// The gRPC path of the method that a request stands for; an answer of the API brings it.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) String);

/// The instruments of the edge.
#[derive(Debug)]
pub(crate) struct Instruments {
    duration: Histogram<f64>,
}

impl Instruments {
    pub(crate) fn new() -> Self {
        let duration = global::meter("clientele")
            .f64_histogram("http.server.duration")
            .with_unit("s")
            .with_description("time to answer a request from outside")
            .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .build();
        Self { duration }
    }
}

/// Follows a request from its first to its last.
pub(crate) async fn follow(State(instruments): State<Arc<Instruments>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        http.method = %request.method(),
        http.route = tracing::field::Empty,
        http.status = tracing::field::Empty,
        request_id = id,
    );
    telemetry::extract(&span, request.headers());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = begun.elapsed();

    let status = response.status();
    let route = response.extensions_mut().remove::<Route>().map_or_else(|| "other".to_owned(), |Route(path)| path);
    span.record("http.status", status.as_u16());
    span.record("http.route", route.as_str());
    let duration_ms = took.as_millis();
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(duration_ms, "a request was not served");
        } else {
            tracing::debug!(duration_ms, "a request was answered");
        }
    });
    let attributes = [KeyValue::new("http.route", route), KeyValue::new("http.status", i64::from(status.as_u16()))];
    instruments.duration.record(took.as_secs_f64(), &attributes);
    response
}
