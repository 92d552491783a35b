//! Short texts that people type: names, logins.

use clientele_kernel::Error;
use unicode_normalization::UnicodeNormalization;

/// A text of one line with the key by which it is compared: equal keys are the same name, whatever the case and however
/// the accents were typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) key: String,
}

impl Line {
    /// Reads a text of 1 to `most` characters; spaces around it are dropped.
    pub(crate) fn parse(text: &str, most: usize, field: &str) -> Result<Self, Error> {
        let text: String = text.trim().nfc().collect();
        match text.chars().count() {
            0 => return Err(Error::invalid(field, format!("is empty: 1 to {most} characters are wanted"))),
            n if n > most => {
                return Err(Error::invalid(field, format!("has {n} characters: at most {most} are allowed")));
            }
            _ => {}
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            let code = u32::from(control);
            return Err(Error::invalid(
                field,
                format!("holds the control character U+{code:04X}: one line of plain text is wanted"),
            ));
        }
        let key = key(&text);
        Ok(Self { text, key })
    }
}

/// The key by which a text is compared.
pub(crate) fn key(text: &str) -> String {
    text.trim().nfc().flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_the_way_accents_were_typed_make_no_difference() {
        let composed = Line::parse(" São Paulo ", 100, "name").unwrap();
        let decomposed = Line::parse("SA\u{303}O PAULO", 100, "name").unwrap();
        assert_eq!(composed.key, decomposed.key);
        assert_eq!(composed.text, "São Paulo");
    }

    #[test]
    fn empty_long_and_control_texts_are_refused_by_field() {
        for text in ["", "   ", "a\u{0}b", "a\nb", &"x".repeat(101)] {
            let error = Line::parse(text, 100, "group.name").unwrap_err();
            assert_eq!(error.violations[0].field, "group.name", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_fits_its_column(text in "\\PC{0,120}") {
            if let Ok(line) = Line::parse(&text, 100, "name") {
                prop_assert!((1..=100).contains(&line.text.chars().count()));
                prop_assert_eq!(key(&line.key), line.key);
            }
        }
    }
}
