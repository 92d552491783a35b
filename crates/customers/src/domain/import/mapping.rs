//! What the columns mean: suggested by their headers and values, checked before a run.

use std::collections::HashMap;

use clientele_kernel::{Error, Violation, Violations};
use clientele_tabular::survey::Survey;

use super::field::{self, Type, fields, fit, fold};
use super::{Column, Format, Import, Kind, Look, Shown, Warning};

/// The columns of a file with the fields they probably fill.
pub(crate) fn suggest(kind: Kind, survey: &Survey) -> Vec<Column> {
    let mut columns: Vec<Column> = survey
        .columns
        .iter()
        .enumerate()
        .map(|(i, column)| Column {
            name: if column.name.is_empty() { format!("Column {}", i + 1) } else { shown(&column.name) },
            field: String::new(),
            samples: column.samples.iter().map(|sample| shown(sample)).collect(),
            date: column
                .date()
                .map(|found| Shown { way: found.format.to_owned(), doubt: found.doubt.unwrap_or_default().to_owned() }),
            decimal: column.number().filter(|found| found.shown).map(|found| Shown {
                way: found.decimal.as_str().to_owned(),
                doubt: if found.doubt { ",".to_owned() } else { String::new() },
            }),
        })
        .collect();
    let headers: Vec<String> = survey.columns.iter().map(|column| fold(&column.name)).collect();
    for field in fields(kind) {
        let mut fitting: Vec<(usize, usize)> = headers
            .iter()
            .enumerate()
            .filter(|(i, header)| columns[*i].field.is_empty() && !header.is_empty())
            .filter_map(|(i, header)| fit(field, header).map(|rank| (rank, i)))
            .collect();
        fitting.sort_unstable();
        if !field.repeated {
            fitting.truncate(1);
        }
        for (_, i) in fitting {
            field.name.clone_into(&mut columns[i].field);
        }
    }
    // What no header tells, values may: e-mail addresses look like nothing else.
    for (column, found) in columns.iter_mut().zip(&survey.columns) {
        if column.field.is_empty() && found.filled > 0 && found.emails * 10 >= found.filled * 8 {
            let name = if kind == Kind::Customers { "email" } else { "customer.email" };
            name.clone_into(&mut column.field);
        }
    }
    // A whole name makes its parts superfluous only where there are none.
    if columns.iter().any(|column| column.field == "first_name" || column.field == "last_name") {
        columns.iter_mut().filter(|column| column.field == "name").for_each(|column| column.field.clear());
    }
    columns
}

/// What is shown of a value: nothing that spoils a page.
fn shown(value: &str) -> String {
    value.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How dates and numbers are probably written: as the columns show that hold them, those that are used first.
pub(crate) fn ways(kind: Kind, columns: &[Column], format: &mut Format) {
    let used = |of_type: Type| {
        move |column: &&Column| field::field(kind, &column.field).is_some_and(|field| field.of_type == of_type)
    };
    let dates = columns.iter().filter(used(Type::Date)).chain(columns).find_map(|column| column.date.as_ref());
    format.date_format = dates.map(|shown| shown.way.clone()).unwrap_or_default();
    let numbers = columns.iter().filter(used(Type::Number)).filter_map(|column| column.decimal.as_ref());
    let (sure, unsure): (Vec<_>, Vec<_>) = numbers.partition(|shown| shown.doubt.is_empty());
    let decimal = sure.first().or(unsure.first()).map_or(".", |shown| shown.way.as_str());
    decimal.clone_into(&mut format.decimal_separator);
}

/// What is in doubt about the columns that are used, unless a person has said how they are written.
pub(crate) fn doubts(look: &Look) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if look.said {
        return warnings;
    }
    let sure_number =
        look.columns.iter().filter_map(|column| column.decimal.as_ref()).any(|shown| shown.doubt.is_empty());
    for column in look.columns.iter().filter(|column| !column.field.is_empty()) {
        let of_type = [Kind::Customers, Kind::Orders]
            .into_iter()
            .find_map(|kind| field::field(kind, &column.field))
            .map(|field| field.of_type);
        let in_doubt = |shown: &Option<Shown>| shown.as_ref().is_some_and(|shown| !shown.doubt.is_empty());
        if of_type == Some(Type::Date) && in_doubt(&column.date) {
            let description = "every date in this column can be read day first or month first: day first is taken until you say which";
            warnings.push(Warning::new("DATE_FORMAT_AMBIGUOUS", description).of_column(&column.name));
        }
        if of_type == Some(Type::Number) && in_doubt(&column.decimal) && !sure_number {
            let description = "these numbers can be read with a decimal point or with a decimal comma: a point is taken until \
                               you say which";
            warnings.push(Warning::new("DECIMAL_AMBIGUOUS", description).of_column(&column.name));
        }
    }
    warnings
}

