//! Server-sent events as bytes, and the answer that carries them.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

/// After so long a browser comes back when its stream has ended.
const RETRY: Duration = Duration::from_secs(2);

/// The beginning of a stream: when to come back, and where it begins.
pub(super) fn opening(id: Option<&str>) -> String {
    format!("retry: {}\n{}\n", RETRY.as_millis(), id_line(id))
}

/// An event. JSON has no line breaks of its own, so it is one line.
pub(super) fn event(id: Option<&str>, json: &str) -> String {
    format!("{}data: {json}\n\n", id_line(id))
}

/// A comment that keeps the connection alive. With an id it moves the place on where the stream would be resumed.
pub(super) fn heartbeat(id: Option<&str>) -> String {
    format!(":\n{}\n", id_line(id))
}

fn id_line(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!("id: {id}\n"))
}

/// The answer whose body these events are.
pub(super) fn response(events: impl Stream<Item = String> + Send + 'static) -> Response {
    let body = events.map(|text| Ok::<_, std::convert::Infallible>(Bytes::from(text)));
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies collect an answer before they hand it on, unless they are told otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
