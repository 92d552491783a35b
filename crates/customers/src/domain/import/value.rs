//! The values of a row, by the fields they fill.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clientele_kernel::error::shorten;
use clientele_kernel::money::decimal;
use clientele_kernel::{Currency, Decimal, Error, Violation, Violations};
use clientele_tabular::{date, number};

use super::field::{self, Field, Type};
use super::{Import, Kind, RawRow, formula};

/// How the rows of an import are understood.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) kind: Kind,
    pub(crate) source: String,
    pub(crate) currency: Option<Currency>,
    pub(crate) order_status: String,
    /// Names the file where it names its rows.
    pub(crate) fingerprint: String,
    columns: Vec<(usize, &'static Field)>,
    width: usize,
    zone: Tz,
    decimal: number::Decimal,
    date_format: String,
}

/// The values of a row.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    reader: &'a Reader,
    pub(crate) line: u64,
    by_field: Vec<(&'static Field, &'a str)>,
}

impl Reader {
    /// Reads the rows of an import as it is mapped now; what was stored wrongly is a fault of ours.
    pub(crate) fn new(import: &Import) -> Result<Self, Error> {
        let format = &import.look.format;
        let wrong = |what: &str| Error::internal(format!("import {} has no valid {what}", import.id));
        let columns = import.look.columns.iter().enumerate();
        let columns = columns.filter_map(|(i, column)| Some((i, field::field(import.kind, &column.field)?))).collect();
        Ok(Self {
            kind: import.kind,
            source: import.source.clone(),
            currency: Currency::from_code(&format.currency),
            order_status: format.order_status.clone(),
            fingerprint: import.look.fingerprint.clone(),
            columns,
            width: import.look.columns.len(),
            zone: format.time_zone.parse().map_err(|_| wrong("time zone"))?,
            decimal: number::Decimal::parse(&format.decimal_separator).ok_or_else(|| wrong("decimal separator"))?,
            date_format: format.date_format.clone(),
        })
    }

    /// The values of a row; an error where it is none, or has another number of columns than the table.
    pub(crate) fn values<'a>(&'a self, row: &'a RawRow) -> Result<Values<'a>, Vec<Violation>> {
        if let Some(trouble) = row.trouble {
            let wrong = Violation::new("", trouble.describe()).because(trouble.reason());
            return Err(vec![match trouble.bound() {
                Some((name, most)) => wrong.with(name, most),
                None => wrong,
            }]);
        }
        let surplus = row.cells.get(self.width..).unwrap_or_default();
        if row.cells.len() < self.width || surplus.iter().any(|cell| !cell.trim().is_empty()) {
            let (found, wanted) = (row.cells.len(), self.width);
            let description = format!(
                "the row has {found} columns where the table has {wanted}: a delimiter or a quote may be missing"
            );
            let violation = Violation::new("", description).because("ROW_UNEVEN");
            return Err(vec![violation.with("found", found).with("wanted", wanted)]);
        }
        let values: Vec<_> = self.columns.iter().map(|(i, field)| (*field, plain(field, &row.cells[*i]))).collect();
        let mut v = Violations::new();
        for (field, value) in &values {
            v.require(!value.contains(char::REPLACEMENT_CHARACTER), || {
                let shown = shorten(value);
                let description = format!("`{shown}` holds bytes that are no text in the encoding the file is read in");
                Violation::new(field.name, description).because("BYTES_NO_TEXT").with("value", shown)
            });
        }
        if v.is_empty() { Ok(Values { reader: self, line: row.line, by_field: values }) } else { Err(v.into_inner()) }
    }
}

/// A value without white space around it; what databases write for nothing is nothing. In free text `Null` stays: people
/// and goods are called so.
fn plain<'a>(field: &Field, cell: &'a str) -> &'a str {
    let cell = formula::unmarked(cell.trim()).trim();
    let free = field.of_type == Type::Text
        && !field.repeated
        && !["external_id", "number", "email", "phone"].iter().any(|exact| field.name.ends_with(exact));
    if cell == "\\N" || !free && cell.eq_ignore_ascii_case("null") { "" } else { cell }
}

