//! E-mail addresses.

use clientele_kernel::Error;
use clientele_kernel::error::shorten;
use email_address::{EmailAddress, Options};

/// Most characters an address has (RFC 5321).
const LONGEST: usize = 254;

/// An e-mail address that a mail server may be given, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Reads an address; the error names the field. Only `name@domain.tld` is taken: no display name, no quoted name,
    /// no address of a number.
    pub(crate) fn parse(text: &str, field: &str) -> Result<Self, Error> {
        let text = text.trim();
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let fits = text.len() <= LONGEST
            && !text.contains(['"', '\r', '\n', '\0', ' ', '<', '>'])
            && EmailAddress::parse_with_options(text, options).is_ok()
            && text.parse::<lettre::Address>().is_ok();
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(
                field,
                format!("`{}` is no e-mail address: one such as `ana@example.com` is wanted", shorten(text)),
            ))
        }
    }

    /// An address as it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// As it was typed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    pub(crate) fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// True where both are the same without regard to case.
    pub(crate) fn is(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.trim().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain_with_a_dot() {
        for right in ["ana@example.com", " Ana.B+c@Example.co.uk ", "josé@example.com", "иван@пример.рф"] {
            Address::parse(right, "to_address").unwrap();
        }
        for wrong in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@[127.0.0.1]",
            "Ana <ana@example.com>",
            "ana@example.com\r\nBcc: eve@example.com",
            "ana@exam ple.com",
            "a\0b@example.com",
            "\"a b\"@example.com",
        ] {
            let error = Address::parse(wrong, "to_address").unwrap_err();
            assert_eq!(error.violations[0].field, "to_address", "{wrong}");
        }
        assert!(Address::parse(&format!("{}@example.com", "a".repeat(300)), "to_address").is_err());
    }

    #[test]
    fn case_does_not_make_another_address() {
        assert!(Address::parse("Ana@Example.com", "to_address").unwrap().is("ana@example.COM "));
    }

    proptest! {
        #[test]
        fn no_text_that_is_taken_has_room_for_another_header(text in ".*") {
            if let Ok(address) = Address::parse(&text, "to_address") {
                prop_assert!(!address.as_str().contains(char::is_control));
            }
        }
    }
}
