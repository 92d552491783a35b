//! What is known of a file: its columns, what they mean, and what a person should decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Format;

/// A column of the file, with what its values showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Column {
    /// Its header, or its number where there is none.
    pub(crate) name: String,
    /// The field it fills; empty for none.
    pub(crate) field: String,
    /// The first values.
    pub(crate) samples: Vec<String>,
    /// How its dates are written, where it holds dates.
    pub(crate) date: Option<Shown>,
    /// The decimal separator of its numbers, where it holds numbers that show one.
    pub(crate) decimal: Option<Shown>,
}

/// A way of writing that the values of a column show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The way.
    pub(crate) way: String,
    /// Another way that fits all values as well; empty for none.
    pub(crate) doubt: String,
}

/// Something in the file that a person should decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warning {
    pub(crate) reason: String,
    pub(crate) column: String,
    pub(crate) description: String,
    /// The facts that belong to the reason.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Warning {
    /// Of the file as a whole.
    pub(crate) fn new(reason: &str, description: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            column: String::new(),
            description: description.into(),
            metadata: BTreeMap::new(),
        }
    }

    /// The same of a column.
    pub(crate) fn of_column(self, name: &str) -> Self {
        Self { column: name.chars().take(200).collect(), ..self }
    }

    /// The same with one more fact.
    pub(crate) fn with(mut self, key: &str, value: impl std::fmt::Display + Copy) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }
}

/// What is known of the file, and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) format: Format,
    pub(crate) columns: Vec<Column>,
    /// What was noticed on the file as a whole.
    pub(crate) warnings: Vec<Warning>,
    /// True once a person has said, or confirmed, how dates and numbers are written.
    pub(crate) said: bool,
    pub(crate) total_rows: u64,
    /// Whether there may be more rows: only the first part of the file was looked at.
    #[serde(default)]
    pub(crate) uncounted: bool,
    /// SHA-256 of the file, its first half in hex: names what has no id.
    pub(crate) fingerprint: String,
}
