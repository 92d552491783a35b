//! What can go wrong with PostgreSQL, sorted by what a caller can do about it.

use clientele_kernel::{Code, Error as KernelError};

use crate::telemetry::lines::TIMEOUTS;

/// A failure of storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database said no, or could not be reached.
    #[error("database: {0}")]
    Sqlx(#[from] sqlx::Error),
    /// A statement touched another number of rows than it must.
    #[error("a statement touched {actual} rows instead of {expected}")]
    Rows {
        /// How many it must touch.
        expected: u64,
        /// How many it did.
        actual: u64,
    },
    /// A row holds what no row can hold.
    #[error("corrupt row in {table}: {detail}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A sealed payload does not open.
    #[error("a sealed value does not open: {0}")]
    Seal(&'static str),
    /// It is sealed under a master key that this replica does not know.
    #[error("it is sealed under the master key `{0}`, which is not configured here")]
    UnknownMasterKey(String),
    /// The master keys of the configuration cannot be used.
    #[error("{0}")]
    MasterKey(String),
    /// Another replica has taken over the work of this one.
    #[error("the lease on {0} was lost")]
    LeaseLost(String),
    /// The command itself is at fault.
    #[error(transparent)]
    Refused(Box<KernelError>),
}

/// `query_canceled`: what a statement ends with that takes too long.
const STATEMENT_TIMEOUT: &str = "57014";

impl Error {
    /// A corrupt row.
    pub fn corrupt(table: &'static str, detail: impl Into<String>) -> Self {
        Self::Corrupt { table, detail: detail.into() }
    }

    /// True where a statement took longer than one may.
    pub fn is_statement_timeout(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.code().as_deref() == Some(STATEMENT_TIMEOUT))
    }
}

impl Error {
    /// True where the role may not do this.
    pub fn is_insufficient_privilege(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501"))
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
            Error::Sqlx(inner) => from_sqlx(inner),
            // Another replica may know it, and this one will when its configuration is mended: nothing is lost.
            Error::UnknownMasterKey(_) => KernelError::new(
                Code::Unavailable,
                "MASTER_KEY_UNKNOWN",
                "a key that this takes is not configured at the moment",
            )
            .with_source(error),
            Error::MasterKey(_) => {
                KernelError::unavailable("the service does not work at the moment").with_source(error)
            }
            Error::LeaseLost(_) => KernelError::unavailable("the work has moved to another replica").with_source(error),
            other => KernelError::internal(other),
        }
    }
}

fn from_sqlx(error: sqlx::Error) -> KernelError {
    let code = match &error {
        sqlx::Error::Database(inner) => inner.code().map(std::borrow::Cow::into_owned),
        sqlx::Error::PoolTimedOut => {
            // Counted where it is listened to: see `telemetry::lines`.
            tracing::trace!(target: TIMEOUTS, "no connection to the database became free in time");
            return KernelError::unavailable("the database cannot be reached at the moment").with_source(error);
        }
        sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
            return KernelError::unavailable("the database cannot be reached at the moment").with_source(error);
        }
        _ => None,
    };
    match code.as_deref() {
        Some(STATEMENT_TIMEOUT) => KernelError::new(
            Code::DeadlineExceeded,
            "STATEMENT_TIMEOUT",
            "this took too long: ask for less at once, or try again later",
        )
        .with_source(error),
        // Serialization failure, deadlock, lock timeout; a server that has become a standby; a transaction that was idle for
        // too long; the connection was lost, the server is short of something (disk, memory, connections), shuts down,
        // starts up or cannot read or write: none of it is a fault of the request or event.
        Some(code)
            if matches!(code, "40001" | "40P01" | "55P03" | "25006" | "25P03")
                || ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) =>
        {
            KernelError::unavailable("the database is busy or restarting").with_source(error)
        }
        // What PostgreSQL cannot store at all, such as a NUL in a text.
        Some("22021") => {
            KernelError::new(Code::InvalidArgument, "INVALID_TEXT", "a text holds characters that cannot be stored")
                .with_source(error)
        }
        _ => KernelError::internal(error),
    }
}

/// Name of the constraint a statement violated, if that is what happened.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(inner) => inner.constraint(),
        _ => None,
    }
}

/// Fails unless exactly one row was touched.
pub fn assert_one(rows_affected: u64) -> Result<(), Error> {
    assert_rows(rows_affected, 1)
}

/// Fails unless a statement touched as many rows as were given to it.
pub fn assert_rows(rows_affected: u64, expected: usize) -> Result<(), Error> {
    let expected = expected as u64;
    if rows_affected == expected { Ok(()) } else { Err(Error::Rows { expected, actual: rows_affected }) }
}