impl<'a> Values<'a> {
    /// How the rows are understood.
    pub(crate) fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// Whether a column fills the field.
    pub(crate) fn maps(&self, name: &str) -> bool {
        self.by_field.iter().any(|(field, _)| field.name == name)
    }

    /// The value of a field; empty where there is none.
    pub(crate) fn one(&self, name: &str) -> &'a str {
        self.by_field.iter().find(|(field, _)| field.name == name).map_or("", |(_, value)| value)
    }

    /// The value of a field as one line of text.
    pub(crate) fn line_of_text(&self, name: &str) -> String {
        self.one(name).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// All values of a field. Address books put several into one cell, parted by ` ::: ` or a semicolon.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let of_field = self.by_field.iter().filter(move |(field, _)| field.name == name);
        of_field
            .flat_map(|(_, value)| value.split(" ::: "))
            .flat_map(|value| value.split(';'))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// An id. Spreadsheets turn whole numbers into decimal ones: `17850.0` is `17850`.
    pub(crate) fn id(&self, name: &str) -> &'a str {
        let value = self.one(name);
        match value.strip_suffix(".0") {
            Some(whole) if !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) => whole,
            _ => value,
        }
    }

    /// A moment; `None` where there is none.
    pub(crate) fn moment(&self, name: &str, v: &mut Violations) -> Option<DateTime<Utc>> {
        let value = self.one(name);
        if value.is_empty() {
            return None;
        }
        let reader = self.reader;
        match date::parse(value, &reader.date_format, reader.zone) {
            Ok(moment) => Some(moment),
            Err(error) => {
                let shown = shorten(value);
                let violation = Violation::new(name, format!("`{shown}` {error}")).with("value", shown);
                v.note(match error {
                    date::DateError::Format(_) => violation.because("DATE_INVALID").with("format", &reader.date_format),
                    date::DateError::Gap(zone) => violation.because("DATE_IN_GAP").with("zone", zone),
                });
                None
            }
        }
    }

    /// A number with at most so many decimal places; `None` where there is none.
    pub(crate) fn number(&self, name: &str, places: u32, v: &mut Violations) -> Option<Decimal> {
        let value = self.one(name);
        if value.is_empty() {
            return None;
        }
        let read = number::plain(value, self.reader.decimal).and_then(|plain| decimal(&plain, places, name).ok());
        if read.is_none() {
            let separator = self.reader.decimal.as_str();
            let shown = shorten(value);
            let example = format!("12{separator}5");
            let description =
                format!("`{shown}` is not a number such as `{example}` with at most {places} decimal places");
            let violation = Violation::new(name, description).because("NUMBER_INVALID").with("value", shown);
            v.note(violation.with("example", example).with("places", places));
        }
        read
    }

    /// What the values mean, by field, as far as they can be understood: for a person to look at.
    pub(crate) fn understood(&self) -> BTreeMap<String, String> {
        let mut understood = BTreeMap::new();
        for (field, value) in self.by_field.iter().filter(|(_, value)| !value.is_empty()) {
            let mut v = Violations::new();
            let text = match field.of_type {
                Type::Date => {
                    self.moment(field.name, &mut v).map(|m| m.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
                }
                Type::Number => self.number(field.name, 6, &mut v).map(|number| self.amount(field, number)),
                Type::Text if field.repeated => Some(self.all(field.name).collect::<Vec<_>>().join(", ")),
                Type::Text if field.name.ends_with("external_id") => Some(self.id(field.name).to_owned()),
                Type::Text => Some((*value).to_owned()),
            };
            if let Some(text) = text {
                understood.insert(field.name.to_owned(), text);
            }
        }
        understood
    }

    fn amount(&self, field: &Field, number: Decimal) -> String {
        let said = self.one("order.currency");
        let currency = if said.is_empty() { self.reader.currency.map_or("", Currency::code) } else { said };
        if field.name == "line.quantity" || currency.is_empty() {
            number.to_string()
        } else {
            format!("{number} {currency}")
        }
    }
}
