//! The public API, as a command uses it: signs in, makes itself a key of narrow scope, speaks in the messages of the
//! contracts, waits and tries again where that may help.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::BackoffBuilder;
use clientele_contracts::access::POOL;
use clientele_contracts::gateway::v1::{BrowserSession, SignInRequest};
use clientele_contracts::identity::v1::{ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, RevokeApiKeyRequest};
use clientele_kernel::{Clock, Code, Error, Violation};
use clientele_platform::{backoff, proto};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const DEADLINE: Duration = Duration::from_mins(1);
/// Longer than this the server is not waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the server is and who calls.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:7100")]
    server: reqwest::Url,
    /// File with the certificates (PEM) of the authorities that may have signed the server's; those of the system otherwise
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// File with an API key that may do what the command does; without one, `CLIENTELE_API_KEY` of the environment, or
    /// sign in by login and password
    #[arg(long)]
    api_key_file: Option<PathBuf>,
    /// Login
    #[arg(long, env = "CLIENTELE_LOGIN", default_value = "admin@localhost")]
    login: String,
    /// File with the password; without one, `CLIENTELE_PASSWORD` of the environment
    #[arg(long)]
    password_file: Option<PathBuf>,
}

impl Connection {
    /// Address of the server.
    pub(crate) fn address(&self) -> &str {
        self.server.as_str()
    }
}

/// A secret from a file or the environment. Never from an argument: arguments are seen by all users of a machine.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<SecretString>, Error> {
    let text = match file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Error::invalid("arguments", format!("cannot read {}: {error}", file.display())).with_source(error)
        })?),
        None => std::env::var(variable).ok(),
    };
    let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
}

fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, Error> {
    let wrong = |problem: String| Error::invalid("arguments", format!("cannot take {}: {problem}", file.display()));
    let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it (PEM: `-----BEGIN CERTIFICATE-----`)".to_owned()));
    }
    Ok(found)
}

/// A caller of the public API.
pub(crate) struct Client {
    http: reqwest::Client,
    server: reqwest::Url,
    key: SecretString,
    made: Option<Made>,
    origin: &'static str,
}

/// A key made for one run of a command.
struct Made {
    id: String,
    cookie: String,
    csrf: String,
}

impl Client {
    /// Connects with the key given, or signs in and makes one with these scopes that ends after a day.
    pub(crate) async fn connect(
        connection: &Connection,
        name: &str,
        scopes: &[&str],
        origin: &'static str,
        clock: &dyn Clock,
    ) -> Result<Self, Error> {
        let mut http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("clientele/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &connection.ca_file {
            http = http.tls_certs_only(authorities(file)?);
        }
        let http = http.build().map_err(Error::internal)?;
        let key = secret(connection.api_key_file.as_deref(), "CLIENTELE_API_KEY")?;
        let given = key.is_some();
        let mut client =
            Self { http, server: connection.server.clone(), key: key.unwrap_or_default(), made: None, origin };
        if !given {
            let password = secret(connection.password_file.as_deref(), "CLIENTELE_PASSWORD")?.ok_or_else(|| {
                Error::unauthenticated(
                    "give CLIENTELE_PASSWORD (and CLIENTELE_LOGIN), or CLIENTELE_API_KEY, in the environment",
                )
            })?;
            client.make_key(connection, &password, name, scopes, clock).await?;
        }
        Ok(client)
    }

    /// Revokes the key made for this run, if one was.
    pub(crate) async fn close(self) -> Result<(), Error> {
        let Some(made) = &self.made else { return Ok(()) };
        let path = format!("/v1/apiKeys/{}:revoke", made.id);
        let request = self.in_session(Method::POST, &path, &made.cookie, &made.csrf)?;
        let body = json(&RevokeApiKeyRequest::default())?;
        read::<ApiKey>(request.json(&body).send().await.map_err(lost)?).await?;
        let end = self.in_session(Method::DELETE, "/v1/session", &made.cookie, &made.csrf)?;
        end.send().await.map_err(lost)?;
        Ok(())
    }

