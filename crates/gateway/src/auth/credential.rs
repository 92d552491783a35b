//! The proof that a request brings.

use clientele_contracts::identity::v1::issue_token_request;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// The cookie where the browser speaks HTTPS: the prefix makes browsers refuse it from any other host or path.
const SECURE_COOKIE: &str = "__Host-clientele";
/// The cookie over plain HTTP, where browsers refuse the prefix.
const PLAIN_COOKIE: &str = "clientele_session";

/// How the secrets of sessions begin.
const SESSION_PREFIX: &str = "cls_";

/// No secret of ours is longer; a longer one is not worth a call.
const LONGEST_SECRET: usize = 512;

/// The proof that a request brings, not yet checked.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) proof: Proof,
    pub(crate) secret: SecretString,
}

/// What sort of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A browser's session cookie.
    Session,
    /// A program's API key.
    ApiKey,
}

impl Credential {
    /// The proof in a request's headers: an `Authorization` header goes before a cookie, because whoever sends one means
    /// it.
    pub(crate) fn of(headers: &HeaderMap, secure: bool) -> Result<Option<Self>, Problem> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            // The secret of a session belongs in its cookie, where no script can read it and requests are checked for it.
            let fits = |key: &&str| (1..=LONGEST_SECRET).contains(&key.len()) && !key.starts_with(SESSION_PREFIX);
            return match value.to_str().ok().and_then(bearer).filter(fits) {
                Some(key) => Ok(Some(Self { proof: Proof::ApiKey, secret: key.into() })),
                None => Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "UNAUTHENTICATED",
                    "the header `Authorization` is not understood: `Bearer` and an API key are wanted",
                )),
            };
        }
        Ok(Self::session(headers, secure))
    }

    /// The session cookie alone.
    pub(crate) fn session(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let name = cookie_name(secure);
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, secret)| *key == name && (1..=LONGEST_SECRET).contains(&secret.len()))
            .map(|(_, secret)| Self { proof: Proof::Session, secret: secret.into() })
    }

    /// A name for the secret that does not give it away.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(self.secret.expose_secret()).into()
    }

    /// The proof as identity wants it.
    pub(crate) fn to_proof(&self) -> issue_token_request::Proof {
        let secret = self.secret.expose_secret().to_owned();
        match self.proof {
            Proof::Session => issue_token_request::Proof::SessionSecret(secret),
            Proof::ApiKey => issue_token_request::Proof::ApiKey(secret),
        }
    }
}

/// SHA-256 of a secret.
pub(crate) type Fingerprint = [u8; 32];

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// The `Set-Cookie` that begins a session. It lasts as long as the browser keeps its session; identity ends it earlier
/// when it is not used. `Strict` suffices: pages need no cookie, and their own requests are same-site.
pub(crate) fn cookie(secret: &str, secure: bool) -> String {
    let secure_flag = if secure { "; Secure" } else { "" };
    format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure_flag}", cookie_name(secure))
}

/// The `Set-Cookie` that removes the cookie.
pub(crate) fn removed_cookie(secure: bool) -> String {
    format!("{}; Max-Age=0", cookie("", secure))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_key_is_taken_before_a_cookie() {
        let stolen = headers(&[("authorization", "Bearer cls_1")]);
        assert_eq!(Credential::of(&stolen, false).unwrap_err().status, StatusCode::UNAUTHORIZED);
        let both = headers(&[("authorization", "bearer clk_1"), ("cookie", "clientele_session=cls_1")]);
        let credential = Credential::of(&both, false).unwrap().unwrap();
        assert_eq!((credential.proof, credential.secret.expose_secret()), (Proof::ApiKey, "clk_1"));
    }

    #[test]
    fn the_cookie_of_the_other_scheme_is_not_taken() {
        let plain = headers(&[("cookie", "a=b; clientele_session=cls_1; c=d")]);
        assert!(Credential::of(&plain, true).unwrap().is_none());
        assert_eq!(Credential::of(&plain, false).unwrap().unwrap().proof, Proof::Session);
        let host = headers(&[("cookie", "__Host-clientele=cls_2")]);
        assert_eq!(Credential::of(&host, true).unwrap().unwrap().secret.expose_secret(), "cls_2");
    }

    #[test]
    fn an_authorization_that_is_no_bearer_is_refused_rather_than_ignored() {
        for value in ["Basic YTpi", "Bearer", "Bearer ", ""] {
            assert!(Credential::of(&headers(&[("authorization", value)]), false).is_err(), "{value}");
        }
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let credential = Credential { proof: Proof::ApiKey, secret: "clk_hidden".into() };
        assert!(!format!("{credential:?}").contains("hidden"));
    }

    #[test]
    fn cookies_are_out_of_reach_for_scripts_and_other_sites() {
        assert_eq!(cookie("cls_1", true), "__Host-clientele=cls_1; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(removed_cookie(false), "clientele_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }

    proptest! {
        #[test]
        fn any_header_is_a_proof_of_some_length_or_none(
            authorization in prop::collection::vec(any::<u8>(), 0..40), scheme in "[bB]earer|Basic|", cookies in "[a-z_=; \"cls0-9]{0,60}", secure: bool,
        ) {
            let mut map = HeaderMap::new();
            let given = [scheme.as_bytes(), b" ", &authorization].concat();
            if let Ok(value) = http::HeaderValue::from_bytes(&given) {
                map.insert(AUTHORIZATION, value);
            }
            map.append(COOKIE, cookies.parse().unwrap());
            if let Ok(Some(credential)) = Credential::of(&map, secure) {
                let secret = credential.secret.expose_secret();
                prop_assert!((1..=LONGEST_SECRET).contains(&secret.len()));
                prop_assert!(credential.proof == Proof::Session || !secret.starts_with(SESSION_PREFIX));
            }
        }

        #[test]
        fn a_session_is_read_out_of_the_cookie_that_was_set(secret in "[A-Za-z0-9_-]{1,100}", before in "[a-z]{1,5}=[a-z]{0,5}; ", secure: bool) {
            let set = cookie(&secret, secure);
            let pair = set.split(';').next().unwrap();
            let sent = headers(&[("cookie", &format!("{before}{pair}; z=1"))]);
            let read = Credential::session(&sent, secure).unwrap();
            prop_assert_eq!(read.secret.expose_secret(), secret.as_str());
        }
    }
}
