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
        // One version has one spelling: `+7` and `07` are none of ours.
        let given = |version: &i64| *version > 0 && version.to_string() == text;
        text.parse().ok().filter(given).map(Self).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_etag_is_read_as_it_was_given_and_in_no_other_spelling(version in 1..=i64::MAX, text in "[-+ 0-9]{0,3}[0-9]{0,20}|\\PC{0,8}") {
            let given = Etag(version);
            prop_assert_eq!(Etag::parse(&given.to_string(), "etag").unwrap(), given);
            match Etag::parse(&text, "etag") {
                Ok(read) => prop_assert_eq!(read.to_string(), text),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "etag"),
            }
        }
    }
}
