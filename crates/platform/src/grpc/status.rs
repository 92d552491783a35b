//! The one mapping between our errors and `google.rpc.Status`, with `ErrorInfo`, `BadRequest` and `RetryInfo`.

use std::collections::HashMap;
use std::time::Duration;

use clientele_kernel::{Code, Error, Violation};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "clientele";

/// An error as a status. A fault of ours is logged here, once, with its cause; the caller is told no more than that.
pub fn status(error: impl Into<Error>) -> Status {
    let error = error.into();
    match error.code {
        Code::Internal => {
            tracing::error!(reason = error.reason, cause = %cause(&error), "a request failed by our own fault");
        }
        Code::Unavailable | Code::DeadlineExceeded => {
            tracing::warn!(reason = error.reason, cause = %cause(&error), "a request could not be served");
        }
        _ => tracing::debug!(reason = error.reason, "a request was refused"),
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(error.reason, DOMAIN, error.metadata.iter().cloned().collect::<HashMap<_, _>>());
    for violation in &error.violations {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    if let Some(delay) = error.retry_after {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code_out(error.code), error.message, details)
}

/// A status from another service as an error of ours, with its details.
pub fn error(status: Status) -> Error {
    let details = status.get_error_details();
    let code = code_in(status.code());
    let mut error = match code {
        Code::Internal => Error::internal(format!("another service answered {:?}", status.code())),
        Code::Unavailable => Error::unavailable("a service that is needed cannot be reached at the moment"),
        code => Error::new(code, reason_of(code), status.message()),
    };
    if let Some(info) = details.error_info() {
        error.metadata = info.metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        error.metadata.push(("reason".to_owned(), info.reason.clone()));
    }
    if let Some(request) = details.bad_request() {
        let violation = |v: &tonic_types::FieldViolation| Violation::new(v.field.clone(), v.description.clone());
        error.violations = request.field_violations.iter().map(violation).collect();
    }
    if let Some(retry) = details.retry_info() {
        error.retry_after = retry.retry_delay.or(Some(Duration::from_secs(1)));
    }
    error.with_source(status)
}

fn cause(error: &Error) -> String {
    let mut text = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push(source.to_string());
        next = source.source();
    }
    text.join(": ")
}

fn code_out(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::AlreadyExists => tonic::Code::AlreadyExists,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::Aborted => tonic::Code::Aborted,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Internal => tonic::Code::Internal,
    }
}

fn code_in(code: tonic::Code) -> Code {
    match code {
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Code::InvalidArgument,
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::AlreadyExists => Code::AlreadyExists,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::Aborted => Code::Aborted,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::Unauthenticated => Code::Unauthenticated,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        // A connection that breaks in mid-call shows as cancelled or unknown; either may be tried again.
        tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::Unknown => Code::Unavailable,
        tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
        tonic::Code::Ok | tonic::Code::Internal | tonic::Code::Unimplemented | tonic::Code::DataLoss => Code::Internal,
    }
}

fn reason_of(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_FIELD",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_reason_and_delay_survive_the_way_there_and_back() {
        let first = Error { retry_after: Some(Duration::from_secs(7)), ..Error::invalid("name", "is empty") };
        let back = error(status(first));
        assert_eq!(back.code, Code::InvalidArgument);
        assert_eq!(back.violations, [Violation::new("name", "is empty")]);
        assert_eq!(back.retry_after, Some(Duration::from_secs(7)));
        assert!(back.metadata.contains(&("reason".into(), "INVALID_FIELD".into())));
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let told = status(Error::internal("password of the database is hunter2"));
        assert!(!format!("{told:?}").contains("hunter2"));
    }
}
