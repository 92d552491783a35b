//! The span of each request, its measure and its line in the log. Paths are in none of them, because they may hold what
//! is personal; the template of the route is.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use clientele_platform::telemetry::{self, Metrics};
use http::Method;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, UpDownCounter};
use tracing::Instrument;

use crate::request_id::RequestId;

/// The template of the route that a request took; an answer of the API brings it.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) String);

/// The instruments of the edge.
#[derive(Debug)]
pub(crate) struct Instruments {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let duration = metrics
            .meter()
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .with_description("time until the answer to a request from outside begins")
            .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .build();
        let active = metrics
            .meter()
            .i64_up_down_counter("http.server.active_requests")
            .with_unit("{request}")
            .with_description("requests from outside that are being answered")
            .build();
        Self { duration, active }
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
    let method = KeyValue::new("http.request.method", known(request.method()));
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let active = Active::new(&instruments, method.clone());
    let mut response = next.run(request).instrument(span.clone()).await;
    drop(active);
    let took = begun.elapsed();

    let status = response.status();
    let route = response.extensions_mut().remove::<Route>().map(|Route(template)| template);
    let route = route.or(matched).unwrap_or_else(|| "other".to_owned());
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
    let status = KeyValue::new("http.response.status_code", i64::from(status.as_u16()));
    let attributes = [method, KeyValue::new("http.route", route), status];
    instruments.duration.record(took.as_secs_f64(), &attributes);
    response
}

/// The method, as long as it is one that is known: anybody may send any word as one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// A request that is being answered, until dropped: its caller may go away before.
struct Active<'a> {
    instruments: &'a Instruments,
    method: [KeyValue; 1],
}

impl<'a> Active<'a> {
    fn new(instruments: &'a Instruments, method: KeyValue) -> Self {
        let method = [method];
        instruments.active.add(1, &method);
        Self { instruments, method }
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.instruments.active.add(-1, &self.method);
    }
}
