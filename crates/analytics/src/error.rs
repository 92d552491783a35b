//! What can go wrong in analytics.

use clientele_kernel::Error as KernelError;
use clientele_platform::postgres;

/// A failure of analytics. It becomes the kernel's error at the border.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] postgres::Error),
    /// A request or an event is at fault, and says how.
    #[error(transparent)]
    Refused(#[from] Box<KernelError>),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
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
            Error::Storage(inner) => inner.into(),
            Error::Refused(inner) => *inner,
        }
    }
}
