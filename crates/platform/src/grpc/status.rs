//! The one mapping between our errors and `google.rpc.Status`, with `ErrorInfo`, `BadRequest` and `RetryInfo`, and with
//! `FieldReasons` of our own: a `BadRequest` as tonic-types has it tells of fields in English alone.

use std::collections::HashMap;
use std::time::Duration;

use clientele_contracts::platform::v1::{FieldReason, FieldReasons};
use clientele_kernel::{Code, Error, Violation};
use prost::{Message, Name};
use prost_types::Any;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "clientele";

/// How many bytes of details a status may have. They travel in a header, in base64, and a client of HTTP/2 takes 16 KiB of
/// headers.
const MOST_DETAILS: usize = 8 * 1024;

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
    let plain = Status::with_error_details(code_out(error.code), error.message, details);
    with_reasons(plain, &error.violations)
}

/// The status with the reasons of its fields, where there are any and they find room.
fn with_reasons(plain: Status, violations: &[Violation]) -> Status {
    if violations.iter().all(|violation| violation.reason.is_empty()) {
        return plain;
    }
    let reason = |violation: &Violation| FieldReason {
        reason: violation.reason.to_string(),
        metadata: violation.metadata.iter().cloned().collect(),
    };
    let reasons = FieldReasons { reasons: violations.iter().map(reason).collect() };
    let Ok(mut whole) = tonic_types::Status::decode(plain.details()) else { return plain };
    whole.details.push(Any { type_url: FieldReasons::type_url(), value: reasons.encode_to_vec() });
    if whole.encoded_len() > MOST_DETAILS {
        return plain;
    }
    Status::with_details(plain.code(), plain.message(), whole.encode_to_vec().into())
}

/// The reasons of the fields of a status, in their order; none where it has none.
fn reasons_of(status: &Status) -> Vec<FieldReason> {
    let whole = tonic_types::Status::decode(status.details()).unwrap_or_default();
    let of_ours =
        |any: &Any| (any.type_url == FieldReasons::type_url()).then(|| FieldReasons::decode(&*any.value).ok());
    whole.details.iter().find_map(of_ours).flatten().unwrap_or_default().reasons
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
        for (violation, told) in error.violations.iter_mut().zip(reasons_of(&status)) {
            violation.reason = told.reason.into();
            violation.metadata = told.metadata.into_iter().collect();
            violation.metadata.sort();
        }
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

/// An answer as it is, or in our words where tonic has refused the message before any method saw it.
pub(super) fn explained(response: axum::response::Response) -> axum::response::Response {
    let told = Status::from_header_map(response.headers()).filter(|status| status.details().is_empty());
    told.as_ref().and_then(unread).map_or(response, |error| status(error).into_http())
}

/// Why the next message of a stream that comes in cannot be had.
pub fn received(status: Status) -> Error {
    unread(&status).unwrap_or_else(|| error(status))
}

/// What tonic says of a message that is cut off, compressed or none at all. It calls this a fault of the server; it is the
/// sender's, and must not look like one of ours.
fn unread(told: &Status) -> Option<Error> {
    let (reason, what) = match told.code() {
        tonic::Code::Internal => ("MALFORMED_MESSAGE", "cannot be read"),
        tonic::Code::OutOfRange => ("MESSAGE_TOO_LARGE", "is too large"),
        _ => return None,
    };
    let why = clientele_kernel::error::shorten(told.message());
    Some(Error::invalid("message", format!("{what}: {why}")).with_reason(reason))
}

/// The code of an answer whose head is there: a refusal without a message is in it, success is not yet certain.
pub(super) fn code_of(headers: &http::HeaderMap) -> &'static str {
    code_name(Status::from_header_map(headers).map_or(tonic::Code::Ok, |status| status.code()))
}

/// The code as gRPC's documents spell it: a label of metrics.
fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn why_each_field_is_wrong_survives_the_way_there_and_back() {
        let violations = vec![
            Violation::new("name", "is strange"),
            Violation::new("phones[0].number", "`x` is no number").because("PHONE_INVALID").with("value", "x"),
        ];
        let first = status(Error::invalid_all(violations.clone()));
        assert_eq!(first.get_details_bad_request().unwrap().field_violations.len(), 2);
        assert_eq!(first.get_details_error_info().unwrap().reason, "INVALID_FIELD");
        assert_eq!(error(first).violations, violations);
    }

    #[test]
    fn reasons_that_find_no_room_in_a_header_are_left_out_and_the_words_remain() {
        let long =
            Violation::new("name", "is too long").because("VALUE_TOO_LONG").with("value", "x".repeat(MOST_DETAILS));
        let told = status(Error::invalid_all(vec![long]));
        assert!(told.details().len() < MOST_DETAILS);
        assert_eq!(error(told).violations, [Violation::new("name", "is too long")]);
    }

    #[test]
    fn a_message_that_cannot_be_read_is_its_senders_fault_and_ours_stay_ours() {
        let told = |status: Status| {
            let response = explained(status.into_http());
            let status = Status::from_header_map(response.headers()).unwrap();
            let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
            (status.code(), reason)
        };
        let (code, reason) = told(Status::internal("failed to decode Protobuf message: invalid wire type value: 7"));
        assert_eq!((code, reason.as_deref()), (tonic::Code::InvalidArgument, Some("MALFORMED_MESSAGE")));
        let (code, reason) = told(Status::out_of_range("decoded message length too large"));
        assert_eq!((code, reason.as_deref()), (tonic::Code::InvalidArgument, Some("MESSAGE_TOO_LARGE")));
        let (code, reason) = told(status(Error::internal("a disk is full")));
        assert_eq!((code, reason.as_deref()), (tonic::Code::Internal, Some("INTERNAL")));
        assert_eq!(told(Status::unimplemented("no such method")).0, tonic::Code::Unimplemented);
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let told = status(Error::internal("password of the database is hunter2"));
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_status_of_another_is_an_error_of_ours(
            code in 0..20_i32, message in any::<String>(), details in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let told = Status::with_details(tonic::Code::from(code), message, details.into());
            let kept = error(told);
            prop_assert!(!kept.reason.is_empty());
            let again = status(kept);
            prop_assert!(!again.get_error_details().error_info().unwrap().reason.is_empty());
        }
    }
}
