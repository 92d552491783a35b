//! A client of the REST API, as a program or a browser would be one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// A client with what it proves itself by. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    /// The certificate of the authority that the server's comes from, if it has one.
    authority: Option<PathBuf>,
    proof: Proof,
}

#[derive(Debug, Clone)]
enum Proof {
    Nothing,
    /// The session cookie is in the jar; this is the token that goes with it.
    Session(String),
    Key(String),
}

/// What speaks HTTP, with a jar for cookies.
pub(crate) fn http(authority: Option<&Path>) -> reqwest::Client {
    let mut client = reqwest::Client::builder().cookie_store(true).timeout(PATIENCE);
    if let Some(authority) = authority {
        let pem = std::fs::read(authority).expect("the authority's certificate is there");
        client = client.tls_certs_only([reqwest::Certificate::from_pem(&pem).expect("it is a certificate")]);
    }
    client.build().expect("a client can be made")
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self::trusting(base, None)
    }

    /// A client that believes this authority.
    pub(crate) fn trusting(base: &str, authority: Option<PathBuf>) -> Self {
        Self { http: http(authority.as_deref()), base: base.to_owned(), authority, proof: Proof::Nothing }
    }

    /// Signs in and keeps the session.
    pub(crate) async fn sign_in(self, login: &str, password: &str) -> Self {
        let session = self.post("/v1/session", &json!({"login": login, "password": password})).await.ok();
        let token = session["csrfToken"].as_str().expect("a session has a CSRF token").to_owned();
        Self { proof: Proof::Session(token), ..self }
    }

    /// A program with an API key for these scopes, made by this client.
    pub(crate) async fn program(&self, scopes: &[&str]) -> Self {
        let made = self.post("/v1/apiKeys", &json!({"name": "a program of the tests", "scopes": scopes})).await.ok();
        self.with_key(made["secret"].as_str().expect("a new key has a secret"))
    }

    /// The same address with a key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { proof: Proof::Key(key.to_owned()), ..Self::trusting(&self.base, self.authority.clone()) }
    }

    /// The same client at another address, with the connections it has.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same session without the token that proves a page of ours.
    pub(crate) fn without_csrf_token(&self) -> Self {
        Self { proof: Proof::Nothing, ..self.clone() }
    }

    /// The key, where it is a program.
    pub(crate) fn key(&self) -> Option<&str> {
        match &self.proof {
            Proof::Key(key) => Some(key),
            _ => None,
        }
    }

    /// Host and port of the house.
    pub(crate) fn address(&self) -> &str {
        self.base.split_once("://").map_or(self.base.as_str(), |(_, address)| address)
    }

    /// A request to be completed and sent by [`Client::send`].
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.proof {
            Proof::Nothing => request,
            Proof::Session(token) => request.header("x-csrf-token", token),
            Proof::Key(key) => request.bearer_auth(key),
        }
    }

    /// Sends a request; an error when the connection does not last until the answer is whole.
    pub(crate) async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Everything a paged method lists under `field`, page by page.
    pub(crate) async fn all(&self, path: &str, field: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut page = format!("{path}{}pageSize=200", if path.contains('?') { '&' } else { '?' });
            if !token.is_empty() {
                let _ = write!(page, "&pageToken={}", escaped(&token));
            }
            let page = self.get(&page).await.ok();
            found.extend(page[field].as_array().unwrap_or_else(|| panic!("no {field} in {page}")).iter().cloned());
            page["nextPageToken"].as_str().expect("a page has a token").clone_into(&mut token);
            if token.is_empty() {
                return found;
            }
        }
    }
}

impl Answer {
    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}", self.told());
        self.json()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    /// Asserts that it is a problem document of this status and reason, and gives it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, reason: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.told());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.told());
        let problem = self.json();
        assert_eq!(problem["reason"], reason, "{}", self.told());
        assert_eq!(problem["status"], status, "{}", self.told());
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.told());
        problem
    }

    /// The fields that a problem names.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().expect("an error names a field").to_owned()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn told(&self) -> String {
        format!("{}: {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A value as part of a query or path.
pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
