//! What can be wrong with a configuration, said so that whoever wrote it can mend it.

use figment::error::{Actual, Kind};
use figment::value::Dict;

use super::environment::{self, PREFIX};

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
    /// A variable is none of ours, and its name says that it was meant to be.
    #[error(
        "{name} is no variable of Clientele; keys are set by {PREFIX}<SECTION>__<KEY>, with two underscores, and besides there are {known}"
    )]
    UnknownVariable {
        /// The variable.
        name: String,
        /// Those that there are.
        known: String,
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
        // The parser shows the line it fails at, which may hold a secret.
        let shows_the_file = |line: &&str| {
            line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('|')
        };
        let message = error.kind.to_string();
        let said: Vec<&str> = message.trim().lines().filter(|line| !shows_the_file(line)).map(str::trim).collect();
        Self::Syntax { origin: origin.to_owned(), message: said.join("; ") }
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

    pub(super) fn unknown_variable(name: &str) -> Self {
        let known = environment::OTHERS.map(|other| format!("{PREFIX}{other}")).join(", ");
        Self::UnknownVariable { name: name.to_owned(), known }
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
            Kind::UnknownVariant(found, known) => format!("expected {}, found `{found}`", one_of(known)),
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

/// `a`, `b` or `c`.
fn one_of(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.trim_end_matches('s');
    ["key", "secret", "token", "password", "url"].iter().any(|word| key.ends_with(word))
}
