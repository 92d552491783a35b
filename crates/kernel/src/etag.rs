//! Versions of records, as callers see them.

use std::fmt;

use crate::Error;

/// The version of a record. Opaque to callers: they send back what they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etag(pub i64);

impl Etag {
    /// Reads an etag that must be there.
    pub fn parse(text: &str, field: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::invalid(field, "is missing: send the etag of the version that was read"));
        }
        text.parse().ok().filter(|version| *version > 0).map(Self).ok_or_else(|| {
            Error::invalid(field, format!("`{}` is not an etag of this server", crate::error::shorten(text)))
        })
    }

    /// Fails unless this is the present version.
    pub fn require(self, current: i64) -> Result<(), Error> {
        if self.0 == current { Ok(()) } else { Err(Error::etag_mismatch(self, Self(current))) }
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
