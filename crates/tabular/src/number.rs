//! Numbers as files write them: which decimal separator a column has, and reading a value exactly.

/// The decimal separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decimal {
    /// `1,234.56`
    #[default]
    Point,
    /// `1.234,56`
    Comma,
}

impl Decimal {
    /// The character.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Point => ".",
            Self::Comma => ",",
        }
    }

    /// Reads the character; `None` for another.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Point, Self::Comma].into_iter().find(|one| one.as_str() == text)
    }

    const fn thousands(self) -> char {
        match self {
            Self::Point => ',',
            Self::Comma => '.',
        }
    }
}

const LONGEST: usize = 60;
const SYMBOLS: [&str; 8] = ["R$", "€", "$", "£", "¥", "₽", "руб.", "zł"];

/// The number as plain decimal digits (`-1234.56`): exact, without thousands, currency sign and spaces. `None` where it is
/// not written so.
pub fn plain(text: &str, decimal: Decimal) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let mut text = text.trim();
    if let Some(symbol) = SYMBOLS.iter().find(|s| text.starts_with(**s) || text.ends_with(**s)) {
        text = text.strip_prefix(symbol).or_else(|| text.strip_suffix(symbol)).unwrap_or(text).trim();
    }
    let accounting = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
    let (text, mut negative) = accounting.map_or((text, false), |inner| (inner, true));
    let unsigned = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) if !negative => {
            negative = true;
            rest
        }
        Some(_) => return None,
        None => text.strip_prefix('+').unwrap_or(text),
    };
    let mut unsigned = unsigned.trim_start();
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| unsigned.starts_with(**symbol)) {
        unsigned = unsigned.strip_prefix(symbol).unwrap_or(unsigned).trim_start();
    }
    let (whole, fraction) = match unsigned.rsplit_once(decimal.as_str()) {
        Some((whole, fraction)) => (whole, fraction),
        None => (unsigned, ""),
    };
    let whole = without_thousands(whole, decimal)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// The digits of the whole part; `None` where its separators do not part groups of three.
fn without_thousands(text: &str, decimal: Decimal) -> Option<String> {
    let is_space = |c: char| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '\u{2019}');
    let separator = text.chars().find(|c| !c.is_ascii_digit());
    let Some(separator) = separator else { return Some(text.to_owned()) };
    if separator != decimal.thousands() && !is_space(separator) {
        return None;
    }
    let groups: Vec<&str> = text.split(separator).collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    let (first, rest) = groups.split_first()?;
    let fits = (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3) && groups.iter().all(digits);
    fits.then(|| groups.concat())
}

/// What a column's values say about the way its numbers are written.
#[derive(Debug, Clone, Default)]
pub struct NumberVote {
    values: u64,
    point: u64,
    comma: u64,
    /// Values that are numbers both ways, and not the same.
    both: u64,
    hopeless: bool,
}

/// The way a column's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberFormat {
    /// The decimal separator.
    pub decimal: Decimal,
    /// True when no value tells: all that have a separator read both ways, as `1,234` does.
    pub doubt: bool,
    /// True when some value shows the separator.
    pub shown: bool,
}

impl NumberVote {
    const ENOUGH: u64 = 200;

    /// Takes a value that is not empty into account.
    pub fn add(&mut self, value: &str) {
        if self.hopeless {
            return;
        }
        self.values += 1;
        let (point, comma) = (plain(value, Decimal::Point), plain(value, Decimal::Comma));
        self.point += u64::from(point.is_some());
        self.comma += u64::from(comma.is_some());
        self.both += u64::from(point.is_some() && comma.is_some() && point != comma);
        self.hopeless = self.values == Self::ENOUGH && self.point.max(self.comma) * 2 < self.values;
    }

    /// How the numbers are written, where four values of five are numbers.
    pub fn decide(&self) -> Option<NumberFormat> {
        let most = self.point.max(self.comma);
        if self.hopeless || most == 0 || most * 5 < self.values * 4 {
            return None;
        }
        let decimal = if self.comma > self.point { Decimal::Comma } else { Decimal::Point };
        let tells = self.comma != self.point;
        Some(NumberFormat { decimal, doubt: !tells && self.both > 0, shown: tells || self.both > 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vote(values: &[&str]) -> Option<NumberFormat> {
        let mut vote = NumberVote::default();
        for value in values {
            vote.add(value);
        }
        vote.decide()
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("11.77", "11.77"),
            ("-1", "-1"),
            ("6,000,000", "6000000"),
            ("1 234.50", "1234.50"),
            ("$12", "12"),
            ("-$1,234.5", "-1234.5"),
            ("12.50 €", "12.50"),
            ("(12.50)", "-12.50"),
            (".5", "0.5"),
            ("1'234", "1234"),
        ] {
            assert_eq!(plain(text, Decimal::Point).as_deref(), Some(number), "{text}");
        }
        assert_eq!(plain("1.234.567,89", Decimal::Comma).as_deref(), Some("1234567.89"));
        assert_eq!(plain("R$ 1.234,00", Decimal::Comma).as_deref(), Some("1234.00"));
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for text in ["", "-", "1,5", "12,34,567", "1e5", "NaN", "--1", "5%", "1.2.3", "1,234,5", "0x1", "€", "(-1)"] {
            assert_eq!(plain(text, Decimal::Point), None, "{text}");
        }
        assert_eq!(plain("1.5", Decimal::Comma), None);
    }

    #[test]
    fn the_separator_of_a_column_is_found_or_told_to_be_in_doubt() {
        let of = |values: &[&str]| vote(values).map(|found| (found.decimal, found.doubt));
        assert_eq!(of(&["1,5", "2"]), Some((Decimal::Comma, false)));
        assert_eq!(of(&["1.234", "1.50"]), Some((Decimal::Point, false)));
        assert_eq!(of(&["1,234", "5,678"]), Some((Decimal::Point, true)));
        assert_eq!(of(&["1.234", "5.678,9"]), Some((Decimal::Comma, false)));
        assert_eq!(of(&["1", "2"]), Some((Decimal::Point, false)));
        assert_eq!(of(&["Galway", "2"]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_but_never_a_panic(text in ".{0,70}") {
            let mut vote = NumberVote::default();
            vote.add(&text);
            let _ = vote.decide();
        }

        #[test]
        fn a_number_is_read_exactly_whichever_way_it_is_written(minor in -10_000_000_000_i64..10_000_000_000) {
            let (sign, minor_abs) = (if minor < 0 { "-" } else { "" }, minor.abs());
            let mut whole = (minor_abs / 100).to_string();
            let cents = minor_abs % 100;
            let expected = format!("{sign}{whole}.{cents:02}");
            let mut at = whole.len();
            while at > 3 {
                at -= 3;
                whole.insert(at, ' ');
            }
            prop_assert_eq!(plain(&format!("{sign}{},{cents:02}", whole.replace(' ', ".")), Decimal::Comma), Some(expected.clone()));
            prop_assert_eq!(plain(&format!("{sign}{whole}.{cents:02}"), Decimal::Point), Some(expected));
        }
    }
}
