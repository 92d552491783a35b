//! What a line of text may hold, and how it is kept.

use clientele_kernel::Error;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Reads one line of text: trimmed, composed (NFC), at most `most` characters, no control characters. May be empty.
///
/// The same name typed on two machines may arrive composed or decomposed; kept in one form it compares equal.
pub(crate) fn line(text: &str, most: usize, field: &str) -> Result<String, Error> {
    require_bounded(text, most, field)?;
    if let Some(position) = text.chars().position(is_control) {
        return Err(Error::invalid(
            field,
            format!("has a control character at place {}: one line of plain text is wanted", position + 1),
        ));
    }
    kept(text, most, field)
}

/// Reads plain text of any number of lines, kept as a line is; every line end becomes `\n`. May be empty.
pub(crate) fn block(text: &str, most: usize, field: &str) -> Result<String, Error> {
    require_bounded(text, most, field)?;
    if let Some(position) = text.chars().position(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
        return Err(Error::invalid(
            field,
            format!("has a control character at place {}: plain text is wanted", position + 1),
        ));
    }
    kept(&text.replace("\r\n", "\n").replace('\r', "\n"), most, field)
}

/// A cheap bound before all else: a hostile text of megabytes is not worth normalising. Composing shortens a text at most
/// eighteenfold in bytes, the longest decomposition there is.
fn require_bounded(text: &str, most: usize, field: &str) -> Result<(), Error> {
    if text.len() > most * 4 * 18 { Err(too_long(most, None, field)) } else { Ok(()) }
}

fn kept(text: &str, most: usize, field: &str) -> Result<String, Error> {
    let trimmed = text.trim();
    let kept: String = match is_nfc_quick(trimmed.chars()) {
        IsNormalized::Yes => trimmed.to_owned(),
        IsNormalized::No | IsNormalized::Maybe => trimmed.nfc().collect(),
    };
    let length = kept.chars().count();
    if length > most { Err(too_long(most, Some(length), field)) } else { Ok(kept) }
}

/// Line and paragraph separators break a line as surely as the control characters do.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn too_long(most: usize, length: Option<usize>, field: &str) -> Error {
    let length = length.map_or_else(|| "far more".to_owned(), |n| n.to_string());
    Error::invalid(field, format!("has {length} characters: at most {most} are wanted"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_read_again_stays_as_it_is(text in "[^\\pC\\p{Zl}\\p{Zp}]{0,60}") {
            let once = line(&text, 300, "f").unwrap();
            prop_assert_eq!(line(&once, 300, "f").unwrap(), once);
        }

        #[test]
        fn any_text_is_kept_or_refused_with_the_field_s_name(text in any::<String>()) {
            match line(&text, 20, "display_name") {
                Ok(kept) => prop_assert!(kept.chars().count() <= 20 && !kept.chars().any(is_control)),
                Err(error) => prop_assert_eq!(error.violations[0].field.as_str(), "display_name"),
            }
        }
    }

    #[test]
    fn composed_and_decomposed_names_are_kept_the_same() {
        assert_eq!(line("  Rene\u{301} ", 300, "f").unwrap(), line("René", 300, "f").unwrap());
    }

    #[test]
    fn a_nul_is_refused_and_its_place_named() {
        let error = line("ab\0c", 300, "country").unwrap_err();
        assert_eq!(error.violations[0].field, "country");
        assert!(error.message.contains("place 3"), "{error}");
    }

    #[test]
    fn a_block_keeps_its_lines_and_refuses_other_control_characters() {
        assert_eq!(block(" a\r\nb\rc\n\td \n", 20, "f").unwrap(), "a\nb\nc\n\td");
        assert_eq!(block("a\0b", 20, "evidence").unwrap_err().violations[0].field, "evidence");
        assert!(block(&"ж".repeat(21), 20, "f").is_err());
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        assert!(line(&"ж".repeat(300), 300, "f").is_ok());
        assert!(line(&"ж".repeat(301), 300, "f").is_err());
        assert!(line(&"x".repeat(10_000_000), 300, "f").is_err());
    }
}
