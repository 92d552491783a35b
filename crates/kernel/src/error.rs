//! The one error that crosses layers. A context has its own error type and turns it into this one at its border;
//! transports map the small set of codes once.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What sort of failure it is. Each transport maps it in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is wrong whatever the state.
    InvalidArgument,
    /// What was asked for does not exist.
    NotFound,
    /// What was to be made exists already.
    AlreadyExists,
    /// The request is right, but not in the present state.
    FailedPrecondition,
    /// Somebody else changed it meanwhile: read again and repeat.
    Aborted,
    /// The caller is known and may not.
    PermissionDenied,
    /// The caller is not known.
    Unauthenticated,
    /// A limit is used up; later may work.
    ResourceExhausted,
    /// Something needed is away; later may work.
    Unavailable,
    /// It took too long.
    DeadlineExceeded,
    /// A fault of ours.
    Internal,
}

/// One field of a request and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violation {
    /// Path of the field, for instance `customer.phones[2].number`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
    /// Stable `UPPER_SNAKE` name of what is wrong, for programs that say it in words of their own; empty where it has none.
    pub reason: Cow<'static, str>,
    /// The facts that belong to the reason, for instance the value that was refused.
    pub metadata: Vec<(String, String)>,
}

impl Violation {
    /// What is wrong with a field, in words.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into(), ..Self::default() }
    }

    /// The same with a name for programs.
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Cow::Borrowed(reason);
        self
    }

    /// The same with one more fact for programs.
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.push((key.to_owned(), value.to_string()));
        self
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::invalid_all(vec![violation])
    }
}

/// A failure, as it may be told to the caller. `source` is for the log alone.
#[derive(Debug)]
pub struct Error {
    /// What sort of failure.
    pub code: Code,
    /// Stable `UPPER_SNAKE` name of the reason, for programs.
    pub reason: &'static str,
    /// What happened, for people: lower case, no full stop, nothing internal.
    pub message: String,
    /// The fields at fault.
    pub violations: Vec<Violation>,
    /// Further facts for programs, for instance the present etag.
    pub metadata: Vec<(String, String)>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
    /// The cause, logged at the boundary and never sent.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this code and reason.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            violations: Vec::new(),
            metadata: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// One field is wrong.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Violation::new(field, description).into()
    }

    /// Several fields are wrong.
    pub fn invalid_all(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [] => "the request is not valid".to_owned(),
            [one] => format!("{}: {}", one.field, one.description),
            [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.description, rest.len()),
        };
        Self { violations, ..Self::new(Code::InvalidArgument, "INVALID_FIELD", message) }
    }

    /// There is no such record.
    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, "NOT_FOUND", format!("there is no {what} `{}`", shorten(&id.to_string())))
    }

    /// There is such a record already.
    pub fn already_exists(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::AlreadyExists, reason, message)
    }

    /// The record changed since the caller read it; `current` is its present etag.
    pub fn etag_mismatch(given: impl fmt::Display, current: impl fmt::Display) -> Self {
        Self::new(
            Code::Aborted,
            "ETAG_MISMATCH",
            format!("somebody changed this meanwhile: etag `{given}` is no longer the present one, `{current}` is"),
        )
        .with_metadata("current_etag", current.to_string())
    }

    /// The present state does not allow it.
    pub fn failed_precondition(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, reason, message)
    }

    /// The caller may not.
    pub fn permission_denied(message: impl Into<String>) -> Self {
        Self::new(Code::PermissionDenied, "PERMISSION_DENIED", message)
    }

    /// The caller is not known.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, "UNAUTHENTICATED", message)
    }

    /// A limit is used up; it may be tried again after `retry_after`.
    pub fn exhausted(reason: &'static str, message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::ResourceExhausted, reason, message) }
    }

    /// Something needed is away.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(Code::Unavailable, "UNAVAILABLE", message) }
    }

    /// A fault of ours; the caller is told no more than that.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(Code::Internal, "INTERNAL", "something went wrong on our side; it has been logged")
        }
    }

    /// The same with another reason.
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// The same with one more fact for programs.
    pub fn with_metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.push((key.to_owned(), value.into()));
        self
    }

    /// The same with its cause, for the log.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with every field's path put under `path`: `number` within `phones[2]` becomes `phones[2].number`.
    pub fn within(mut self, path: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = format!("{path}.{}", violation.field);
        }
        if self.code == Code::InvalidArgument && !self.violations.is_empty() {
            self.message = Self::invalid_all(self.violations.clone()).message;
        }
        self
    }

    /// True where trying again later, unchanged, may work.
    pub fn is_transient(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Collects what is wrong with a request, so that the caller learns of every field at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

/// How many violations are kept: enough to mend a request, bounded for hostile ones.
const MOST_VIOLATIONS: usize = 100;

impl Violations {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a violation.
    pub fn push(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.note(Violation::new(field, description));
    }

    /// Notes a violation that has a name for programs.
    pub fn note(&mut self, violation: Violation) {
        if self.0.len() < MOST_VIOLATIONS {
            self.0.push(violation);
        }
    }

    /// Notes a violation that has a name for programs, unless the condition holds.
    pub fn require(&mut self, holds: bool, violation: impl FnOnce() -> Violation) {
        if !holds {
            self.note(violation());
        }
    }

    /// Notes a violation unless the condition holds.
    pub fn check(&mut self, holds: bool, field: &str, description: impl FnOnce() -> String) {
        if !holds {
            self.push(field, description());
        }
    }

    /// Notes a violation unless the value lies within the bounds.
    pub fn bounds<T: PartialOrd + fmt::Display>(&mut self, value: T, bounds: RangeInclusive<T>, field: &str) {
        self.check(bounds.contains(&value), field, || {
            format!("`{value}` is out of bounds: {} to {} is wanted", bounds.start(), bounds.end())
        });
    }

    /// Notes a violation unless the time lies within the bounds.
    pub fn time_bounds(&mut self, value: Duration, bounds: RangeInclusive<Duration>, field: &str) {
        self.check(bounds.contains(&value), field, || {
            let [value, least, most] = [value, *bounds.start(), *bounds.end()].map(|time| time.as_secs_f64());
            format!("{value} s is out of bounds: {least} s to {most} s is wanted")
        });
    }

    /// Takes the value, or notes what is wrong with it. An error that is about no field is noted under `field`.
    pub fn take<T>(&mut self, field: &str, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if error.violations.is_empty() => {
                self.push(field, error.message);
                None
            }
            Err(error) => {
                for violation in error.violations {
                    self.note(violation);
                }
                None
            }
        }
    }

    /// Takes the value, or notes what is wrong with it and goes on with an empty one.
    pub fn or_default<T: Default>(&mut self, result: Result<T, Error>) -> T {
        self.take("", result).unwrap_or_default()
    }

    /// Takes over what is wrong with a part, under the part's path.
    pub fn within(&mut self, path: &str, inner: Violations) {
        for violation in inner.0 {
            self.note(Violation { field: format!("{path}.{}", violation.field), ..violation });
        }
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong.
    pub fn into_inner(self) -> Vec<Violation> {
        self.0
    }

    /// An error when something is wrong.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid_all(self.0)) }
    }
}

