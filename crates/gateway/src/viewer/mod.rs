//! A page that shows the OpenAPI document, with nothing from elsewhere and under the same strict policy as the client.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) async fn page() -> Response {
    answer(include_str!("api.html"), "text/html; charset=utf-8")
}

/// Its script.
pub(crate) async fn script() -> Response {
    answer(include_str!("api.js"), "text/javascript; charset=utf-8")
}

/// Its style.
pub(crate) async fn style() -> Response {
    answer(include_str!("api.css"), "text/css; charset=utf-8")
}

fn answer(content: &'static str, media_type: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, content).into_response()
}
