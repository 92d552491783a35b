//! Everything under `/v1`: finds the method, proves the caller, counts them, and has the method answered by its service
//! or by the gateway itself.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use clientele_contracts::access::Access;
use clientele_contracts::gateway::v1 as own;
use clientele_kernel::{Error, Origin};
use clientele_platform::grpc::Transport;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode, header, request};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use tokio::time::Instant;

use crate::address::Client;
use crate::auth::{Credential, Proof, csrf};
use crate::call::Call;
use crate::card;
use crate::gateway::Gateway;
use crate::limits::Allowance;
use crate::live::Listener;
use crate::problem::Problem;
use crate::rest::{self, Binding, Body as BodyRule, DynamicCodec, Form, Found};
use crate::session::{self, Visit};
use crate::trace::Route;
use crate::transfer::Transfers;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ORIGIN: &str = "x-clientele-origin";
const INTEGRATION: &str = "x-clientele-integration";
/// The field of requests that tells the page they come from.
const PAGE_ORIGIN: &str = "page_origin";
/// Largest body of somebody who has proved nothing: what is open to all is short, and many may send at once.
const LARGEST_OF_STRANGERS: usize = 128 * 1024;
const START_VISIT: &str = "/clientele.messaging.v1.Visitors/StartVisit";
const LONGEST_INTEGRATION: usize = 100;

/// A body beyond this size takes long enough to read that others would wait for it.
const LARGE: usize = 64 * 1024;

/// The methods the gateway answers itself.
pub(crate) const OWN_METHODS: [&str; 6] = [
    "clientele.gateway.v1.BrowserSessions.GetSession",
    "clientele.gateway.v1.BrowserSessions.SignIn",
    "clientele.gateway.v1.BrowserSessions.SignOut",
    "clientele.gateway.v1.Cards.GetCard",
    "clientele.gateway.v1.Streams.Listen",
    "clientele.gateway.v1.VisitorStreams.ListenAsVisitor",
];

/// Answers a request to the API.
pub(crate) async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (mut route, mut allowance) = (None, None);
    let mut response = match Box::pin(gateway.answer(&parts, body, &mut route, &mut allowance)).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

impl Gateway {
    async fn answer(
        self: &Arc<Self>,
        parts: &request::Parts,
        body: Body,
        route: &mut Option<Route>,
        allowance: &mut Option<Allowance>,
    ) -> Result<Response, Problem> {
        let (binding, variables) = match self.table.find(&parts.method, parts.uri.path()) {
            Found::Binding(binding, variables) => (binding, variables),
            Found::OtherMethods(methods) => {
                return Ok(other_methods(&methods.into_iter().collect::<Vec<_>>().join(", ")));
            }
            Found::Nothing => return Err(not_found(parts.uri.path())),
        };
        *route = Some(Route(binding.template.route()));
        let client = self.proxies.client(&parts.extensions, &parts.uri, &parts.headers);
        let mut call = Call {
            principal: None,
            origin: Origin::Unspecified,
            integration: None,
            deadline: Instant::now() + self.request_deadline,
        };
        let credential = self.admit(&binding, parts, &client, &mut call, allowance).await?;

        let begin = || parts.extensions.get::<Transfers>().map(Transfers::begin);
        if binding.form == Form::Upload {
            let _running = begin();
            let first = understand(binding.clone(), variables, parts, Bytes::new()).await?;
            let answer = self.upload(&binding, &call, first, &parts.headers, body).await?;
            return json(&answer, None);
        }
        let body = self.read(&binding, &parts.headers, body).await?;
        let message = understand(binding.clone(), variables, parts, body).await?;
        let answer = async |call: Call, message: DynamicMessage| {
            if binding.is_own() {
                let visit = Visit { method: &parts.method, headers: &parts.headers, client: &client, call: &call };
                return Box::pin(self.answer_self(&binding, &visit, credential.clone(), message)).await;
            }
            match binding.form {
                Form::Download => self.download(&binding, &call, message, begin()).await,
                _ => json(&self.ask(&binding, &call, message).await?, None),
            }
        };
        match (answer(call.clone(), message.clone()).await, &credential, &call.principal) {
            (Err(problem), Some(credential), Some(principal)) if problem.is_token_refused() => {
                // Its key was revoked. It was refused at the door, so nothing is done twice.
                self.tokens.refused(credential, principal).await;
                let principal = Some(self.tokens.exchange(credential, &call).await?);
                let again = answer(Call { principal, ..call }, message).await;
                // What the gateway refuses by itself is not refused for its token.
                if binding.is_own() { again } else { again.map_err(Problem::or_later) }
            }
            (answer, ..) => answer,
        }
    }

