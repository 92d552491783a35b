//! What can be wrong with a configuration, said so that whoever wrote it can mend it.

use figment::error::{Actual, Kind};
use figment::value::Dict;

use super::environment;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A source is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// The source.
        origin: String,
        /// What the parser says.
        message: String,
    },
    /// A key does not exist.
    #[error("{origin} sets `{key}`, which does not exist; {known}")]
    UnknownKey {
        /// The source.
        origin: String,
        /// Path of the key.
        key: String,
        /// What exists in its place.
        known: String,
    },
    /// A key has a value it cannot have.
    #[error("{origin} sets `{key}` to what it cannot be: {message}")]
    Value {
        /// The source.
        origin: String,
        /// Path of the key.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A key is given both as itself and as a file.
    #[error("both `{key}` and `{file_key}` are set; keep one of them")]
    SetTwice {
        /// Path of the key.
        key: String,
        /// Path of its sister.
        file_key: String,
    },
}

impl Error {
    pub(super) fn file(path: &str, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn syntax(origin: &str, error: &figment::Error) -> Self {
        Self::Syntax { origin: origin.to_owned(), message: error.kind.to_string().trim().to_owned() }
    }

    pub(super) fn unknown(origin: &str, key: &str, known: &Dict, above: &str) -> Self {
        let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if above.is_empty() {
            format!("the sections are {names}")
        } else {
            format!("section `{above}` has {names}")
        };
        Self::UnknownKey { origin: origin.to_owned(), key: key.to_owned(), known }
    }

    pub(super) fn not_a_section(origin: &str, key: &str) -> Self {
        Self::Value {
            origin: origin.to_owned(),
            key: key.to_owned(),
            message: format!("it is a section, written `[{key}]`"),
        }
    }

    /// `above` is the section that was read, whose name figment does not tell.
    pub(super) fn value(above: &str, error: &figment::Error) -> Self {
        let path = std::iter::once(above).chain(error.path.iter().map(String::as_str));
        let key = path.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        let origin = match &error.metadata {
            Some(metadata) if metadata.name == environment::NAME => environment::variable(&key),
            Some(metadata) => match &metadata.source {
                Some(source) => source.to_string(),
                None => "the built-in defaults".to_owned(),
            },
            None => "the configuration".to_owned(),
        };
        let message = match &error.kind {
            Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
                format!("expected {expected}, found {}", shown(&key, actual))
            }
            Kind::Message(_) if is_secret(&key) => "it is not well-formed".to_owned(),
            other => other.to_string(),
        };
        Self::Value { origin, key, message }
    }
}

/// The value, unless it may hold a secret: configuration errors end up in logs.
fn shown(key: &str, actual: &Actual) -> String {
    if is_secret(key) { "something else".to_owned() } else { actual.to_string() }
}

fn is_secret(key: &str) -> bool {
    ["key", "secret", "token", "password", "url"].iter().any(|word| key.ends_with(word))
}
