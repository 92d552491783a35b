//! Values that a spreadsheet would run: `=cmd|…` in somebody's name must do nothing on the machine of whoever opens the file
//! of refused rows.

/// The quote by which spreadsheets mark a value as text.
const MARK: char = '\'';

/// The value as it may stand in a file that a spreadsheet opens. What begins like a formula is marked as text; a plain
/// number or phone, which begins with a sign too, is left alone.
pub(crate) fn defused(mut value: String) -> String {
    if is_formula(&value) {
        value.insert(0, MARK);
    }
    value
}

/// The value without that mark: rows that were refused, mended and imported again have the values they had.
pub(crate) fn unmarked(value: &str) -> &str {
    value.strip_prefix(MARK).filter(|rest| is_formula(rest)).unwrap_or(value)
}

fn is_formula(value: &str) -> bool {
    match value.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => {
            !value.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',' | '(' | ')' | '-'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_marked_as_text() {
        for formula in ["=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "\t=1", "\r=1"] {
            assert_eq!(defused(formula.to_owned()), format!("'{formula}"));
        }
    }

    #[test]
    fn numbers_phones_and_plain_texts_stay_as_they_are() {
        for plain in ["", "Ana", "-20,00", "+34 910 000 201", "+1 (212) 555-0100", "- 5.5", "'=x", "O'Neil", "'quoted'"]
        {
            assert_eq!(defused(plain.to_owned()), plain);
        }
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was(value in "[-=+@'\t]{0,3}[a-z0-9 ]{0,5}") {
            prop_assume!(!value.starts_with('\'') || unmarked(&value) == value);
            let sent = defused(value.clone());
            prop_assert_eq!(unmarked(&sent), value);
        }
    }
}
