//! One row of the file, checked.

use chrono::{DateTime, NaiveDateTime, Utc};
use clientele_kernel::money::decimal;
use clientele_tabular::{Record, date};
use serde::{Deserialize, Serialize};

use super::mapping::Mapping;

/// A row that can be imported. Text is kept as the file has it, trimmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) order: String,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: String,
    pub(crate) unit_price: String,
    pub(crate) customer: String,
    pub(crate) country: String,
}

impl Row {
    /// True when quantity and price are above zero.
    pub(crate) fn is_sale(&self) -> bool {
        let above = |text: &str| !text.starts_with('-') && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
        above(&self.quantity) && above(&self.unit_price)
    }
}

/// Why a row is not imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Line of the file, the header being line 1.
    pub(crate) line: u64,
    /// Header of the column; empty where the row as a whole is at fault.
    pub(crate) field: String,
    /// What stands there.
    pub(crate) value: String,
    /// What is wrong and what would be right.
    pub(crate) reason: String,
}

/// Where the columns are.
#[derive(Debug)]
pub(crate) struct Layout {
    order: usize,
    placed_at: usize,
    sku: usize,
    quantity: usize,
    unit_price: usize,
    name: Option<usize>,
    customer: Option<usize>,
    country: Option<usize>,
}

impl Layout {
    /// Finds the columns in the header; the error names those that are missing.
    pub(crate) fn find(header: &Record, mapping: &Mapping) -> Result<Self, Vec<String>> {
        let columns = &mapping.columns;
        let mut missing = Vec::new();
        let mut place = |name: &str| {
            let found = header.iter().position(|cell| cell.trim() == name);
            if found.is_none() {
                missing.push(name.to_owned());
            }
            found.unwrap_or_default()
        };
        let layout = Self {
            order: place(&columns.order),
            placed_at: place(&columns.placed_at),
            sku: place(&columns.sku),
            quantity: place(&columns.quantity),
            unit_price: place(&columns.unit_price),
            name: columns.name.as_deref().map(&mut place),
            customer: columns.customer.as_deref().map(&mut place),
            country: columns.country.as_deref().map(&mut place),
        };
        if missing.is_empty() { Ok(layout) } else { Err(missing) }
    }

    /// The order a row says it belongs to, whatever else is wrong with it.
    pub(crate) fn order<'a>(&self, record: &'a Record) -> &'a str {
        record.get(self.order).unwrap_or_default().trim()
    }

    /// Reads a row.
    pub(crate) fn read(&self, record: &Record, mapping: &Mapping) -> Result<Row, Refusal> {
        let columns = &mapping.columns;
        let line = record.line();
        let cell = |at: usize| record.get(at).unwrap_or_default().trim();
        let optional = |at: Option<usize>| at.map_or("", cell);
        let refuse = |field: &str, value: &str, reason: String| Refusal {
            line,
            field: field.to_owned(),
            value: clientele_kernel::error::shorten(value),
            reason,
        };
        let text = |field: &str, value: &str, most: usize, required: bool| {
            if required && value.is_empty() {
                return Err(refuse(field, value, "is empty".into()));
            }
            if value.chars().count() > most {
                return Err(refuse(field, value, format!("is longer than {most} characters")));
            }
            if value.chars().any(clientele_kernel::text::breaks_line) {
                return Err(refuse(field, value, "holds control characters".into()));
            }
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(refuse(
                    field,
                    value,
                    "holds bytes that are no text in the encoding the mapping names".into(),
                ));
            }
            Ok(value.to_owned())
        };

        let order = text(&columns.order, cell(self.order), 100, true)?;
        let sku = text(&columns.sku, cell(self.sku), 100, true)?;
        let placed = cell(self.placed_at);
        let placed_at = moment(placed, mapping).map_err(|reason| refuse(&columns.placed_at, placed, reason))?;
        let number = |field: &str, value: &str, places| match decimal(value, places, field) {
            Ok(number) => Ok(number),
            Err(_) if value.is_empty() => Err(refuse(field, value, "is empty".into())),
            Err(_) => {
                Err(refuse(field, value, format!("is not a number such as 12.5 with at most {places} decimal places")))
            }
        };
        let quantity = number(&columns.quantity, cell(self.quantity), 3)?;
        if quantity.is_zero() {
            return Err(refuse(&columns.quantity, cell(self.quantity), "is zero".into()));
        }
        let unit_price = number(&columns.unit_price, cell(self.unit_price), 6)?;
        let credit = is_credit_note(&order, mapping);
        if credit && !quantity.is_sign_negative() {
            let reason = "must be below zero: the order is a credit note, and says what came back".into();
            return Err(refuse(&columns.quantity, cell(self.quantity), reason));
        }
        if credit && (unit_price.is_sign_negative() || unit_price.is_zero()) {
            return Err(refuse(
                &columns.unit_price,
                cell(self.unit_price),
                "must be above zero in a credit note".into(),
            ));
        }
        let column = |name: &Option<String>| name.clone().unwrap_or_default();
        let customer = optional(self.customer);
        let customer = customer.strip_suffix(&mapping.rules.customer_suffix).unwrap_or(customer);
        Ok(Row {
            line,
            order,
            placed_at,
            sku,
            // Spreadsheets break long descriptions into lines: white space is one blank.
            name: text(
                &column(&columns.name),
                &optional(self.name).split_whitespace().collect::<Vec<_>>().join(" "),
                500,
                false,
            )?,
            quantity: quantity.to_string(),
            unit_price: unit_price.to_string(),
            customer: text(&column(&columns.customer), customer, 200, false)?,
            country: text(&column(&columns.country), optional(self.country), 100, false)?,
        })
    }
}