    async fn make_key(
        &mut self,
        connection: &Connection,
        password: &SecretString,
        name: &str,
        scopes: &[&str],
        clock: &dyn Clock,
    ) -> Result<(), Error> {
        let sign_in = SignInRequest { login: connection.login.clone(), password: password.expose_secret().to_owned() };
        let answer = self.http.post(self.url("/v1/session")?).json(&json(&sign_in)?).send().await.map_err(lost)?;
        let cookie = answer
            .headers()
            .get(reqwest::header::SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .to_owned();
        let session: BrowserSession = read(answer).await?;
        let request = CreateApiKeyRequest {
            name: name.to_owned(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            expires_at: Some(proto::timestamp(clock.now() + chrono::TimeDelta::days(1))),
        };
        let post = self.in_session(Method::POST, "/v1/apiKeys", &cookie, &session.csrf_token)?;
        let made: CreateApiKeyResponse = read(post.json(&json(&request)?).send().await.map_err(lost)?).await?;
        self.key = made.secret.into();
        self.made = Some(Made { id: made.api_key.unwrap_or_default().id, cookie, csrf: session.csrf_token });
        Ok(())
    }

    fn in_session(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        csrf: &str,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let origin = self.server.origin().ascii_serialization();
        Ok(self
            .http
            .request(method, self.url(path)?)
            .header(reqwest::header::COOKIE, cookie)
            .header(reqwest::header::ORIGIN, origin)
            .header("x-csrf-token", csrf))
    }

    /// Sends a command. The key makes its repetition harmless, so it is repeated while the server is away or busy.
    pub(crate) async fn post<Q, A>(&self, path: &str, request: &Q, idempotency_key: &str) -> Result<A, Error>
    where
        Q: Message + Name,
        A: Message + Name + Default,
    {
        let url = self.url(path)?;
        let body = serde_json::to_vec(&json(request)?).map_err(Error::internal)?;
        self.patiently(|| {
            self.http
                .post(url.clone())
                .bearer_auth(self.key.expose_secret())
                .header("idempotency-key", idempotency_key)
                .header("x-clientele-origin", self.origin)
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone())
        })
        .await
    }

    /// Asks a question.
    pub(crate) async fn get<A: Message + Name + Default>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<A, Error> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.patiently(|| self.http.get(url.clone()).bearer_auth(self.key.expose_secret())).await
    }

    fn url(&self, path: &str) -> Result<reqwest::Url, Error> {
        self.server.join(path).map_err(|error| Error::invalid("server", error.to_string()))
    }

    async fn patiently<A: Message + Name + Default>(
        &self,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<A, Error> {
        let mut delays = backoff::pauses(Duration::from_millis(100), Duration::from_secs(10))
            .with_total_delay(Some(PATIENCE))
            .build();
        loop {
            let outcome = match request().send().await {
                Ok(answer) => read(answer).await,
                Err(error) => Err(lost(error)),
            };
            match outcome {
                Err(error) if error.is_transient() && error.code != Code::Aborted => match delays.next() {
                    Some(delay) => tokio::time::sleep(delay.max(error.retry_after.unwrap_or_default())).await,
                    None => return Err(error),
                },
                other => return other,
            }
        }
    }
}

/// A message in its canonical JSON form.
fn json<M: Message + Name>(message: &M) -> Result<DynamicMessage, Error> {
    let descriptor = POOL
        .get_message_by_name(&M::full_name())
        .ok_or_else(|| Error::internal("a message is not in the contracts"))?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).map_err(Error::internal)?;
    Ok(dynamic)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    title: String,
    errors: Vec<ProblemField>,
}

#[derive(Deserialize)]
struct ProblemField {
    field: String,
    description: String,
}

async fn read<A: Message + Name + Default>(answer: Response) -> Result<A, Error> {
    let status = answer.status();
    let retry_after = answer
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let body = answer.bytes().await.map_err(lost)?;
    if !status.is_success() {
        return Err(Error { retry_after, ..refused(status, &body) });
    }
    let descriptor = POOL
        .get_message_by_name(&A::full_name())
        .ok_or_else(|| Error::internal("a message is not in the contracts"))?;
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let dynamic = DynamicMessage::deserialize(descriptor, &mut reader).map_err(|error| {
        Error::unavailable("the server answered with something that is not of its contract: is the address right?")
            .with_source(error)
    })?;
    dynamic.transcode_to().map_err(Error::internal)
}

fn refused(status: StatusCode, body: &[u8]) -> Error {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let text = if problem.detail.is_empty() { problem.title } else { problem.detail };
    let message = if text.is_empty() { format!("the server answered {status}") } else { text };
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::AlreadyExists,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    };
    let violations = problem.errors.into_iter().map(|e| Violation::new(e.field, e.description)).collect();
    Error { violations, ..Error::new(code, "REFUSED", message) }
}

fn lost(error: reqwest::Error) -> Error {
    Error::unavailable("the server cannot be reached").with_source(error)
}
