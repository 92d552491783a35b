//! Phones and e-mail addresses: kept as they were typed, compared by a key.

use std::str::FromStr;

use clientele_kernel::error::shorten;
use clientele_kernel::{EmailId, Error, PhoneId, Violation, Violations, text};
use email_address::{EmailAddress, Options};
use phonenumber::Mode;

/// How many phones a customer may have.
pub(crate) const MOST_PHONES: usize = 500;
/// How many phones are shown unless all are asked for.
pub(crate) const SHOWN_PHONES: usize = 20;
/// How many e-mail addresses a customer may have.
pub(crate) const MOST_EMAILS: usize = 100;

/// The country whose dialling rules a number without a country code is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region(phonenumber::country::Id);

impl Region {
    /// Reads a two-letter country code, for instance `ES`; `None` for one that does not exist.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        phonenumber::country::Id::from_str(code).ok().map(Self)
    }
}

/// A phone number as it was typed, in E.164 form where it can be understood, with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhoneNumber {
    typed: String,
    e164: Option<String>,
    label: String,
}

impl PhoneNumber {
    /// Reads a number and its label; the error names `number` or `label`.
    pub(crate) fn try_new(number: &str, label: &str, region: Option<Region>) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let typed = violations.take("number", text::line(number, 50, "number")).unwrap_or_default();
        if violations.is_empty() {
            violations.require(typed.chars().count() >= 3 && typed.chars().any(char::is_numeric), || {
                let shown = shorten(&typed);
                let description = format!("`{shown}` is not a phone number: 3 to 50 characters with digits are wanted");
                Violation::new("number", description).because("PHONE_INVALID").with("value", shown)
            });
        }
        let label = violations.take("label", text::line(label, 50, "label"));
        violations.into_result()?;
        let e164 = e164(&typed, region);
        Ok(Self { typed, e164, label: label.unwrap_or_default() })
    }

    /// A number as it was stored.
    pub(crate) fn stored(typed: String, e164: Option<String>, label: String) -> Self {
        Self { typed, e164, label }
    }

    /// The number as it was typed.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// The number in E.164 form; `None` where it could not be understood.
    pub(crate) fn e164(&self) -> Option<&str> {
        self.e164.as_deref()
    }

    /// The type of phone; may be empty.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The same number under another label.
    pub(crate) fn labelled(&self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self.clone() }
    }

    /// What two phones are compared by: the E.164 form; else letters and digits as typed, marked so that the two
    /// never meet.
    pub(crate) fn key(&self) -> String {
        self.e164.clone().unwrap_or_else(|| {
            let plain = self.typed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
            std::iter::once('~').chain(plain).collect()
        })
    }

    /// The digits of the number, for search: of both forms, where one does not hold the other.
    pub(crate) fn digits(&self) -> impl Iterator<Item = String> {
        let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
        let international = self.e164.as_deref().map(digits);
        let typed = Some(digits(&self.typed))
            .filter(|typed| !international.as_ref().is_some_and(|whole| whole.contains(typed.as_str())));
        international.into_iter().chain(typed)
    }
}

/// The E.164 form. An international number (with `+` or `00`) is taken when its country exists and its length fits;
/// a national one only when the region's numbering plan knows it, for there a guess would join strangers.
fn e164(typed: &str, region: Option<Region>) -> Option<String> {
    let compact: String = typed
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2015}') && !c.is_whitespace())
        .collect();
    let international = compact.strip_prefix('+').or_else(|| compact.strip_prefix("00"));
    let digits = international.unwrap_or(&compact);
    if !(5..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = match (international, region) {
        (Some(digits), _) => phonenumber::parse(None, format!("+{digits}")).ok()?,
        (None, Some(Region(country))) => {
            phonenumber::parse(Some(country), digits).ok().filter(phonenumber::is_valid)?
        }
        (None, None) => return None,
    };
    let known = number.country().id().is_some() || phonenumber::is_valid(&number);
    let form = number.format().mode(Mode::E164).to_string();
    let length = form.len() - 1;
    (known && (7..=15).contains(&length)).then_some(form)
}

/// An e-mail address as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Reads an address; the error names `address`.
    pub(crate) fn try_new(address: &str) -> Result<Self, Error> {
        let typed = text::line(address, 254, "address")?;
        // The standard permits display names, quoted parts and literal IP addresses; nobody has a mailbox like that,
        // and what arrives in these forms is a mistake.
        let options = Options::default().without_display_text().without_domain_literal().with_minimum_sub_domains(2);
        match EmailAddress::parse_with_options(&typed, options) {
            Ok(parsed) if !parsed.local_part().starts_with('"') => Ok(Self(typed)),
            _ => {
                let shown = shorten(&typed);
                let description =
                    format!("`{shown}` is not an e-mail address: something like `name@example.com` is wanted");
                Err(Violation::new("address", description).because("EMAIL_INVALID").with("value", shown).into())
            }
        }
    }

    /// An address as it was stored.
    pub(crate) fn stored(typed: String) -> Self {
        Self(typed)
    }

    /// The address as it was typed.
    pub(crate) fn typed(&self) -> &str {
        &self.0
    }

    /// What two addresses are compared by: no mailbox of today tells upper from lower case.
    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// A phone of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phone {
    /// Its id, which stays when the number changes.
    pub(crate) id: PhoneId,
    /// The number.
    pub(crate) number: PhoneNumber,
}

