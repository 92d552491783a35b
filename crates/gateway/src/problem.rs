//! Errors as HTTP tells them: RFC 9457 problem documents, made in this one place from errors of ours and from the
//! status of a gRPC call.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use clientele_kernel::{Code, Error, Violation};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use prost_reflect::MessageDescriptor;
use serde::Serialize;
use tonic_types::StatusExt;

use crate::request_id::RequestId;
use crate::rest;

/// A request that was refused or failed.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) retry_after: Option<Duration>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) description: String,
    pub(crate) reason: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'a str,
    request_id: &'a str,
    errors: &'a [FieldError],
    metadata: &'a BTreeMap<String, String>,
}

impl Problem {
    /// A problem of this status; `reason` is the stable name, `detail` says what would be right.
    pub(crate) fn new(status: StatusCode, reason: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// Whether a service did not take the token that the gateway brought.
    pub(crate) fn is_token_refused(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED && matches!(self.reason.as_str(), "UNAUTHENTICATED" | "TOKEN_EXPIRED")
    }

    /// The same, unless a service does not take a token that it must: that is no fault of the caller, who need not sign in
    /// again.
    pub(crate) fn or_later(self) -> Self {
        if self.is_token_refused() {
            Error::unavailable("identities cannot be proved at the moment").into()
        } else {
            self
        }
    }

    /// The same with paths of fields in JSON names, as clients of REST know them.
    pub(crate) fn in_json_names(mut self, request: &MessageDescriptor) -> Self {
        for error in &mut self.errors {
            let json = rest::json_path(request, &error.field);
            if json != error.field {
                if let Some(rest) = self.detail.strip_prefix(&error.field).filter(|rest| rest.starts_with(": ")) {
                    self.detail = format!("{json}{rest}");
                }
                error.field = json;
            }
        }
        self
    }

    fn write(&self, response: &mut Response, request_id: &str) {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: &self.reason,
            request_id,
            errors: &self.errors,
            metadata: &self.metadata,
        };
        let body = serde_json::to_vec(&document).expect("a struct of texts and numbers has a JSON form");
        *response.body_mut() = Body::from(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(delay) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(delay)));
        }
    }
}

/// Whole seconds, rounded up and at least one: whoever comes back after them is not too early.
fn seconds(delay: Duration) -> u64 {
    (delay.as_secs() + u64::from(delay.subsec_nanos() > 0)).max(1)
}

/// The status of HTTP for a code. A conflict of versions is 409 and told apart by its reason: 412 would promise the
/// `If-Match` header, where the version travels as `etag` in the body.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.code == Code::Internal {
            let cause = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::error!(reason = error.reason, cause, "a request failed by our own fault");
        }
        let field = |violation: Violation| FieldError {
            field: violation.field,
            description: violation.description,
            reason: violation.reason.into_owned(),
            metadata: violation.metadata.into_iter().collect(),
        };
        Self {
            status: http_status(error.code),
            reason: error.reason.to_owned(),
            detail: error.message,
            errors: error.violations.into_iter().map(field).collect(),
            metadata: error.metadata.into_iter().collect(),
            retry_after: error.retry_after.or((error.code == Code::Unavailable).then_some(Duration::from_secs(1))),
        }
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        let details = status.get_error_details();
        let told =
            details.error_info().map(|info| (info.reason.clone(), status.message().to_owned(), info.metadata.clone()));
        // The mapping of codes is the platform's; its reason stands in for services that give none.
        let mut problem = Self::from(clientele_platform::grpc::error(status));
        problem.metadata.remove("reason");
        if let Some((reason, message, metadata)) = told {
            problem.reason = reason;
            problem.metadata = metadata.into_iter().collect();
            // What a service of ours says with a reason is written for the caller, an outage included.
            problem.detail = message;
        }
        problem
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to [`render`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the document of a problem, wherever in the router it came from.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write(&mut response, id.as_ref().map_or("", RequestId::as_str));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_contracts::access::POOL;

    #[test]
    fn what_a_service_says_of_an_error_arrives_whole() {
        let error = Error::etag_mismatch("3", "4");
        let problem = Problem::from(clientele_platform::grpc::status(error));
        assert_eq!(problem.status, StatusCode::CONFLICT);
        assert_eq!(problem.reason, "ETAG_MISMATCH");
        assert_eq!(problem.metadata.get("current_etag").map(String::as_str), Some("4"));
        assert!(!problem.metadata.contains_key("reason"));
    }

    #[test]
    fn why_a_field_is_wrong_arrives_with_its_facts() {
        let wrong = Violation::new("email", "`x` is no address").because("EMAIL_INVALID").with("value", "x");
        let problem = Problem::from(clientele_platform::grpc::status(Error::from(wrong)));
        let told = serde_json::to_value(&problem.errors).unwrap();
        let expected = serde_json::json!([{
            "field": "email",
            "description": "`x` is no address",
            "reason": "EMAIL_INVALID",
            "metadata": { "value": "x" },
        }]);
        assert_eq!((problem.reason.as_str(), told), ("INVALID_FIELD", expected));
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let problem = Problem::from(tonic::Status::internal("thread panicked at secret.rs:7"));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!format!("{problem:?}").contains("secret.rs"), "{problem:?}");
    }

    #[test]
    fn fields_are_named_as_json_names_them() {
        let request = POOL.get_message_by_name("clientele.customers.v1.UpdateCustomerRequest").unwrap();
        let problem = Problem::from(Error::invalid("customer.phones[2].duplicate_count", "is set by the server"));
        let problem = problem.in_json_names(&request);
        assert_eq!(problem.errors[0].field, "customer.phones[2].duplicateCount");
        assert_eq!(problem.detail, "customer.phones[2].duplicateCount: is set by the server");
    }

    #[test]
    fn an_outage_says_when_to_try_again() {
        assert!(Problem::from(tonic::Status::unavailable("away")).retry_after.is_some());
        assert_eq!(seconds(Duration::from_millis(1500)), 2);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::ZERO), 1);
    }
}
