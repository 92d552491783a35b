//! Texts that people type: what they may hold, and how they are kept.
//!
//! The same name typed on two machines may arrive composed or decomposed; kept in one form (NFC) it compares equal.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::{Error, Violation};

/// Reads one line of text: trimmed, composed, at most `most` characters, nothing that breaks a line. May be empty.
pub fn line(raw: &str, most: usize, field: &str) -> Result<String, Error> {
    // A cheap bound before all else: a hostile text of megabytes is not worth composing, which shortens a text at most
    // eighteenfold in bytes, the longest decomposition there is.
    if raw.trim().len() > most.saturating_mul(4 * 18) {
        return Err(too_long(field, format!("is far too long: at most {most} characters are wanted"), most));
    }
    let text = composed(raw.trim());
    check(&text, most, field, breaks_line, "one line of plain text is wanted")?;
    Ok(text)
}

/// The same where it must be there: 1 to `most` characters.
pub fn required_line(raw: &str, most: usize, field: &str) -> Result<String, Error> {
    not_empty(line(raw, most, field)?, most, field)
}

/// Reads plain text of any number of lines: at most `most` characters. May be empty. White space around it is dropped
/// and lines end in one way, `\n`; the characters themselves stay as they were typed.
pub fn prose(raw: &str, most: usize, field: &str) -> Result<String, Error> {
    let text = raw.trim().replace("\r\n", "\n").replace('\r', "\n");
    check(&text, most, field, |c| c.is_control() && !matches!(c, '\n' | '\t'), "plain text is wanted")?;
    Ok(text)
}

/// The same where it must be there: 1 to `most` characters.
pub fn required_prose(raw: &str, most: usize, field: &str) -> Result<String, Error> {
    not_empty(prose(raw, most, field)?, most, field)
}

/// The text composed (NFC).
pub fn composed(text: &str) -> String {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text.to_owned(),
        IsNormalized::No | IsNormalized::Maybe => text.nfc().collect(),
    }
}