    /// Proves the caller and counts the request; gives the proof. What is open to all needs no proof, and is counted by address.
    async fn admit(
        &self,
        binding: &Binding,
        parts: &request::Parts,
        client: &Client,
        call: &mut Call,
        allowance: &mut Option<Allowance>,
    ) -> Result<Option<Credential>, Problem> {
        let credential = match binding.access() {
            Some(Access::Public) => None,
            _ => Credential::of(&parts.headers, client.secure)?,
        };
        let known = match &credential {
            Some(credential) => self.tokens.known(credential).await,
            None => None,
        };
        // A credential nobody has seen yet is counted by address: trying out keys must not be cheap.
        let (left, counted) = match &known {
            Some(principal) => self.limits.principal(&principal.id),
            None => self.limits.address(client.address),
        };
        *allowance = Some(left);
        counted?;
        if binding.grpc_path() == START_VISIT {
            let (left, counted) = self.limits.visit(client.address);
            *allowance = Some(left);
            counted?;
        }

        let Some(credential) = credential else {
            return match binding.access() {
                Some(Access::Public) => Ok(None),
                _ => Err(Error::unauthenticated("sign in, or send an API key as `Authorization: Bearer …`").into()),
            };
        };
        if credential.proof == Proof::Session {
            csrf::check(&parts.method, &parts.headers, client, Some(&credential.secret))?;
        }
        call.origin = origin(credential.proof, &parts.headers)?;
        call.integration = integration(credential.proof, &parts.headers)?;
        call.principal = Some(self.tokens.exchange(&credential, call).await?);
        Ok(Some(credential))
    }

    async fn read(&self, binding: &Binding, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        if matches!(binding.body, BodyRule::None) {
            return Ok(Bytes::new());
        }
        let limit = match binding.access() {
            Some(Access::Public) => self.config.max_body_bytes.min(LARGEST_OF_STRANGERS),
            _ => self.config.max_body_bytes,
        };
        let body = axum::body::to_bytes(body, limit).await.map_err(|error| {
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(cause) = source {
                if cause.is::<http_body_util::LengthLimitError>() {
                    return too_large(limit as u64);
                }
                source = cause.source();
            }
            incomplete()
        })?;
        if !body.is_empty() && !is_json(headers) {
            let detail = "the body is not declared as JSON: `Content-Type: application/json` is wanted";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "NOT_JSON", detail));
        }
        Ok(body)
    }

    /// Has a service answer.
    async fn ask(&self, binding: &Binding, call: &Call, message: DynamicMessage) -> Result<DynamicMessage, Problem> {
        let request_type = binding.method.input();
        let codec = DynamicCodec { answer: binding.method.output() };
        let (mut service, path) = self.service(binding)?;
        let answer = call.within(async {
            service.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
            service.unary(call.request(message), path, codec).await
        });
        let answer = answer.await.map_err(|status| Problem::from(status).in_json_names(&request_type))?;
        Ok(answer.into_inner())
    }

    /// The way to a method's service, and the method's path there.
    pub(crate) fn service(&self, binding: &Binding) -> Result<(tonic::client::Grpc<Transport>, PathAndQuery), Problem> {
        let path = PathAndQuery::try_from(binding.grpc_path()).map_err(Error::internal)?;
        let service = tonic::client::Grpc::new(self.upstream.to(&binding.context()))
            .max_decoding_message_size(self.config.max_answer_bytes)
            .max_encoding_message_size(usize::MAX);
        Ok((service, path))
    }

    /// Answers what is the gateway's own.
    async fn answer_self(
        self: &Arc<Self>,
        binding: &Binding,
        visit: &Visit<'_>,
        credential: Option<Credential>,
        message: DynamicMessage,
    ) -> Result<Response, Problem> {
        let output = binding.method.output();
        match binding.method.full_name() {
            "clientele.gateway.v1.BrowserSessions.SignIn" => {
                let (session, cookie) = session::sign_in(self, visit, typed::<own::SignInRequest>(&message)?).await?;
                json(&dynamic(&output, &session)?, cookie)
            }
            "clientele.gateway.v1.BrowserSessions.GetSession" => {
                let (session, cookie) = session::present(self, visit).await?;
                json(&dynamic(&output, &session)?, cookie)
            }
            "clientele.gateway.v1.BrowserSessions.SignOut" => {
                let (ended, cookie) = session::sign_out(self, visit).await?;
                json(&dynamic(&output, &ended)?, cookie)
            }
            "clientele.gateway.v1.Cards.GetCard" => {
                let request = typed::<own::GetCardRequest>(&message)?;
                let card = Box::pin(card::card(self, visit.call, &request.customer_id)).await?;
                json(&dynamic(&output, &card)?, None)
            }
            "clientele.gateway.v1.Streams.Listen" => {
                let (Some(credential), Some(principal)) = (credential, visit.call.principal.clone()) else {
                    return Err(Error::unauthenticated("sign in to follow what changes").into());
                };
                let listener = Listener { credential, principal, call: visit.call.clone() };
                self.listen(listener, &typed::<own::ListenRequest>(&message)?, visit.headers, output)
            }
            "clientele.gateway.v1.VisitorStreams.ListenAsVisitor" => {
                let request = typed::<own::ListenAsVisitorRequest>(&message)?;
                let origin = page_origin(visit.headers)?.to_owned();
                self.listen_as_visitor(request, origin, visit.client, visit.call, output).await
            }
            other => Err(Error::internal(format!("{other} is in the contracts and not in the gateway")).into()),
        }
    }
}

