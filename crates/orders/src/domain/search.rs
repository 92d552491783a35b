//! How texts are folded so that a search finds them whatever the case, accents or script they were typed in.

use clientele_kernel::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest search, in characters, and the most words of one.
const MOST_CHARACTERS: usize = 200;
const MOST_WORDS: usize = 10;

/// Lower case without accents, white space as single blanks.
pub(crate) fn fold(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is kept for searching: the parts folded, and once more in Latin letters where that differs.
pub(crate) fn document(parts: &[&str]) -> String {
    let folded = fold(&parts.join(" "));
    let latin = fold(&deunicode::deunicode(&folded));
    let text = if latin == folded { folded } else { format!("{folded} {latin}") };
    text.chars().take(4000).collect()
}

/// One word of a search, as patterns of which one must occur in the document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The word as it was typed, folded.
    pub(crate) pattern: String,
    /// The word in Latin letters.
    pub(crate) latin_pattern: String,
}

/// The words of a search, as `LIKE` patterns.
pub(crate) fn tokens(query: &str) -> Result<Vec<Token>, Error> {
    if query.chars().nth(MOST_CHARACTERS).is_some() {
        return Err(Error::invalid("query", format!("is too long: at most {MOST_CHARACTERS} characters are wanted")));
    }
    if query.contains('\0') {
        return Err(Error::invalid("query", "holds a NUL, which no text has"));
    }
    let folded = fold(query);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    if words.len() > MOST_WORDS {
        return Err(Error::invalid("query", format!("has {} words: at most {MOST_WORDS} are wanted", words.len())));
    }
    let token = |word: &&str| Token { pattern: like(word), latin_pattern: like(&fold(&deunicode::deunicode(word))) };
    Ok(words.iter().map(token).collect())
}

fn like(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
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
    fn the_metacharacters_of_like_mean_themselves() {
        let patterns: Vec<_> = tokens("50% a_b").unwrap().into_iter().map(|token| token.pattern).collect();
        assert_eq!(patterns, ["%50\\%%", "%a\\_b%"]);
    }

    #[test]
    fn a_search_is_bounded() {
        assert_eq!(tokens("   ").unwrap(), []);
        for query in ["x".repeat(201), "x ".repeat(11), "a\0".to_owned()] {
            assert_eq!(tokens(&query).unwrap_err().violations[0].field, "query");
        }
    }
}
