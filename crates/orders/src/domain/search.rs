//! How texts are folded so that a search finds them whatever the case, accents or script they were typed in.

use clientele_kernel::{Error, search};

/// Lower case without accents, white space as single blanks.
pub(crate) fn fold(text: &str) -> String {
    search::plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is kept for searching: the parts folded, and once more in Latin letters where that differs.
pub(crate) fn document(parts: &[&str]) -> String {
    let folded = fold(&parts.join(" "));
    let latin = fold(&deunicode::deunicode(&folded));
    let text = if latin == folded { folded } else { format!("{folded} {latin}") };
    text.chars().take(4000).collect()
}

/// One word of a search: the document must hold it in one of its forms.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it was typed, folded.
    pub(crate) folded: String,
    /// In Latin letters.
    pub(crate) latin: String,
}

/// The words of a search.
pub(crate) fn words(query: &str) -> Result<Vec<Word>, Error> {
    search::words(query, |word| {
        let folded = fold(word);
        let latin = fold(&deunicode::deunicode(&folded));
        (!folded.is_empty()).then_some(Word { folded, latin })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_takes_away_case_and_accents() {
        assert_eq!(fold("  CAFÉ\u{a0}Crème "), "cafe creme");
        assert_eq!(fold("Ёлка"), "елка");
    }

    #[test]
    fn a_document_can_be_found_in_latin_letters_too() {
        assert!(document(&["Фонарь"]).contains("fonar"));
        assert_eq!(document(&["Lantern", "71053"]), "lantern 71053");
    }

    #[test]
    fn a_word_is_looked_for_as_it_was_typed_and_in_latin_letters() {
        let words = words("Фонарь lámp").unwrap();
        let forms: Vec<_> = words.iter().map(|word| (word.folded.as_str(), word.latin.as_str())).collect();
        assert_eq!(forms, [("фонарь", "fonar'"), ("lamp", "lamp")]);
    }

    #[test]
    fn a_search_is_bounded() {
        assert_eq!(words("   ").unwrap(), []);
        for query in ["x".repeat(201), "x ".repeat(11), "a\0".to_owned()] {
            assert_eq!(words(&query).unwrap_err().violations[0].field, "query");
        }
    }
}
