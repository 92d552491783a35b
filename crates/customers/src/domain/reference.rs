//! How other systems name a customer.

use clientele_kernel::{Error, Violations};

use super::text;

/// How many references a customer may have.
pub(crate) const MOST_REFERENCES: usize = 100;

/// A customer's name in another system. The same id from two sources is two customers; a pair belongs to one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    source: String,
    external_id: String,
}

impl Reference {
    /// Reads a reference; the error names `source` or `external_id`.
    pub(crate) fn try_new(source: &str, external_id: &str) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let well_formed = (1..=64).contains(&source.len())
            && source.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        violations.check(well_formed, "source", || {
            let shown = clientele_kernel::error::shorten(source);
            format!("`{shown}` is not a source: 1 to 64 characters of `a-z 0-9 . _ -` are wanted")
        });
        let external_id = violations.take("external_id", text::line(external_id, 200, "external_id"));
        if let Some(id) = &external_id {
            violations.check(!id.is_empty(), "external_id", || "is empty: 1 to 200 characters are wanted".to_owned());
        }
        violations.into_result()?;
        Ok(Self { source: source.to_owned(), external_id: external_id.unwrap_or_default() })
    }

    /// A reference as it was stored.
    pub(crate) fn stored(source: String, external_id: String) -> Self {
        Self { source, external_id }
    }

    /// The system the customer comes from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The customer's id there, compared exactly.
    pub(crate) fn external_id(&self) -> &str {
        &self.external_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_checked_and_named() {
        let error = Reference::try_new("Shop!", "").unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["source", "external_id"]);
    }

    #[test]
    fn an_external_id_is_compared_exactly() {
        let of = |id| Reference::try_new("shop", id).unwrap();
        assert_ne!(of("a1"), of("A1"));
        assert_ne!(of("1"), of("01"));
        assert_eq!(of("17850").external_id(), "17850");
    }
}
