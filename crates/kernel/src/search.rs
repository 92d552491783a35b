//! What every search has in common: its bounds, and a plain form in which case and accents make no difference.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::Error;
use crate::error::shorten;

/// The longest query, in characters, and the most words of one.
const MOST_CHARACTERS: usize = 200;
const MOST_WORDS: usize = 10;

/// Reads a query into its words, all of which must occur. `read` makes of a word what the search looks for; none where
/// nothing of it is left.
pub fn words<Word>(query: &str, read: impl FnMut(&str) -> Option<Word>) -> Result<Vec<Word>, Error> {
    if query.chars().nth(MOST_CHARACTERS).is_some() {
        return Err(Error::invalid("query", format!("is too long: at most {MOST_CHARACTERS} characters are wanted")));
    }
    if query.contains('\0') {
        return Err(Error::invalid("query", format!("`{}` has a NUL character: plain text is wanted", shorten(query))));
    }
    let words: Vec<Word> = query.split_whitespace().filter_map(read).collect();
    if words.len() > MOST_WORDS {
        return Err(Error::invalid("query", format!("has {} words: at most {MOST_WORDS} are wanted", words.len())));
    }
    Ok(words)
}

/// The text without case and accents, each script in its own order.
pub fn plain(text: &str) -> String {
    without_marks(text).chars().flat_map(char::to_lowercase).filter(|c| !is_mark(*c)).collect()
}

/// Compatibility forms resolved and accents removed, yet composed: what is left of Korean syllables stays whole.
fn without_marks(text: &str) -> String {
    text.nfkd().filter(|c| !is_mark(*c)).collect::<String>().nfc().collect()
}

/// An accent. The marks that turn one kana into another are none.
fn is_mark(c: char) -> bool {
    is_combining_mark(c) && !matches!(c, '\u{3099}' | '\u{309a}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(query: &str) -> Result<Vec<String>, Error> {
        words(query, |word| Some(plain(word)))
    }

    #[test]
    fn case_and_accents_make_no_difference() {
        assert_eq!(plain("CAFÉ Crème"), "cafe creme");
        assert_eq!(plain("Ёлка"), "елка");
        assert_eq!(plain("İstanbul"), "istanbul");
        assert_eq!(plain("ﬁn"), "fin");
    }

    #[test]
    fn what_is_no_accent_stays() {
        assert_eq!(plain("한글"), "한글");
        assert_eq!(plain("がぱ"), "がぱ");
        assert_ne!(plain("か"), plain("が"));
    }

    #[test]
    fn a_query_is_read_into_its_words_within_bounds() {
        assert_eq!(whole("  Café\u{a0}Noir ").unwrap(), ["cafe", "noir"]);
        assert!(whole("   ").unwrap().is_empty());
        assert!(whole(&"x ".repeat(10)).is_ok());
        for query in ["x".repeat(201), "x ".repeat(11), "a\0".to_owned()] {
            assert_eq!(whole(&query).unwrap_err().violations[0].field, "query");
        }
        let nothing = words(&"x ".repeat(11), |_| None::<String>);
        assert!(nothing.unwrap().is_empty(), "words of which nothing is left do not count");
    }

    proptest! {
        #[test]
        fn the_plain_form_is_its_own(text in "\\PC{0,40}") {
            prop_assert_eq!(plain(&plain(&text)), plain(&text));
        }
    }
}
