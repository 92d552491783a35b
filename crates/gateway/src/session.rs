//! Sessions of browsers: sign-in, the present session, sign-out (`clientele.gateway.v1.BrowserSessions`).

use clientele_contracts::gateway::v1::{BrowserSession, SignInRequest, SignOutResponse};
use clientele_contracts::identity::v1::sessions_client::SessionsClient;
use clientele_contracts::identity::v1::{CreateSessionRequest, DeleteSessionRequest};
use clientele_kernel::Error;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method};
use prost_types::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::address::Client;
use crate::auth::{Credential, Principal, Proof, credential, csrf};
use crate::call::Call;
use crate::gateway::Gateway;
use crate::problem::Problem;

/// What identity keeps of what the browser calls itself.
const LONGEST_USER_AGENT: usize = 300;

/// The circumstances of a request about a session.
pub(crate) struct Visit<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) client: &'a Client,
    pub(crate) call: &'a Call,
}

/// An answer with the cookie that goes with it.
pub(crate) type WithCookie<T> = (T, Option<HeaderValue>);

/// Signs in. An older session of the same browser is ended: nothing would ever use it again.
pub(crate) async fn sign_in(
    gateway: &Gateway,
    visit: &Visit<'_>,
    request: SignInRequest,
) -> Result<WithCookie<BrowserSession>, Problem> {
    csrf::check(visit.method, visit.headers, visit.client, None)?;
    let user_agent = visit.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let request = visit.call.request(CreateSessionRequest {
        login: request.login,
        password: request.password,
        client_address: visit.client.address.to_string(),
        user_agent: user_agent.chars().take(LONGEST_USER_AGENT).collect(),
    });
    let mut identity = SessionsClient::new(gateway.upstream.to("identity"));
    let created = visit.call.within(identity.create_session(request)).await.map_err(Problem::from)?.into_inner();

    let credential = Credential { proof: Proof::Session, secret: created.session_secret.into() };
    let principal = gateway.tokens.exchange(&credential, visit.call).await?;
    if let Some(old) = Credential::session(visit.headers, visit.client.secure)
        && let Err(problem) = end(gateway, &old, visit.call).await
    {
        tracing::warn!(
            reason = problem.reason,
            "the browser's older session could not be ended; it runs out by itself"
        );
    }
    let cookie = credential::cookie(credential.secret.expose_secret(), visit.client.secure);
    Ok((session(&principal, &credential.secret, created.expires_at), Some(header(&cookie)?)))
}

/// The session of the cookie.
pub(crate) async fn present(gateway: &Gateway, visit: &Visit<'_>) -> Result<WithCookie<BrowserSession>, Problem> {
    let credential = Credential::session(visit.headers, visit.client.secure)
        .ok_or_else(|| Error::unauthenticated("there is no session: sign in"))?;
    let principal = gateway.tokens.exchange(&credential, visit.call).await?;
    Ok((session(&principal, &credential.secret, None), None))
}

/// Signs out. Without a session there is nothing to end, and that is what was wanted.
pub(crate) async fn sign_out(gateway: &Gateway, visit: &Visit<'_>) -> Result<WithCookie<SignOutResponse>, Problem> {
    let removed = header(&credential::removed_cookie(visit.client.secure))?;
    if let Some(credential) = Credential::session(visit.headers, visit.client.secure) {
        csrf::check(visit.method, visit.headers, visit.client, Some(&credential.secret))?;
        end(gateway, &credential, visit.call).await?;
    }
    Ok((SignOutResponse {}, Some(removed)))
}

async fn end(gateway: &Gateway, credential: &Credential, call: &Call) -> Result<(), Problem> {
    gateway.tokens.forget(credential).await;
    let request = call.request(DeleteSessionRequest { session_secret: credential.secret.expose_secret().to_owned() });
    let mut identity = SessionsClient::new(gateway.upstream.to("identity"));
    call.within(identity.delete_session(request)).await.map_err(Problem::from)?;
    Ok(())
}

fn session(principal: &Principal, secret: &SecretString, expires_at: Option<Timestamp>) -> BrowserSession {
    BrowserSession {
        user_id: principal.id.clone(),
        display_name: principal.display_name.clone(),
        csrf_token: csrf::token(secret),
        permissions: principal.permissions.clone(),
        expires_at,
    }
}

fn header(cookie: &str) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::from_str(cookie)
        .map_err(|error| Error::internal(format!("identity gave a secret that is no cookie: {error}")))?;
    value.set_sensitive(true);
    Ok(value)
}