/// True when the order is a credit note by its number.
pub(crate) fn is_credit_note(order: &str, mapping: &Mapping) -> bool {
    let prefix = &mapping.rules.credit_note_prefix;
    !prefix.is_empty() && order.starts_with(prefix.as_str())
}

fn moment(text: &str, mapping: &Mapping) -> Result<DateTime<Utc>, String> {
    let formats = &mapping.rules.time_formats;
    let local =
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()).ok_or_else(|| {
            format!(
                "is not a time written as {}",
                formats.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(" or ")
            )
        })?;
    date::in_zone(local, mapping.zone).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_row_is_read_or_refused_by_the_name_of_a_column(
            cells in prop::array::uniform8("[0-9A-Z. -]{0,12}|.{0,30}|-?[0-9]{1,40}(\\.[0-9]{1,30})?|20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
        ) {
            match read(cells.each_ref().map(String::as_str)) {
                Ok(row) => prop_assert!(!row.order.is_empty() && !row.sku.is_empty()),
                Err(refusal) => prop_assert!(
                    ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
                        .contains(&refusal.field.as_str())
                ),
            }
        }
    }

    fn read(cells: [&str; 8]) -> Result<Row, Refusal> {
        let mapping = Mapping::open("online-retail").unwrap();
        let header =
            ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"];
        let layout = Layout::find(&header.into_iter().collect(), &mapping).unwrap();
        layout.read(&cells.into_iter().collect(), &mapping)
    }

    #[test]
    fn a_row_is_read_in_the_zone_of_its_source() {
        let row = read([
            "536365",
            "85123A",
            " WHITE\nHEART ",
            "6",
            "2011-07-01 08:26:00",
            "2.55",
            "17850.0",
            "United Kingdom",
        ])
        .unwrap();
        assert_eq!(row.placed_at, Utc.with_ymd_and_hms(2011, 7, 1, 7, 26, 0).unwrap());
        assert_eq!((row.customer.as_str(), row.name.as_str()), ("17850", "WHITE HEART"));
        assert!(row.is_sale());
    }

    #[test]
    fn each_wrong_cell_is_named_with_its_value() {
        let good = ["1", "A", "n", "6", "2011-07-01 08:26:00", "2.55", "", "Spain"];
        for (at, value, field) in [
            (0, "", "InvoiceNo"),
            (1, "", "StockCode"),
            (3, "six", "Quantity"),
            (3, "0", "Quantity"),
            (4, "yesterday", "InvoiceDate"),
            (4, "2011-03-27 01:30:00", "InvoiceDate"),
            (5, "1,5", "UnitPrice"),
            (5, "NaN", "UnitPrice"),
            (2, "a\u{0}b", "Description"),
            (6, "17\u{2028}850", "CustomerID"),
            (7, "Spa\u{2029}in", "Country"),
        ] {
            let mut cells = good;
            cells[at] = value;
            let refusal = read(cells).unwrap_err();
            assert_eq!((refusal.field.as_str(), refusal.line), (field, 1), "{value}");
        }
        let mut credit = good;
        credit[0] = "C1";
        assert_eq!(read(credit).unwrap_err().field, "Quantity");
    }

    #[test]
    fn what_is_no_sale_is_told_apart() {
        let of = |q: &str, p: &str| read(["1", "A", "n", q, "2011-07-01 08:26:00", p, "", ""]).unwrap().is_sale();
        assert!(of("1", "0.001"));
        assert!(!of("1", "0.0") && !of("-1", "2") && !of("1", "-11062.06"));
    }
}
