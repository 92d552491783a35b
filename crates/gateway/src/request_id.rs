//! The id of a request: taken from `X-Request-Id` where a proxy has given one, else made here, and sent back.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use clientele_kernel::Entropy;
use http::{HeaderName, HeaderValue};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives every request its id, for the log and for the answer.
pub(crate) async fn assign(State(entropy): State<Arc<dyn Entropy>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_plain(id));
    let id = RequestId(given.map_or_else(|| fresh(entropy.as_ref()), str::to_owned).into());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// An id ends up in logs, so only one of plain characters is taken over.
fn is_plain(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn fresh(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_stranger_is_taken_over_only_when_it_is_harmless() {
        assert!(is_plain("01890a5d-ac96-774b-bcce-b302099a8057"));
        for hostile in ["", "a b", "a\"b", "a\u{1b}[31m", &"x".repeat(129)] {
            assert!(!is_plain(hostile), "{hostile}");
        }
    }
}
