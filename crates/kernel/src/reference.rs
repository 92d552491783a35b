//! How another system names a record.

use crate::error::shorten;
use crate::{Error, Violations, text};

/// A source and the record's id there. The same number from two sources is two records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    source: String,
    external_id: String,
}

impl Reference {
    /// The longest id of a record, in characters.
    pub const LONGEST_ID: usize = 200;

    /// Reads a reference; the error names `source` or `external_id`.
    pub fn try_new(source: &str, external_id: &str) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let source = violations.take("source", self::source(source, "source"));
        let external_id =
            violations.take("external_id", text::required_line(external_id, Self::LONGEST_ID, "external_id"));
        violations.into_result()?;
        Ok(Self { source: source.unwrap_or_default(), external_id: external_id.unwrap_or_default() })
    }

    /// The same, noting what is wrong under the path of the field.
    pub fn check(source: &str, external_id: &str, field: &str, violations: &mut Violations) -> Option<Self> {
        violations.take(field, Self::try_new(source, external_id).map_err(|error| error.within(field)))
    }

    /// A reference as it was stored.
    pub fn stored(source: impl Into<String>, external_id: impl Into<String>) -> Self {
        Self { source: source.into(), external_id: external_id.into() }
    }

    /// The system the record comes from: 1 to 64 characters of `a-z 0-9 . _ -`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The record's id there, 1 to 200 characters, compared exactly.
    pub fn external_id(&self) -> &str {
        &self.external_id
    }
}

/// Reads the name of a source system.
pub fn source(raw: &str, field: &str) -> Result<String, Error> {
    let well_formed = (1..=64).contains(&raw.len())
        && raw.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if well_formed {
        return Ok(raw.to_owned());
    }
    let shown = shorten(raw);
    Err(Error::invalid(
        field,
        format!("`{shown}` is not the name of a source: 1 to 64 characters of `a-z 0-9 . _ -` are wanted"),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_texts_are_a_reference_that_reads_as_itself_or_refused_by_field(
            source in "[a-z0-9._-]{0,66}|.{0,70}", external_id in ".{0,210}",
        ) {
            match Reference::try_new(&source, &external_id) {
                Ok(read) => {
                    let again = Reference::try_new(read.source(), read.external_id()).unwrap();
                    prop_assert_eq!(&again, &read);
                    prop_assert_eq!(read.source(), source);
                    prop_assert!(read.external_id().chars().count() <= Reference::LONGEST_ID);
                    prop_assert!(!read.external_id().chars().any(crate::text::breaks_line));
                }
                Err(error) => {
                    let known = |field: &str| field == "source" || field == "external_id";
                    prop_assert!(!error.violations.is_empty() && error.violations.iter().all(|v| known(&v.field)));
                }
            }
        }
    }

    #[test]
    fn both_parts_are_checked_and_named() {
        let error = Reference::try_new("Shop!", "").unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["source", "external_id"]);

        let mut violations = Violations::new();
        assert_eq!(Reference::check("", "1", "order.reference", &mut violations), None);
        assert_eq!(violations.into_inner()[0].field, "order.reference.source");
    }

    #[test]
    fn a_source_is_a_word_of_few_letters() {
        for right in ["shop", "1c", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(source(right, "source").unwrap(), right);
        }
        for wrong in ["", " shop", "Shop", "магазин", "a b", "a\0", &"x".repeat(65)] {
            assert_eq!(source(wrong, "source").unwrap_err().violations[0].field, "source", "{wrong}");
        }
    }

    #[test]
    fn an_external_id_is_compared_exactly() {
        let of = |id| Reference::try_new("shop", id).unwrap();
        assert_ne!(of("a1"), of("A1"));
        assert_ne!(of("1"), of("01"));
        assert_eq!(of("17850").external_id(), "17850");
        assert!(Reference::try_new("shop", &"1".repeat(201)).is_err());
    }
}
