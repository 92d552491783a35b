//! Texts of several lines: what people write to each other.

use clientele_kernel::Violations;

/// A text of at most `longest` characters; may be empty. Spaces around it are dropped, and lines end in one way. The
/// characters themselves stay as they were typed.
pub(crate) fn optional(raw: &str, field: &str, longest: usize, violations: &mut Violations) -> String {
    let text = raw.trim().replace("\r\n", "\n").replace('\r', "\n");
    let length = text.chars().count();
    violations.check(length <= longest, field, || format!("has {length} characters: at most {longest} are allowed"));
    if let Some(found) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        let code = u32::from(found);
        violations.push(field, format!("holds the control character U+{code:04X}, which no text has"));
    }
    text
}

/// The same where it must be there: 1 to `longest` characters.
pub(crate) fn required(raw: &str, field: &str, longest: usize, violations: &mut Violations) -> String {
    let text = optional(raw, field, longest, violations);
    violations.check(!text.is_empty(), field, || format!("is empty: 1 to {longest} characters are wanted"));
    text
}

/// The beginning of a text, for lists: at most `most` characters, the last of them an ellipsis where something is left out.
pub(crate) fn beginning(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str, longest: usize) -> Result<String, Vec<String>> {
        let mut violations = Violations::new();
        let text = required(raw, "text", longest, &mut violations);
        let wrong = violations.into_inner();
        if wrong.is_empty() { Ok(text) } else { Err(wrong.into_iter().map(|v| v.field).collect()) }
    }

    #[test]
    fn any_script_direction_and_emoji_is_kept_as_it_was_typed() {
        for text in ["Здравствуйте!", "שלום, איפה ההזמנה?", "مرحبا", "👩‍👩‍👧‍👦 ok", "e\u{301}", "a\tb\nc"]
        {
            assert_eq!(read(text, 100).unwrap(), text);
        }
        assert_eq!(read("  one\r\ntwo\rthree \n", 100).unwrap(), "one\ntwo\nthree");
    }

    #[test]
    fn what_is_empty_too_long_or_holds_a_nul_is_refused_by_field() {
        for wrong in ["", " \n\t ", "a\u{0}b", "\u{1b}[31m", &"😀".repeat(4_001)] {
            assert_eq!(read(wrong, 4_000).unwrap_err(), ["text"], "{wrong:.10}");
        }
        assert!(read(&"😀".repeat(4_000), 4_000).is_ok(), "characters are counted, not bytes");
    }

    #[test]
    fn a_beginning_says_that_something_is_left_out() {
        assert_eq!(beginning("short", 5), "short");
        assert_eq!(beginning("longer", 5), "long…");
    }

    proptest! {
        #[test]
        fn what_is_taken_fits_its_column_and_is_taken_again_unchanged(raw in any::<String>()) {
            if let Ok(text) = read(&raw, 50) {
                prop_assert!((1..=50).contains(&text.chars().count()));
                prop_assert!(!text.contains('\0'));
                prop_assert_eq!(read(&text, 50).unwrap(), text.clone());
                prop_assert!(beginning(&text, 20).chars().count() <= 20);
            }
        }
    }
}
