//! Why a file cannot be read as rows.

use std::io;

/// Why a file cannot be read as rows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a file of rows at all, or one of a kind that has to be converted first: a name of that for programs, and
    /// in words.
    #[error("{1}")]
    NotATable(&'static str, String),
    /// It is larger, once unpacked, than is taken.
    #[error("the file has more than {0} bytes once it is unpacked")]
    TooLarge(u64),
    /// It could not be read.
    #[error("the file cannot be read: {0}")]
    Io(#[source] io::Error),
}

impl Error {
    /// Its stable name, for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotATable(reason, _) => reason,
            Self::TooLarge(_) => "FILE_UNPACKS_TOO_LARGE",
            Self::Io(_) => "FILE_UNREADABLE",
        }
    }
}

/// An error of ours on its way through [`io::Read`], which carries its own kind only.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Carried(pub(crate) Error);

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let is_packed_wrong = matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        match error.downcast::<Carried>() {
            Ok(Carried(own)) => own,
            // What flate2 says of a stream that ends early or is damaged.
            Err(error) if is_packed_wrong || error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::NotATable("FILE_DAMAGED", "the file is packed by gzip, and damaged or cut short".to_owned())
            }
            Err(error) => Self::Io(error),
        }
    }
}
