//! The fingerprint of what a source says of a record: a batch that says the same again writes nothing.

use sha2::{Digest, Sha256};

/// SHA-256 of what a source said.
pub(crate) type ContentHash = [u8; 32];

/// Builds a fingerprint out of fields. Each is written with its length, so that no two different records give the
/// same bytes.
pub(crate) struct ContentHasher(Sha256);

impl ContentHasher {
    /// A fingerprint of this sort of record; `version` changes when the meaning of the fields does.
    pub(crate) fn new(sort: &str, version: u8) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.text(sort);
        hasher.0.update([version]);
        hasher
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(i64::try_from(text.len()).unwrap_or(i64::MAX));
        self.0.update(text.as_bytes());
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    pub(crate) fn optional(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    pub(crate) fn finish(self) -> ContentHash {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[Option<&str>]) -> ContentHash {
        let mut hasher = ContentHasher::new("test", 1);
        for part in parts {
            hasher.optional(*part);
        }
        hasher.finish()
    }

    #[test]
    fn where_one_field_ends_and_the_next_begins_makes_a_difference() {
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None, Some("")]), of(&[Some(""), None]));
        assert_eq!(of(&[Some("ab")]), of(&[Some("ab")]));
    }
}