/// What a person has to decide before a run may write anything: a guess that is wrong would be written a million times.
pub(crate) fn undecided(look: &Look) -> Vec<Violation> {
    doubts(look)
        .into_iter()
        .map(|doubt| {
            let field =
                if doubt.reason == "DATE_FORMAT_AMBIGUOUS" { "format.date_format" } else { "format.decimal_separator" };
            let description = format!(
                "{} in column `{}`: set it, or send the format as it is to say that it is right",
                doubt.reason,
                super::shown(&doubt.column)
            );
            Violation::new(field, description)
        })
        .collect()
}

/// Takes over the fields that were said for columns; the error names `columns[i].field`.
pub(crate) fn assign(kind: Kind, columns: &mut [Column], said: &[String]) -> Result<(), Error> {
    let mut v = Violations::new();
    v.check(said.len() == columns.len(), "columns", || {
        format!("has {} entries where the file has {} columns: send all of them in order", said.len(), columns.len())
    });
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (i, name) in said.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let path = format!("columns[{i}].field");
        match field::field(kind, name) {
            None => {
                v.push(path, format!("`{}` is no field: leave it empty to pass over the column", super::shown(name)));
            }
            Some(field) if field.repeated => {}
            Some(_) => {
                if let Some(first) = taken.insert(name, i) {
                    v.push(path, format!("is filled by column {} already: one column only can fill it", first + 1));
                }
            }
        }
    }
    v.into_result()?;
    for (column, name) in columns.iter_mut().zip(said) {
        column.field.clone_from(name);
    }
    Ok(())
}

/// Whether a field must be filled.
pub(crate) fn is_required(name: &str) -> bool {
    matches!(name, "order.placed_at")
}

/// What the mapping lacks before it can be run.
pub(crate) fn missing(import: &Import) -> Vec<Violation> {
    let has = |name: &str| import.look.columns.iter().any(|column| column.field == name);
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let mut missing = Vec::new();
    let mut lacks = |field: &str, reason: &'static str, description: &str| {
        missing.push(Violation::new(field, description).because(reason));
    };
    if import.look.total_rows == 0 {
        lacks("file", "FILE_WITHOUT_ROWS", "has no rows");
    }
    match import.kind {
        Kind::Customers => {
            if !any(&["name", "first_name", "last_name", "email", "phone", "external_id"]) {
                lacks(
                    "columns",
                    "COLUMNS_NAME_NOBODY",
                    "none says who the customers are: a name, an e-mail, a phone or an id is wanted",
                );
            }
        }
        Kind::Orders => {
            if !has("order.placed_at") {
                lacks("order.placed_at", "DATE_UNMAPPED", "no column says when the order was placed");
            }
            if !any(&["order.number", "order.external_id", "customer.external_id", "customer.email", "customer.phone"])
            {
                lacks("order.number", "ORDER_UNMAPPED", "no column says which order a row belongs to, nor whose it is");
            }
            if any(&["customer.name", "customer.country"])
                && !any(&["customer.external_id", "customer.email", "customer.phone"])
            {
                lacks(
                    "customer.external_id",
                    "NAME_ALONE",
                    "a name alone does not tell whose an order is: an id, an e-mail or a phone is wanted",
                );
            }
            if !any(&["order.total", "line.unit_price"]) {
                lacks(
                    "line.unit_price",
                    "AMOUNT_UNMAPPED",
                    "no column says what was paid: a price of each line or a total of each order is wanted",
                );
            }
            if !has("order.currency") && import.look.format.currency.is_empty() {
                lacks("format.currency", "CURRENCY_UNMAPPED", "no column says the currency: say which it is");
            }
        }
    }
    missing
}
