//! What can go wrong in customers, and how callers are told.

use chrono::{DateTime, Utc};
use clientele_kernel::{Code, CustomerId, Error as KernelError, Violation};
use clientele_platform::postgres;

/// A failure of customers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such customer.
    #[error("there is no customer {0}")]
    NotFound(CustomerId),
    /// There was no such customer at that moment.
    #[error("there was no customer {0} at {1}")]
    NotFoundThen(CustomerId, DateTime<Utc>),
    /// A reference belongs to another customer; the field that names it.
    #[error("a reference belongs to another customer: {0}")]
    ReferenceTaken(String),
    /// A list took longer than a statement may.
    #[error("the list took too long")]
    TooBroad(#[source] postgres::Error),
    /// The request is wrong.
    #[error(transparent)]
    Refused(#[from] KernelError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] postgres::Error),
}

impl Error {
    /// True where another transaction came in between, so that trying again from the start can work.
    pub(crate) fn is_race(&self) -> bool {
        match self {
            Self::ReferenceTaken(_) => true,
            // Serialization failure and deadlock.
            Self::Storage(postgres::Error::Sqlx(sqlx::Error::Database(error))) => {
                matches!(error.code().as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }

    /// The same, or [`Error::TooBroad`] where the statement of a list ran out of time.
    pub(crate) fn of_list(self) -> Self {
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
            // A race: the use case looks before it writes, and then names the very field.
            Some("reference_pkey") => Self::ReferenceTaken("customer.references".to_owned()),
            _ => Self::Storage(error.into()),
        }
    }
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(inner) => inner,
            Error::Storage(inner) => inner.into(),
            Error::NotFound(id) => Self::not_found("customer", id),
            Error::NotFoundThen(id, moment) => Self::new(
                Code::NotFound,
                "NOT_FOUND",
                format!("there was no customer `{id}` as of {}", moment.to_rfc3339()),
            ),
            Error::ReferenceTaken(field) => {
                let description = "belongs to another customer: a pair of source and external id names one customer";
                Self {
                    violations: vec![Violation::new(field.clone(), description)],
                    ..Self::already_exists("REFERENCE_TAKEN", format!("{field}: {description}"))
                }
            }
            Error::TooBroad(source) => Self::new(
                Code::DeadlineExceeded,
                "FILTER_TOO_BROAD",
                "the list took too long: narrow it by a filter, or search for three or more letters",
            )
            .with_source(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_reference_names_its_field() {
        let told = KernelError::from(Error::ReferenceTaken("customer.references[1]".to_owned()));
        assert_eq!((told.code, told.reason), (Code::AlreadyExists, "REFERENCE_TAKEN"));
        assert_eq!(told.violations[0].field, "customer.references[1]");
    }
}
