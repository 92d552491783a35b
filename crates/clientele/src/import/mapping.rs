//! How the columns of a file are read. A mapping is a TOML file, or one of those that come with the program.

use std::path::Path;

use chrono_tz::Tz;
use clientele_kernel::{Currency, Error, Violations};
use encoding_rs::Encoding;
use serde::Deserialize;

const ONLINE_RETAIL: &str = include_str!("../../mappings/online_retail.toml");

/// The mappings that come with the program.
pub(crate) const BUILT_IN: [(&str, &str); 1] = [("online-retail", ONLINE_RETAIL)];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    source: String,
    zone: String,
    currency: String,
    status: String,
    file: File,
    columns: Columns,
    #[serde(default)]
    rules: Rules,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "utf8")]
    encoding: String,
    #[serde(default = "comma")]
    delimiter: String,
}

fn utf8() -> String {
    "utf-8".into()
}

fn comma() -> String {
    ",".into()
}

/// Headers of the columns, by what they mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Columns {
    pub(crate) order: String,
    pub(crate) placed_at: String,
    pub(crate) sku: String,
    pub(crate) quantity: String,
    pub(crate) unit_price: String,
    pub(crate) name: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) country: Option<String>,
}

/// What is particular to the source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    pub(crate) time_formats: Vec<String>,
    pub(crate) credit_note_prefix: String,
    pub(crate) customer_suffix: String,
}

/// A mapping, checked.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) source: String,
    pub(crate) zone: Tz,
    pub(crate) currency: Currency,
    pub(crate) status: String,
    pub(crate) encoding: &'static Encoding,
    pub(crate) delimiter: u8,
    pub(crate) columns: Columns,
    pub(crate) rules: Rules,
    /// The text it was read from: part of an import's identity.
    pub(crate) text: String,
}

impl Mapping {
    /// The mapping of this name, else of this file.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
            let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            Error::invalid(
                "mapping",
                format!("`{name}` is neither a file that can be read ({error}) nor a mapping that comes with the program ({})", known.join(", ")),
            )
        })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let document: Document = toml::from_str(text)
            .map_err(|error| Error::invalid("mapping", error.to_string().trim().replace('\n', " ")))?;
        let Document { source, zone, currency, status, file, columns, mut rules } = document;
        let mut wrong = Violations::new();
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        wrong.check((1..=64).contains(&source.len()) && source.chars().all(named), "source", || {
            format!("`{source}` is no name of a source: 1 to 64 characters of a-z 0-9 . _ - are wanted")
        });
        let parsed_zone = zone
            .parse::<Tz>()
            .map_err(|_| Error::invalid("zone", format!("`{zone}` is no IANA time zone, for instance Europe/Madrid")));
        let zone = wrong.take("zone", parsed_zone);
        let currency = wrong.take("currency", Currency::parse(&currency, "currency"));
        let encoding = Encoding::for_label(file.encoding.as_bytes());
        wrong.check(encoding.is_some(), "file.encoding", || {
            format!("`{}` is no encoding, for instance utf-8 or windows-1252", file.encoding)
        });
        let delimiter = match file.delimiter.as_bytes() {
            [one] => Some(*one),
            _ => None,
        };
        wrong.check(delimiter.is_some(), "file.delimiter", || {
            format!("`{}` is no delimiter: one ASCII character is wanted", file.delimiter)
        });
        if rules.time_formats.is_empty() {
            rules.time_formats = vec!["%Y-%m-%d %H:%M:%S".into()];
        }
        match (zone, currency, encoding, delimiter) {
            (Some(zone), Some(currency), Some(encoding), Some(delimiter)) if wrong.is_empty() => {
                Ok(Self { source, zone, currency, status, encoding, delimiter, columns, rules, text: text.to_owned() })
            }
            _ => Err(Error::invalid_all(wrong.into_inner()).within("mapping")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mappings_that_come_with_the_program_are_valid() {
        for (name, _) in BUILT_IN {
            Mapping::open(name).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_in_a_mapping_is_named() {
        let text = ONLINE_RETAIL.replace("Europe/London", "London").replace("GBP", "Pounds");
        let error = Mapping::parse(&text).unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["mapping.zone", "mapping.currency"]);
        assert!(Mapping::parse("surprise = 1").unwrap_err().message.contains("surprise"));
        assert!(Mapping::open("no-such-mapping").unwrap_err().message.contains("online-retail"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_mapping_or_refused_by_what_is_wrong_in_it(
            text in any::<String>(), line in 0..60_usize, instead in "[a-z_]{0,12} = (\"\\PC{0,12}\"|-?[0-9]{1,20}|\\[\\]|\\{\\})|\\[\\[?[a-z]{1,8}\\]|\\PC{0,20}",
        ) {
            let mut lines: Vec<_> = ONLINE_RETAIL.lines().collect();
            let place = line % lines.len();
            lines[place] = &instead;
            for text in [text.as_str(), &lines.join("\n")] {
                match Mapping::parse(text) {
                    Ok(mapping) => prop_assert_eq!(mapping.text, text),
                    Err(error) => prop_assert!(error.violations.iter().all(|wrong| wrong.field.starts_with("mapping")), "{:?}", error),
                }
            }
        }
    }
}
