//! The web client: its files are embedded, its page gets a nonce for each answer.
//!
//! Files under `assets/` have a hash in their name and never change; all others are checked by their `ETag`. A path that
//! no file has is a place within the client when a browser opens it as a page, and not found otherwise.
//!
//! - [`encoding`]: which of the compressed forms is sent
//! - [`releases`]: files of the releases before and after this one

mod encoding;
mod releases;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use crate::api;
use crate::gateway::Gateway;
use crate::headers;
use encoding::Encoding;

pub(crate) use releases::Releases;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Files;

/// Files whose names hold a hash.
const ASSETS: &str = "assets/";
const INDEX: &str = "index.html";
/// The widget for pages of other sites.
const WIDGET: &str = "widget.js";
const NONCE_PLACEHOLDER: &str = "__CSP_NONCE__";
const UNBUILT: &str = include_str!("unbuilt.html");

/// Answers with a file of the client, or with its page.
pub(crate) async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return api::not_found(request.uri().path()).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    match Files::get(path).filter(|_| !path.is_empty() && path != INDEX) {
        Some(found) => file(path, found, request.headers()),
        None if path.starts_with(ASSETS) => match other_release(&gateway.releases, path, request.headers()).await {
            Some(response) => response,
            None => api::not_found(request.uri().path()).into_response(),
        },
        None if wants_page(path, request.headers()) => page(&gateway),
        None => api::not_found(request.uri().path()).into_response(),
    }
}

/// A browser that opens a page says so; a script that misses a file, or a program, does not want one in its stead.
fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html") && !path.starts_with(ASSETS)
}

fn page(gateway: &Gateway) -> Response {
    let mut bytes = [0; 16];
    gateway.entropy.fill(&mut bytes);
    let nonce = STANDARD.encode(bytes);
    let index = Files::get(INDEX).map(|index| index.data);
    let text = index.as_deref().map_or(Cow::Borrowed(UNBUILT), String::from_utf8_lossy);
    let mut response = Html(text.replace(NONCE_PLACEHOLDER, &nonce)).into_response();
    if index.is_none() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, headers::page_policy(&nonce));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn file(path: &str, plain: EmbeddedFile, request: &HeaderMap) -> Response {
    let encoded = encoding::preferred(accepted(request)).into_iter().find_map(|encoding| {
        Files::get(&format!("{path}.{}", encoding.extension())).map(|file| (Some(encoding), file))
    });
    let (encoding, file) = encoded.unwrap_or((None, plain));
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    send(path, encoding, &file.metadata.sha256_hash(), body, request)
}

/// A file that another release has.
async fn other_release(releases: &Releases, path: &str, request: &HeaderMap) -> Option<Response> {
    // A compressed form is asked for by the client's encodings, not by name.
    let plain = releases.find(path).await?;
    let mut found = (None, plain);
    for encoding in encoding::preferred(accepted(request)) {
        if let Some(encoded) = releases.find(&format!("{path}.{}", encoding.extension())).await {
            found = (Some(encoding), encoded);
            break;
        }
    }
    let (encoding, bytes) = found;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    Some(send(path, encoding, &hash, Body::from(bytes), request))
}

fn accepted(request: &HeaderMap) -> &str {
    request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn send(path: &str, encoding: Option<Encoding>, hash: &[u8; 32], body: Body, request: &HeaderMap) -> Response {
    let etag = format!("\"{}{}\"", hex::encode(&hash[..16]), encoding.map_or("", Encoding::extension));
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unchanged = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(body) };
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(etag).expect("quotes and hexadecimal digits are a header value"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    let lasting = match path {
        WIDGET => {
            // Pages of other sites load it by this name, and are to have a new one soon.
            headers.insert(headers::RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
            "public, max-age=300"
        }
        path if path.starts_with(ASSETS) => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(lasting));
    if !unchanged {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_and_headers_get_a_file_as_it_is_or_word_that_it_is_unchanged(
            path in "(assets/|\\.\\./|/|[a-z%]{0,5}){0,4}[a-z.%é]{0,9}\\.?(js|css|svg|x)?",
            names in prop::collection::vec((0..3_usize, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        ) {
            let mut request = HeaderMap::new();
            for (name, value) in names {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    request.append([ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH][name].clone(), value);
                }
            }
            let answer = file(&path, embedded(b"1"), &request);
            prop_assert!(matches!(answer.status(), StatusCode::OK | StatusCode::NOT_MODIFIED));
            let etag = answer.headers()[ETAG].clone();
            prop_assert!(answer.status() == StatusCode::OK || request.get(IF_NONE_MATCH).is_some());
            request.insert(IF_NONE_MATCH, etag);
            prop_assert_eq!(file(&path, embedded(b"1"), &request).status(), StatusCode::NOT_MODIFIED);
            prop_assert!(!(path.starts_with(ASSETS) && wants_page(&path, &request)));
        }
    }

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn embedded(content: &'static [u8]) -> EmbeddedFile {
        let metadata = rust_embed::Metadata::__rust_embed_new([7; 32], None, None);
        EmbeddedFile { data: Cow::Borrowed(content), metadata }
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_others_checked() {
        let none = HeaderMap::new();
        let hashed = file("assets/index-1.js", embedded(b"1"), &none);
        assert_eq!(hashed.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(hashed.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(file("icon.svg", embedded(b"1"), &none).headers()[CACHE_CONTROL], "no-cache");
        let widget = file("widget.js", embedded(b"1"), &none);
        assert_eq!(widget.headers()[CACHE_CONTROL], "public, max-age=300");
        assert_eq!(widget.headers()["cross-origin-resource-policy"], "cross-origin");
    }

    #[test]
    fn a_file_the_browser_has_is_not_sent_again() {
        let first = file("icon.svg", embedded(b"1"), &HeaderMap::new());
        let etag = first.headers()[ETAG].to_str().unwrap();
        let again = file("icon.svg", embedded(b"1"), &headers(IF_NONE_MATCH, &format!("\"x\", W/{etag}")));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn only_a_browser_that_opens_a_page_gets_the_client_for_an_unknown_path() {
        let browser = headers(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        assert!(wants_page("customers/7", &browser));
        assert!(!wants_page("assets/gone.js", &browser));
        assert!(!wants_page("customers/7", &headers(ACCEPT, "*/*")));
        assert!(!wants_page("customers/7", &HeaderMap::new()));
    }
}
