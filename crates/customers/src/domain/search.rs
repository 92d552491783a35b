//! One spelling for all scripts. What is stored and what is asked are folded alike, so that `ivanov` finds «Иванов»,
//! `garcia` finds «García», `912345` finds «+34 912-345-678», and the other way round.
//!
//! Folding is lossy on purpose: letters that romanise alike find each other. It is done here and not in the database,
//! so that a change of its rules is a change of this file and a rewrite of one column.

use clientele_kernel::{Error, search};

use super::customer::Customer;

/// The name as it sorts: without case and accents, each script in its own order.
pub(crate) fn sort_name(name: &str) -> String {
    search::plain(name).chars().take(300).collect()
}

/// Everything a customer can be found by, folded, parted by spaces.
pub(crate) fn search_text(customer: &Customer) -> String {
    let mut words: Vec<String> = customer.display_name.split_whitespace().flat_map(spellings).collect();
    words.extend(customer.references.iter().flat_map(|r| r.external_id().split_whitespace().flat_map(spellings)));
    words.extend(customer.phones.iter().flat_map(|phone| phone.number.digits()));
    words.extend(customer.emails.iter().map(|email| fold(email.address.typed())));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// A word of a query: the customer matches when its text holds one of the spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Folded spellings, none empty.
    pub(crate) spellings: Vec<String>,
}

/// Reads a query into its words, all of which must occur.
pub(crate) fn words(query: &str) -> Result<Vec<Word>, Error> {
    search::words(query, |text| Some(word(text)).filter(|word| !word.spellings.is_empty()))
}

fn word(text: &str) -> Word {
    let folded = fold(text);
    let mut spellings = if is_phone_fragment(&folded) {
        vec![folded.chars().filter(char::is_ascii_digit).collect()]
    } else if is_cyrillic(text) {
        let common = common_spelling(&folded);
        if common == folded { vec![folded] } else { vec![folded, common] }
    } else {
        vec![folded]
    };
    spellings.retain(|spelling| !spelling.is_empty());
    Word { spellings }
}

/// Digits with what people put between them: compared by the digits alone.
fn is_phone_fragment(folded: &str) -> bool {
    folded.bytes().any(|b| b.is_ascii_digit())
        && folded.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'(' | b')' | b'.'))
}

/// The spellings under which a word of a name or an external id is kept: as folded; without the punctuation within
/// (`obrien` finds «O'Brien»); and as Russian names are commonly written in Latin letters.
fn spellings(word: &str) -> Vec<String> {
    let folded = fold(word);
    let mut spellings = Vec::with_capacity(3);
    if is_cyrillic(word) {
        spellings.push(common_spelling(&folded));
    }
    spellings.push(folded.chars().filter(|c| c.is_alphanumeric()).collect());
    spellings.push(folded);
    spellings.dedup();
    spellings
}

/// One spelling for all scripts: without accents, in Latin letters where the letter has a romanisation, in lower case.
fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    // The plain form is in lower case: of some letters only the small one has a romanisation.
    for c in search::plain(word).chars() {
        match c {
            // The soft and hard signs have no sound of their own; as apostrophes they would stand in the way.
            'ь' | 'ъ' => {}
            _ if c.is_ascii() => folded.push(c),
            _ => match deunicode::deunicode_char(c) {
                // A syllable's parting space would break the word in two.
                Some(latin) => folded.extend(latin.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_lowercase())),
                None => folded.push(c),
            },
        }
    }
    folded
}

fn is_cyrillic(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '\u{400}'..='\u{52f}'))
}

/// The common Latin spelling of a Russian name, from its strict one: `iuliia` is written `yulia`, `dmitrii` `dmitry`,
/// `sergei` `sergey`.
fn common_spelling(strict: &str) -> String {
    let mut common = strict.replace("iia", "ia").replace("iiu", "iyu");
    for (start, usual) in [("iu", "yu"), ("ia", "ya")] {
        if let Some(rest) = common.strip_prefix(start) {
            common = format!("{usual}{rest}");
        }
    }
    if let Some(stem) = common.strip_suffix("ii") {
        common = format!("{stem}y");
    } else if let Some(stem) = common.strip_suffix('i').filter(|stem| stem.ends_with(['a', 'e', 'o', 'u'])) {
        common = format!("{stem}y");
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(query: &str, name: &str) -> bool {
        let text: String = name.split_whitespace().flat_map(spellings).collect::<Vec<_>>().join(" ");
        words(query).unwrap().iter().all(|word| word.spellings.iter().any(|spelling| text.contains(spelling.as_str())))
    }

    #[test]
    fn a_name_is_found_in_its_own_script_and_in_latin_letters_and_back() {
        for (query, name) in [
            ("ivanov", "Иванов"),
            ("Иванов", "Ivanov"),
            ("иван", "ИВАНОВ"),
            ("yulia", "Юлия Щукина"),
            ("Юлия", "Yulia Shchukina"),
            ("sergey dmitry", "Дмитрий Сергей"),
            ("Дмитрий", "Dmitry"),
            ("natalia", "Наталья"),
            ("королев", "Королёв"),
            ("garcia", "José García"),
            ("JOSÉ", "Jose"),
            ("strasse", "Straße"),
            ("lukasz", "Łukasz"),
            ("papadopoulos", "Γιώργος Παπαδόπουλος"),
            ("γιωργος", "Γιώργος"),
            ("محمد", "محمد علي"),
            ("王伟", "王伟"),
            ("wang", "王伟"),
            ("김철", "김철수"),
            ("がく", "たなか がく"),
            ("obrien", "O’Brien"),
            ("o'brien", "O’Brien"),
            ("jean luc", "Jean-Luc"),
        ] {
            assert!(finds(query, name), "{query} should find {name}: {:?}", words(query));
        }
    }

    #[test]
    fn other_names_are_not_found() {
        for (query, name) in [("ivanova", "Иванов"), ("50%", "500 Ltd"), ("a_b", "axb"), ("петр", "Иван"), ("\\", "a")]
        {
            assert!(!finds(query, name), "{query} should not find {name}");
        }
    }

    #[test]
    fn digits_with_punctuation_are_compared_by_digits() {
        assert_eq!(
            words("+34 (912) 345-67").unwrap().iter().map(|w| w.spellings[0].as_str()).collect::<Vec<_>>(),
            ["34", "912", "34567"]
        );
        assert_eq!(words("50%").unwrap()[0].spellings, ["50%"]);
    }

    #[test]
    fn names_sort_without_case_and_accents() {
        let mut names = ["Zoé", "Éva", "adam", "Ángel", "Борис", "анна"];
        names.sort_by_key(|name| sort_name(name));
        assert_eq!(names, ["adam", "Ángel", "Éva", "Zoé", "анна", "Борис"]);
    }

    #[test]
    fn a_query_is_bounded() {
        assert!(words(&"a ".repeat(11)).is_err());
        assert!(words(&"a".repeat(201)).is_err());
        assert!(words("a\0").is_err());
        assert_eq!(words("  ").unwrap(), []);
    }

    proptest! {
        #[test]
        fn a_name_is_found_by_any_of_its_words(name in "[\\p{Latin}\\p{Cyrillic}\\p{Greek}\\p{Han}\\p{Arabic}]{1,12}( [\\p{Latin}\\p{Cyrillic}]{1,9}){0,2}") {
            for word in name.split_whitespace() {
                prop_assert!(finds(word, &name), "{word:?} in {name:?}: {:?}", words(word));
            }
        }

        #[test]
        fn folding_again_changes_nothing(text in "\\PC{0,30}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
