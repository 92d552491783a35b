//! What a text from outside must be like to be kept.

use clientele_kernel::Violations;
use unicode_normalization::UnicodeNormalization;

/// A text for people: one line, trimmed, in NFC, at most `longest` characters; may be empty.
pub(crate) fn shown(raw: &str, field: &str, longest: usize, violations: &mut Violations) -> String {
    let text: String = raw.trim().nfc().take(longest + 1).collect();
    check(&text, field, longest, violations);
    text
}

/// The same where it must be there: 1 to `longest` characters.
pub(crate) fn required(raw: &str, field: &str, longest: usize, violations: &mut Violations) -> String {
    let text = shown(raw, field, longest, violations);
    violations.check(!text.is_empty(), field, || format!("is missing: 1 to {longest} characters are wanted"));
    text
}

fn check(text: &str, field: &str, longest: usize, violations: &mut Violations) {
    violations.check(text.chars().count() <= longest, field, || format!("is longer than {longest} characters"));
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        violations.push(
            field,
            format!("holds the control character U+{:04X}, which no single line of text has", u32::from(found)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_trimmed_and_composed() {
        let mut violations = Violations::new();
        assert_eq!(shown("  Cafe\u{301} ", "name", 10, &mut violations), "Café");
        assert!(violations.is_empty());
    }

    #[test]
    fn control_characters_and_excess_length_are_refused_by_field() {
        let mut violations = Violations::new();
        shown("a\u{0}b", "name", 10, &mut violations);
        required(&"x".repeat(10_000_000), "sku", 100, &mut violations);
        required(" ", "external_id", 100, &mut violations);
        let fields: Vec<_> = violations.into_inner().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["name", "sku", "external_id"]);
    }
}