/// Puts the message together; a large body away from the threads that serve everybody.
async fn understand(
    binding: Arc<Binding>,
    variables: Vec<String>,
    parts: &request::Parts,
    body: Bytes,
) -> Result<DynamicMessage, Problem> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let key = text(&parts.headers, IDEMPOTENCY_KEY)?.map(str::to_owned);
    let origin = page_origin(&parts.headers)?.to_owned();
    let large = body.len() > LARGE;
    let work = move || {
        let parts = rest::Parts { variables: &variables, query: &query, body: &body, idempotency_key: key.as_deref() };
        let mut message = rest::message(&binding, &parts)?;
        // Which page a visitor is on, the browser says and not the page.
        if let Some(field) = message.descriptor().get_field_by_name(PAGE_ORIGIN) {
            message.set_field(&field, Value::String(origin));
        }
        Ok::<_, Error>(message)
    };
    let message = if large { tokio::task::spawn_blocking(work).await.map_err(Error::internal)? } else { work() };
    Ok(message?)
}

/// The origin of the page that sent a request; empty where there is none.
fn page_origin(headers: &HeaderMap) -> Result<&str, Problem> {
    Ok(text(headers, header::ORIGIN.as_str())?.unwrap_or_default())
}

fn typed<T: Message + Default>(message: &DynamicMessage) -> Result<T, Problem> {
    message.transcode_to().map_err(|error| Error::internal(error).into())
}

/// The message in the form that JSON is printed from.
pub(crate) fn dynamic(descriptor: &MessageDescriptor, message: &impl Message) -> Result<DynamicMessage, Problem> {
    DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())
        .map_err(|error| Error::internal(error).into())
}

fn json(message: &DynamicMessage, cookie: Option<HeaderValue>) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(rest::print(message)?));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie {
        headers.insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where the request comes from. Only a program may say so itself: what a browser sends is a person's doing.
fn origin(proof: Proof, headers: &HeaderMap) -> Result<Origin, Problem> {
    match (proof, text(headers, ORIGIN)?) {
        (Proof::Session, _) => Ok(Origin::Web),
        (Proof::ApiKey, None | Some("" | "api")) => Ok(Origin::Api),
        (Proof::ApiKey, Some("import")) => Ok(Origin::Import),
        (Proof::ApiKey, Some(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "INVALID_HEADER",
            "the header `X-Clientele-Origin` is neither `api` nor `import`",
        )),
    }
}

fn integration(proof: Proof, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    if proof == Proof::Session {
        return Ok(None);
    }
    match text(headers, INTEGRATION)? {
        Some(label) if label.len() > LONGEST_INTEGRATION => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "INVALID_HEADER",
            format!("the header `X-Clientele-Integration` is longer than {LONGEST_INTEGRATION} characters"),
        )),
        _ => Ok(headers.get(INTEGRATION).cloned()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        let detail = format!("the header `{name}` holds more than plain characters");
        Problem::new(StatusCode::BAD_REQUEST, "INVALID_HEADER", detail)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn other_methods(allowed: &str) -> Response {
    let detail = format!("this path exists for {allowed} only");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail).into_response();
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The answer to a body that is larger than it may be.
pub(crate) fn too_large(limit: u64) -> Problem {
    let detail = format!("the body is larger than {limit} bytes; send it in parts");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail)
}

/// The answer to a body that broke off.
pub(crate) fn incomplete() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", "the body ended before it was whole")
}

/// The answer to a path that leads nowhere.
pub(crate) fn not_found(path: &str) -> Problem {
    let path = clientele_kernel::error::shorten(path);
    Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", format!("there is nothing at `{path}`; see /v1/openapi.json"))
}
