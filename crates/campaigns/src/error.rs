//! What can go wrong in campaigns, and how callers are told.

use clientele_kernel::{Code, Error as KernelError, SegmentId, Violation};
use clientele_platform::postgres;

use crate::domain::segment::MOST_ACTIVE;

/// A failure of campaigns. It becomes the kernel's error at the border.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such segment.
    #[error("there is no segment {0}")]
    NotFound(SegmentId),
    /// Another segment has the name.
    #[error("the name of a segment is taken")]
    NameTaken,
    /// As many segments as may be are in use.
    #[error("too many segments are in use")]
    TooMany,
    /// Counting took longer than it may.
    #[error("counting took too long")]
    TooBroad(#[source] postgres::Error),
    /// The request or the event is wrong, and says how.
    #[error(transparent)]
    Refused(#[from] Box<KernelError>),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] postgres::Error),
}

impl Error {
    /// The same, or [`Error::TooBroad`] where the statement ran out of time.
    pub(crate) fn of_count(self) -> Self {
        match self {
            Self::Storage(error) if error.is_statement_timeout() => Self::TooBroad(error),
            other => other,
        }
    }
}

/// Constraint names and what they mean to a caller; whatever else a statement violates is a fault of ours.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match postgres::constraint(&error) {
            Some("segment_name_key") => Self::NameTaken,
            _ => Self::Storage(error.into()),
        }
    }
}

impl From<KernelError> for Error {
    fn from(error: KernelError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(inner) => *inner,
            Error::Storage(inner) => inner.into(),
            Error::NotFound(id) => Self::not_found("segment", id),
            Error::NameTaken => {
                let (field, description) = ("segment.name", "belongs to another segment: choose another name");
                let violation = Violation::new(field, description);
                let error = Self::already_exists("NAME_TAKEN", format!("{field}: {description}"));
                Self { violations: vec![violation], ..error }
            }
            Error::TooMany => Self::failed_precondition(
                "TOO_MANY_SEGMENTS",
                format!("{MOST_ACTIVE} segments are in use, the most there may be: put one away first"),
            ),
            Error::TooBroad(source) => Self::new(
                Code::DeadlineExceeded,
                "RULE_TOO_BROAD",
                "counting took too long: ask for one currency, take out conditions, or put fewer of them under any and not",
            )
            .with_source(source),
        }
    }
}