/// An e-mail address of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email {
    /// Its id, which stays when the address changes.
    pub(crate) id: EmailId,
    /// The address.
    pub(crate) address: Address,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phone(typed: &str, region: &str) -> PhoneNumber {
        PhoneNumber::try_new(typed, "", Region::parse(region)).unwrap()
    }

    #[test]
    fn a_number_is_understood_in_the_ways_people_type_it() {
        for typed in ["+34 912 345 678", "0034912345678", "+34-912-345-678", "+34 (912) 345.678", "912 345 678"] {
            assert_eq!(phone(typed, "ES").e164(), Some("+34912345678"), "{typed}");
        }
        for typed in ["8 (912) 345-67-89", "+7 912 345 67 89", "89123456789"] {
            assert_eq!(phone(typed, "RU").e164(), Some("+79123456789"), "{typed}");
        }
        assert_eq!(phone("020 7946 0958", "GB").e164(), Some("+442079460958"));
    }

    #[test]
    fn the_region_s_trunk_prefix_is_not_cut_from_foreign_numbers() {
        assert_eq!(phone("+86 138 0013 8000", "RU").e164(), Some("+8613800138000"));
        assert_eq!(phone("+81 3 1234 5678", "RU").e164(), Some("+81312345678"));
    }

    #[test]
    fn what_cannot_be_understood_stays_as_typed() {
        for typed in ["912 345 678", "ask for Ana, 12", "+999 123 456 789", "+34 91 ext. 5"] {
            let phone = phone(typed, "");
            assert_eq!((phone.typed(), phone.e164()), (typed, None));
        }
        assert_eq!(phone("Ana 12-34", "").key(), phone("ana 1234", "").key());
    }

    #[test]
    fn a_number_needs_digits_and_a_fitting_length() {
        for typed in ["", "12", "---", "no number", &"1".repeat(51)] {
            assert_eq!(PhoneNumber::try_new(typed, "", None).unwrap_err().violations[0].field, "number", "{typed}");
        }
        assert_eq!(PhoneNumber::try_new("12345", &"x".repeat(51), None).unwrap_err().violations[0].field, "label");
    }

    #[test]
    fn the_digits_of_both_forms_are_searchable_once() {
        assert_eq!(phone("8 912 345-67-89", "RU").digits().collect::<Vec<_>>(), ["79123456789", "89123456789"]);
        assert_eq!(phone("912 345 678", "ES").digits().collect::<Vec<_>>(), ["34912345678"]);
    }

    #[test]
    fn addresses_need_a_mailbox_and_a_domain_with_a_dot() {
        for wrong in ["", "a", "a@b", "@b.com", "a@", "a b@c.com", "Ana <a@b.com>", "a@[127.0.0.1]", "\"a b\"@c.com"] {
            assert_eq!(Address::try_new(wrong).unwrap_err().violations[0].field, "address", "{wrong}");
        }
        for right in ["a@b.co", "john.o'neil+tag@mail.example.com", "иван@почта.рф", "UPPER@Example.COM"] {
            assert_eq!(Address::try_new(right).unwrap().typed(), right);
        }
    }

    #[test]
    fn addresses_compare_without_regard_to_case_and_keep_what_was_typed() {
        let (a, b) = (Address::try_new("Ana@Example.com").unwrap(), Address::try_new("ana@example.COM").unwrap());
        assert_eq!(a.key(), b.key());
        assert_ne!(a.typed(), b.typed());
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_an_error_but_never_a_panic(text in "[+0-9 ()a-z.,;=:/x\\-–]{0,60}", region in "ES|RU|US|IT|") {
            if let Ok(phone) = PhoneNumber::try_new(&text, "", Region::parse(&region)) {
                prop_assert!(!phone.key().is_empty() && phone.key().len() <= 300);
                if let Some(form) = phone.e164() {
                    prop_assert!(form.starts_with('+') && form[1..].bytes().all(|b| b.is_ascii_digit()));
                    // Its E.164 form is understood as itself, wherever it is read.
                    let again = e164(form, None);
                    prop_assert_eq!(again.as_deref(), Some(form));
                }
            }
        }

        #[test]
        fn any_text_is_an_address_or_an_error_but_never_a_panic(text in any::<String>()) {
            let _ = Address::try_new(&text);
        }
    }
}
