//! Protection against requests that another site makes a browser send with our cookie.
//!
//! Three lines of defence: the cookie is `SameSite=Strict`; the browser's own word on where a request comes from
//! (`Sec-Fetch-Site`, `Origin`) must not speak against it; and the request carries a token that only a page of ours can
//! have read. The token is an HMAC under the session's secret, so that nothing need be stored and it ends with the
//! session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::ORIGIN;
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::address::Client;
use crate::problem::Problem;

const HEADER: &str = "x-csrf-token";
const PURPOSE: &[u8] = b"clientele csrf token v1";

/// The token of a session.
pub(crate) fn token(session: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(keyed(session).finalize().into_bytes())
}

/// Checks that a request which changes something was sent by a page of ours. `session` is the secret of its cookie;
/// `None` where it has none yet, so that only the browser's word is checked.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    client: &Client,
    session: Option<&SecretString>,
) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(refused("this request was sent by the page of another site"));
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        let same = authority.zip(client.host.as_deref()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
        if !same {
            return Err(refused("this request was sent by the page of another host"));
        }
    }
    let Some(session) = session else { return Ok(()) };
    let given = headers.get(HEADER).and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
    match given {
        Some(given) if keyed(session).verify_slice(&given).is_ok() => Ok(()),
        Some(_) => Err(refused("the header `X-CSRF-Token` is not the token of this session")),
        None => Err(refused("the header `X-CSRF-Token` is missing: the session's token is wanted (GET /v1/session)")),
    }
}

fn keyed(session: &SecretString) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(session.expose_secret().as_bytes()).expect("a key of any length fits HMAC");
    mac.update(PURPOSE);
    mac
}

fn refused(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "CSRF_REFUSED", why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn admitted(pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let client = Client {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            host: Some("crm.example:8080".to_owned()),
        };
        check(&Method::POST, &headers, &client, Some(&"cls_1".into())).is_ok()
    }

    #[test]
    fn only_the_session_s_own_token_is_taken() {
        assert!(admitted(&[("x-csrf-token", &token(&"cls_1".into()))]));
        assert!(!admitted(&[("x-csrf-token", &token(&"cls_2".into()))]));
        assert!(!admitted(&[("x-csrf-token", "")]));
        assert!(!admitted(&[("x-csrf-token", "%%%")]));
        assert!(!admitted(&[]));
    }

    #[test]
    fn a_page_of_another_origin_is_refused_even_with_the_token() {
        let right = token(&"cls_1".into());
        for (name, value, good) in [
            ("origin", "http://crm.example:8080", true),
            ("origin", "https://CRM.example:8080", true),
            ("origin", "http://crm.example:9999", false),
            ("origin", "http://evil.example", false),
            ("origin", "null", false),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
        ] {
            assert_eq!(admitted(&[("x-csrf-token", &right), (name, value)]), good, "{name}: {value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_but_the_session_s_token_lets_a_request_in(
            given in prop::collection::vec(any::<u8>(), 0..60), origin in "(https?://)?(crm\\.example(:8080)?|.{0,12})", site in "(same|cross)-(origin|site)|none|[a-z]{0,5}",
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in [(HEADER, given.as_slice()), ("origin", origin.as_bytes()), ("sec-fetch-site", site.as_bytes())] {
                if let Ok(value) = http::HeaderValue::from_bytes(value) {
                    headers.append(http::HeaderName::from_static(name), value);
                }
            }
            let host = Some("crm.example:8080".to_owned());
            let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false, host };
            let refused = check(&Method::POST, &headers, &client, Some(&"cls_1".into())).unwrap_err();
            prop_assert_eq!(refused.status, StatusCode::FORBIDDEN);
        }
    }

    #[test]
    fn reading_needs_no_token() {
        let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false, host: None };
        assert!(check(&Method::GET, &HeaderMap::new(), &client, Some(&"cls_1".into())).is_ok());
    }
}