/// The start of a value, for use in a message: a hostile one must not fill the log.
pub fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut short: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_s_violations_are_told_under_its_path() {
        let error = Error::invalid("number", "is empty").within("phones[2]");
        assert_eq!(error.violations[0].field, "phones[2].number");
        assert_eq!(error.message, "phones[2].number: is empty");
    }

    #[test]
    fn a_part_s_violations_keep_their_reason_and_its_facts() {
        let mut inner = Violations::new();
        inner.require(false, || {
            Violation::new("number", "`x` is no number").because("NUMBER_INVALID").with("value", "x")
        });
        let mut outer = Violations::new();
        outer.within("phones[2]", inner);
        let error: Result<(), _> = outer.into_result();
        let mut again = Violations::new();
        again.take("phones", error);
        let told = again.into_inner();
        assert_eq!((told[0].field.as_str(), &*told[0].reason), ("phones[2].number", "NUMBER_INVALID"));
        assert_eq!(told[0].metadata, [("value".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn the_number_of_violations_is_bounded() {
        let mut violations = Violations::new();
        for i in 0..10_000 {
            violations.push(format!("f{i}"), "wrong");
        }
        assert_eq!(violations.into_inner().len(), MOST_VIOLATIONS);
    }

    #[test]
    fn what_is_out_of_bounds_is_told_with_them() {
        let mut violations = Violations::new();
        violations.bounds(64, 1..=64, "threads");
        violations.bounds(65, 1..=64, "threads");
        violations.time_bounds(Duration::ZERO, Duration::from_millis(10)..=Duration::from_mins(1), "deadline");
        let error = violations.into_result().unwrap_err();
        let told: Vec<_> = error.violations.iter().map(|v| (v.field.as_str(), v.description.as_str())).collect();
        assert_eq!(
            told,
            [
                ("threads", "`65` is out of bounds: 1 to 64 is wanted"),
                ("deadline", "0 s is out of bounds: 0.01 s to 60 s is wanted"),
            ]
        );
    }

    #[test]
    fn a_value_in_a_message_is_short_and_printable() {
        assert_eq!(shorten("a\u{0}b"), "a\u{fffd}b");
        assert_eq!(shorten(&"x".repeat(1000)).chars().count(), 81);
    }

    proptest! {
        #[test]
        fn what_is_quoted_of_a_value_is_one_short_line(text in any::<String>(), times in 1..200_usize) {
            let short = shorten(&text.repeat(times));
            prop_assert!(short.chars().count() <= 81 && !short.chars().any(char::is_control), "{:?}", short);
        }
    }
}
