//! The words people and companies are made of, by language. First names and surnames are among the commonest of each
//! language; whoever bears a combination of them is not meant.

pub(super) mod english;
pub(super) mod portuguese;
pub(super) mod russian;
pub(super) mod spanish;

/// A language people of the company's customers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Language {
    English,
    Spanish,
    Portuguese,
    Russian,
}

/// Syllables of invented names of companies.
pub(super) const STEMS: [&str; 16] =
    ["Bel", "Cor", "Dal", "Fen", "Gal", "Lor", "Mel", "Nor", "Pal", "Quin", "Ram", "Sol", "Tav", "Ul", "Vel", "Zan"];
/// How such names end.
pub(super) const ENDINGS: [&str; 12] =
    ["ado", "aria", "embra", "etto", "ilova", "imar", "onda", "oriel", "umbra", "undo", "ivera", "antis"];

/// A conversation: whether the customer speaks, and what is said. `{name}`, `{product}`, `{order}` and `{colleague}` stand for
/// those of the dialog.
pub(super) type Script = &'static [(bool, &'static str)];

/// A letter: subject and text, with the same places to fill.
pub(super) type Letter = (&'static str, &'static str);

/// What a language has to say.
pub(super) struct Phrases {
    pub(super) scripts: &'static [Script],
    pub(super) order_sent: Letter,
    pub(super) thanks: Letter,
    pub(super) news: Letter,
    pub(super) missed: Letter,
}

impl Language {
    /// Its phrases.
    pub(super) const fn phrases(self) -> &'static Phrases {
        match self {
            Self::English => &english::PHRASES,
            Self::Spanish => &spanish::PHRASES,
            Self::Portuguese => &portuguese::PHRASES,
            Self::Russian => &russian::PHRASES,
        }
    }
}
