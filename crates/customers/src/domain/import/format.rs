//! How a file is read.

use clientele_kernel::{Error, Violations};
use clientele_tabular as tabular;
use serde::{Deserialize, Serialize};

use super::shown;

/// What parts the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Delimiter {
    #[default]
    Comma,
    Semicolon,
    Tab,
    Pipe,
    Spaces,
}

impl Delimiter {
    /// For reading.
    pub(crate) const fn tabular(self) -> tabular::Delimiter {
        match self {
            Self::Comma => tabular::Delimiter::COMMA,
            Self::Semicolon => tabular::Delimiter::SEMICOLON,
            Self::Tab => tabular::Delimiter::TAB,
            Self::Pipe => tabular::Delimiter::PIPE,
            Self::Spaces => tabular::Delimiter::Spaces,
        }
    }

    /// As it was found.
    pub(crate) fn found(delimiter: tabular::Delimiter) -> Self {
        [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe, Self::Spaces]
            .into_iter()
            .find(|known| known.tabular() == delimiter)
            .unwrap_or_default()
    }
}

/// How the file is read.
#[expect(clippy::struct_field_names, reason = "the fields are named as in the contract")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Format {
    /// WHATWG name.
    pub(crate) encoding: String,
    pub(crate) delimiter: Delimiter,
    pub(crate) has_header: bool,
    pub(crate) skip_lines: u32,
    /// In the manner of strftime; empty for ISO 8601.
    pub(crate) date_format: String,
    /// `.` or `,`.
    pub(crate) decimal_separator: String,
    /// IANA name.
    pub(crate) time_zone: String,
    /// ISO 4217 code; empty where nobody has said it.
    pub(crate) currency: String,
    /// Status of orders that say none.
    pub(crate) order_status: String,
}

/// Checks what was said about the way a file is read; the error names each wrong field. Encoding may be empty: to be
/// found out.
pub(crate) fn check_format(format: &Format) -> Result<(), Error> {
    let mut v = Violations::new();
    v.check(format.encoding.is_empty() || encoding(&format.encoding).is_some(), "encoding", || {
        format!("`{}` is no encoding: a name such as `UTF-8` or `windows-1251` is wanted", shown(&format.encoding))
    });
    v.check(u64::from(format.skip_lines) <= tabular::sniff::MOST_SKIPPED, "skip_lines", || {
        format!("`{}` is too many: at most {} are wanted", format.skip_lines, tabular::sniff::MOST_SKIPPED)
    });
    v.check(format.date_format.len() <= 60 && tabular::date::is_format(&format.date_format), "date_format", || {
        format!(
            "`{}` tells no day, month and year: something like `%d.%m.%Y` is wanted, or nothing for ISO 8601",
            shown(&format.date_format)
        )
    });
    v.check(tabular::number::Decimal::parse(&format.decimal_separator).is_some(), "decimal_separator", || {
        format!("`{}` is no decimal separator: `.` or `,` is wanted", shown(&format.decimal_separator))
    });
    v.check(format.time_zone.parse::<chrono_tz::Tz>().is_ok(), "time_zone", || {
        format!("`{}` is no time zone: an IANA name such as `Europe/Madrid` is wanted", shown(&format.time_zone))
    });
    v.check(
        format.currency.is_empty() || clientele_kernel::Currency::from_code(&format.currency).is_some(),
        "currency",
        || format!("`{}` is no ISO 4217 currency code, for instance `EUR`", shown(&format.currency)),
    );
    let code = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    v.check(
        (1..=50).contains(&format.order_status.len()) && format.order_status.bytes().all(code),
        "order_status",
        || format!("`{}` is no code of a status: something like `completed` is wanted", shown(&format.order_status)),
    );
    v.into_result()
}

/// The encoding of a name, if it is one that texts are written in.
pub(crate) fn encoding(name: &str) -> Option<&'static encoding_rs::Encoding> {
    encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())
}
