//! How another system names a record.

use clientele_kernel::Violations;

use super::text;

/// A source and the record's id there. The same number from two sources is two records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    /// The system, 1 to 64 characters of `a-z 0-9 . _ -`.
    pub(crate) source: String,
    /// The record's id there, 1 to 200 characters.
    pub(crate) external_id: String,
}

impl Reference {
    /// Takes what is right, noting what is not under `field`.
    pub(crate) fn check(source: &str, external_id: &str, field: &str, violations: &mut Violations) -> Self {
        Self {
            source: self::source(source, &format!("{field}.source"), violations),
            external_id: text::required(external_id, &format!("{field}.external_id"), 200, violations),
        }
    }
}

/// The name of a source system.
pub(crate) fn source(raw: &str, field: &str, violations: &mut Violations) -> String {
    let fits = (1..=64).contains(&raw.len())
        && raw.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    violations.check(fits, field, || {
        format!(
            "`{}` is not the name of a source: 1 to 64 characters of `a-z 0-9 . _ -` are wanted",
            clientele_kernel::error::shorten(raw)
        )
    });
    raw.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_short_plain_name() {
        for (name, right) in [("erp.es", true), ("", false), ("Shop", false), ("a b", false), ("ä", false)] {
            let mut violations = Violations::new();
            source(name, "source", &mut violations);
            assert_eq!(violations.is_empty(), right, "{name}");
        }
        let mut violations = Violations::new();
        source(&"a".repeat(65), "source", &mut violations);
        assert!(!violations.is_empty());
    }
}