/// The key by which texts are compared: equal keys are the same name, whatever the case and however the accents were
/// typed.
pub fn key(text: &str) -> String {
    text.trim().nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// True for what no single line holds: control characters, and the separators of lines and paragraphs, which break a
/// line as surely.
pub fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The beginning of a text, for lists: at most `most` characters, the last of them an ellipsis where something is left
/// out.
pub fn beginning(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A name that only one of its kind may have, with the key by which it is compared and listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As it is shown.
    pub text: String,
    /// The [`key`] of the text.
    pub key: String,
}

impl Name {
    /// Reads a name of one line, 1 to `most` characters.
    pub fn parse(raw: &str, most: usize, field: &str) -> Result<Self, Error> {
        required_line(raw, most, field).map(Self::of)
    }

    /// A name that needs no check.
    pub fn of(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { key: key(&text), text }
    }
}

fn check(text: &str, most: usize, field: &str, wrong: impl Fn(char) -> bool, wanted: &str) -> Result<(), Error> {
    let length = text.chars().count();
    if length > most {
        return Err(too_long(field, format!("has {length} characters: at most {most} are wanted"), most));
    }
    if let Some((before, found)) = text.chars().enumerate().find(|(_, c)| wrong(*c)) {
        let (code, place) = (u32::from(found), before + 1);
        let description = format!("holds the control character U+{code:04X} at place {place}: {wanted}");
        return Err(Violation::new(field, description).because("CONTROL_CHARACTER").with("place", place).into());
    }
    Ok(())
}

fn too_long(field: &str, description: String, most: usize) -> Error {
    Violation::new(field, description).because("VALUE_TOO_LONG").with("most", most).into()
}

fn not_empty(text: String, most: usize, field: &str) -> Result<String, Error> {
    if text.is_empty() {
        let description = format!("is empty: 1 to {most} characters are wanted");
        return Err(Violation::new(field, description).because("VALUE_EMPTY").into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().violations.remove(0).field
    }

    #[test]
    fn composed_and_decomposed_names_are_kept_the_same() {
        assert_eq!(line("  Rene\u{301} ", 300, "f").unwrap(), line("René", 300, "f").unwrap());
        let (composed, decomposed) =
            (Name::parse(" São Paulo ", 100, "f").unwrap(), Name::parse("SA\u{303}O PAULO", 100, "f").unwrap());
        assert_eq!(composed.key, decomposed.key);
        assert_eq!(composed.text, "São Paulo");
    }

    #[test]
    fn what_breaks_a_line_is_refused_by_field_and_its_place_named() {
        for text in ["ab\0c", "ab\nc", "ab\u{2028}c", "ab\u{2029}c", "ab\u{1b}c"] {
            let error = line(text, 300, "country").unwrap_err();
            assert_eq!(error.violations[0].field, "country");
            assert!(error.message.contains("place 3"), "{error}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        assert!(line(&"ж".repeat(300), 300, "f").is_ok());
        assert!(prose(&"😀".repeat(300), 300, "f").is_ok());
        for long in [&"ж".repeat(301), &"e\u{301}".repeat(301), &"x".repeat(10_000_000)] {
            assert_eq!(field(line(long, 300, "name")), "name");
            assert_eq!(field(prose(long, 300, "text")), "text");
        }
        assert!(line(&"e\u{301}".repeat(300), 300, "f").is_ok(), "it is composed before it is counted");
        assert!(line(&format!("{}x", " ".repeat(100_000)), 10, "f").is_ok(), "what is dropped does not count");
    }

    #[test]
    fn what_must_be_there_is_refused_when_empty() {
        for empty in ["", "   ", " \n\t "] {
            assert_eq!(line(empty, 100, "f").unwrap(), "");
            assert_eq!(field(required_line(empty, 100, "sku")), "sku");
            assert_eq!(prose(empty, 100, "f").unwrap(), "");
            assert_eq!(field(required_prose(empty, 100, "text")), "text");
            assert_eq!(field(Name::parse(empty, 100, "group.name")), "group.name");
        }
    }

    #[test]
    fn prose_of_any_script_direction_and_emoji_is_kept_as_it_was_typed() {
        for text in ["Здравствуйте!", "שלום, איפה ההזמנה?", "مرحبا", "👩‍👩‍👧‍👦 ok", "e\u{301}", "a\tb\nc"]
        {
            assert_eq!(prose(text, 100, "f").unwrap(), text);
        }
        assert_eq!(prose("  one\r\ntwo\rthree \n", 100, "f").unwrap(), "one\ntwo\nthree");
        for wrong in ["a\u{0}b", "\u{1b}[31m"] {
            assert_eq!(field(prose(wrong, 100, "evidence")), "evidence");
        }
    }

    #[test]
    fn a_beginning_says_that_something_is_left_out() {
        assert_eq!(beginning("short", 5), "short");
        assert_eq!(beginning("longer", 5), "long…");
    }

    proptest! {
        #[test]
        fn any_line_is_refused_by_field_or_kept_and_read_again_stays_as_it_is(raw in any::<String>()) {
            match line(&raw, 20, "display_name") {
                Ok(kept) => {
                    prop_assert!(kept.chars().count() <= 20 && !kept.chars().any(breaks_line));
                    prop_assert_eq!(line(&kept, 20, "f").unwrap(), kept);
                }
                Err(error) => prop_assert_eq!(error.violations[0].field.as_str(), "display_name"),
            }
        }

        #[test]
        fn any_prose_is_refused_or_kept_and_read_again_stays_as_it_is(raw in any::<String>()) {
            if let Ok(kept) = required_prose(&raw, 50, "text") {
                prop_assert!((1..=50).contains(&kept.chars().count()) && !kept.contains(['\0', '\r']));
                prop_assert!(beginning(&kept, 20).chars().count() <= 20);
                prop_assert_eq!(prose(&kept, 50, "text").unwrap(), kept);
            }
        }

        #[test]
        fn the_key_of_a_key_is_itself(raw in "\\PC{0,60}") {
            prop_assert_eq!(key(&key(&raw)), key(&raw));
        }
    }
}
