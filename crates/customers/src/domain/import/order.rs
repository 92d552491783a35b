//! Rows as orders: rows with the same number are one order, wherever in the file they stand.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{Currency, Decimal, Money, Reference, Violation, Violations, text};

use super::customer::Person;
use super::value::{Reader, Values};
use super::{RawRow, Refusal};
use crate::domain::contact::Region;

/// How many rows an order may have.
pub(crate) const MOST_LINES: usize = 2000;
/// The SKU of what a file sells without saying what it is.
const UNSPECIFIED: (&str, &str) = ("unspecified", "Unspecified goods");
/// The SKU of freight.
const FREIGHT: (&str, &str) = ("freight", "Freight");

/// An order that rows tell of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderDraft {
    /// The lines of the file it comes from, with what stands in them.
    pub(crate) rows: Vec<RawRow>,
    pub(crate) external_id: String,
    pub(crate) number: String,
    pub(crate) customer: Option<Person>,
    pub(crate) status: String,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: Decimal,
    pub(crate) unit_price: Decimal,
}

/// What a row of orders says.
struct OrderRow {
    number: String,
    customer: Option<Person>,
    status: String,
    placed_at: DateTime<Utc>,
    currency: Currency,
    total: Option<Money>,
    sku: String,
    name: String,
    quantity: Decimal,
    unit_price: Option<Decimal>,
    freight: Option<Decimal>,
}

/// Says which order a row belongs to: the first character tells apart orders that the file names from those that it does
/// not, each row of which is an order of its own, known by its customer and moment.
pub(crate) fn key(values: &Values<'_>) -> Result<String, Vec<Violation>> {
    // Composed, as orders keeps it: so it is found by it again.
    let id = text::line(id(values), Reference::LONGEST_ID, "order.number").map_err(|error| error.violations)?;
    if !id.is_empty() {
        return Ok(format!("n{id}"));
    }
    let mut v = Violations::new();
    let placed_at = values.moment("order.placed_at", &mut v);
    let names = ["customer.external_id", "customer.email", "customer.phone"];
    let customer = names.into_iter().map(|name| values.id(name)).find(|value| !value.is_empty());
    if values.maps("order.number") || values.maps("order.external_id") || customer.is_none() {
        let description = "is empty: which order the row belongs to is wanted";
        v.note(Violation::new("order.number", description).because("ORDER_UNNAMED"));
    }
    match (placed_at, customer) {
        (Some(placed_at), Some(customer)) if v.is_empty() => {
            let customer: String = customer.chars().filter(|c| !text::breaks_line(*c)).collect();
            let customer: String = text::composed(&customer).chars().take(150).collect();
            Ok(format!("d{}-{}", customer, compact(placed_at)))
        }
        (None, _) if v.is_empty() => Err(vec![empty("order.placed_at")]),
        _ => Err(v.into_inner()),
    }
}

fn compact(moment: DateTime<Utc>) -> String {
    let midnight = moment.time() == chrono::NaiveTime::MIN;
    if midnight { moment.format("%Y%m%d").to_string() } else { moment.to_rfc3339_opts(SecondsFormat::AutoSi, true) }
}

fn id<'a>(values: &Values<'a>) -> &'a str {
    match values.id("order.external_id") {
        "" => values.id("order.number"),
        id => id,
    }
}

/// A field that says nothing.
fn empty(field: &str) -> Violation {
    Violation::new(field, "is empty").because("VALUE_EMPTY")
}

/// A text that says too much.
fn too_long(field: &str, most: usize) -> Violation {
    Violation::new(field, format!("is longer than {most} characters")).because("VALUE_TOO_LONG").with("most", most)
}

/// An order of more rows, or lines, than an order may have.
fn too_many(description: String) -> Violation {
    Violation::new("order.number", description).because("ORDER_TOO_LARGE").with("most", MOST_LINES)
}

/// Puts the rows of one key together, in the order of the file. An order is taken whole or not at all.
pub(crate) fn assemble(
    reader: &Reader,
    key: &str,
    rows: Vec<RawRow>,
    region: Option<Region>,
) -> Vec<Result<OrderDraft, Vec<Refusal>>> {
    if let Some(id) = key.strip_prefix('n') {
        return vec![one(reader, id, rows, region)];
    }
    let id = key.get(1..).unwrap_or_default();
    let numbered = rows.into_iter().enumerate().map(|(i, row)| {
        let id = if i == 0 { id.to_owned() } else { format!("{id}-{}", i + 1) };
        one(reader, &id, vec![row], region)
    });
    numbered.collect()
}

fn one(reader: &Reader, id: &str, rows: Vec<RawRow>, region: Option<Region>) -> Result<OrderDraft, Vec<Refusal>> {
    if rows.len() > MOST_LINES {
        let description = format!("the order has more than {MOST_LINES} rows: at most so many can be taken");
        return Err(whole(rows, &too_many(description)));
    }
    let mut read = Vec::with_capacity(rows.len());
    let mut broken: Vec<(u64, Vec<Violation>)> = Vec::new();
    for row in &rows {
        match reader.values(row).and_then(|values| order_row(&values, region)) {
            Ok(row) => read.push(row),
            Err(violations) => broken.push((row.line, violations)),
        }
    }
    if let Some((first, _)) = broken.first() {
        let description = format!("belongs to an order of which line {first} is refused: an order is taken whole");
        let because = Violation::new("order.number", description).because("ORDER_BROKEN").with("line", first);
        let of_line = |line: u64| broken.iter().find(|(broken, _)| *broken == line).map(|(_, why)| why.clone());
        let refusal = |row: RawRow| Refusal {
            line: row.line,
            violations: of_line(row.line).unwrap_or_else(|| vec![because.clone()]),
            cells: row.cells,
        };
        return Err(rows.into_iter().map(refusal).collect());
    }
    match together(reader, id, &read) {
        Ok(draft) => Ok(OrderDraft { rows, ..draft }),
        Err(violation) => Err(whole(rows, &violation)),
    }
}

fn whole(rows: Vec<RawRow>, violation: &Violation) -> Vec<Refusal> {
    let refusal = |row: RawRow| Refusal { line: row.line, violations: vec![violation.clone()], cells: row.cells };
    rows.into_iter().map(refusal).collect()
}

/// The rows of an order as one; `rows` of the draft are left empty.
fn together(reader: &Reader, id: &str, rows: &[OrderRow]) -> Result<OrderDraft, Violation> {
    let Some(first) = rows.first() else { return Err(empty("order.number")) };
    let disagree = |field: &str, what: &str| {
        let shown = shorten(id);
        let description = format!("the rows of order `{shown}` name different {what}");
        Violation::new(field, description).because("ORDER_ROWS_DIFFER").with("order", shown)
    };
    let agreed = |field: &str, what: &str, of: fn(&OrderRow) -> &str| -> Result<String, Violation> {
        let values: BTreeSet<&str> = rows.iter().map(of).filter(|value| !value.is_empty()).collect();
        if values.len() > 1 {
            Err(disagree(field, what))
        } else {
            Ok(values.first().copied().unwrap_or_default().to_owned())
        }
    };
    let number = agreed("order.number", "numbers", |row| &row.number)?;
    let status = agreed("order.status", "statuses", |row| &row.status)?;
    agreed("order.currency", "currencies", |row| row.currency.code())?;
    let mut people = rows.iter().filter_map(|row| row.customer.as_ref());
    let customer = people.next();
    let same = |other: &Person| {
        customer.is_some_and(|customer| {
            customer.reference == other.reference
                && customer.draft.emails == other.draft.emails
                && customer.draft.phones == other.draft.phones
        })
    };
    if !people.all(same) {
        return Err(disagree("customer.external_id", "customers"));
    }
    let totals: BTreeSet<i64> = rows.iter().filter_map(|row| row.total).map(|total| total.minor).collect();
    if totals.len() > 1 {
        return Err(disagree("order.total", "totals"));
    }
    let total = rows.iter().find_map(|row| row.total);
    Ok(OrderDraft {
        rows: Vec::new(),
        external_id: id.to_owned(),
        number,
        customer: customer.cloned(),
        status: if status.is_empty() { reader.order_status.clone() } else { status },
        // The earliest: a till that writes a row for each article writes later moments too.
        placed_at: rows.iter().map(|row| row.placed_at).min().unwrap_or(first.placed_at),
        currency: first.currency,
        lines: lines(rows, first.currency, total)?,
    })
}

fn lines(rows: &[OrderRow], currency: Currency, total: Option<Money>) -> Result<Vec<Line>, Violation> {
    let priced = rows.iter().all(|row| row.unit_price.is_some());
    let mut lines: Vec<Line> = Vec::with_capacity(rows.len() + 1);
    let freight: Decimal = rows.iter().filter_map(|row| row.freight).sum();
    let beyond = |field: &str| Violation::new(field, "the amount is too large").because("AMOUNT_TOO_LARGE");
    if priced {
        lines.extend(rows.iter().map(|row| row.line_at(row.quantity, row.unit_price.unwrap_or_default())));
    } else {
        let Some(total) = total else {
            let description = "is empty: a price of each line or a total of the order is wanted";
            return Err(Violation::new("line.unit_price", description).because("PRICE_MISSING"));
        };
        let [row] = rows else {
            let description = "the order has several rows: a price of each is wanted, a total does not tell them";
            return Err(Violation::new("line.unit_price", description).because("PRICES_MISSING"));
        };
        let goods = total.major() - freight;
        // The price of a piece may need more decimal places than there are: then the amount counts, not the pieces.
        let each = goods.checked_div(row.quantity).map(|each| each.round_dp(6).normalize());
        let exact = each.filter(|each| {
            Money::of_product(row.quantity, *each, currency).is_ok_and(|amount| amount.major() == goods)
        });
        lines.push(match exact {
            Some(each) => row.line_at(row.quantity, each),
            None => row.line_at(Decimal::ONE, goods.normalize()),
        });
    }
    if !freight.is_zero() {
        let (sku, name) = FREIGHT;
        lines.push(Line {
            sku: sku.to_owned(),
            name: name.to_owned(),
            quantity: Decimal::ONE,
            unit_price: freight.normalize(),
        });
    }
    if lines.len() > MOST_LINES {
        return Err(too_many(format!("the order has more than {MOST_LINES} lines")));
    }
    if let (true, Some(total)) = (priced, total) {
        let amounts = lines.iter().map(|line| Money::of_product(line.quantity, line.unit_price, currency));
        let amounts = amounts.collect::<Result<Vec<_>, _>>().map_err(|_| beyond("line.unit_price"))?;
        let sum = Money::sum(amounts, currency).map_err(|_| beyond("line.unit_price"))?;
        if sum != total {
            let description =
                format!("is {total}, but the lines make {sum}: leave out one of the two, or map what is between them");
            let violation = Violation::new("order.total", description).because("TOTAL_DIFFERS");
            return Err(violation.with("total", total).with("sum", sum));
        }
    }
    Ok(lines)
}

impl OrderRow {
    fn line_at(&self, quantity: Decimal, unit_price: Decimal) -> Line {
        Line { sku: self.sku.clone(), name: self.name.clone(), quantity, unit_price }
    }
}

/// Reads a row; all that is wrong with it is told at once.
fn order_row(values: &Values<'_>, region: Option<Region>) -> Result<OrderRow, Vec<Violation>> {
    let mut v = Violations::new();
    let placed_at = values.moment("order.placed_at", &mut v);
    v.require(placed_at.is_some() || !values.one("order.placed_at").is_empty(), || empty("order.placed_at"));
    let currency = match values.one("order.currency") {
        "" => values.reader().currency,
        code => v.take("order.currency", Currency::parse(&code.to_uppercase(), "order.currency")),
    };
    v.require(currency.is_some() || !values.one("order.currency").is_empty(), || empty("order.currency"));
    let exponent = currency.map_or(2, Currency::exponent);
    let total = values.number("order.total", exponent, &mut v);
    let unit_price = values.number("line.unit_price", 6, &mut v);
    let freight = values.number("line.freight", exponent, &mut v);
    let has_quantity = values.maps("line.quantity");
    let quantity = values.number("line.quantity", 3, &mut v);
    if has_quantity && values.one("line.quantity").is_empty() {
        v.note(empty("line.quantity"));
    }
    v.require(!quantity.is_some_and(|quantity| quantity.is_zero()), || {
        Violation::new("line.quantity", "is zero").because("QUANTITY_ZERO")
    });
    let customer = Person::of_order(values, region, &mut v);
    let (sku, name) = article(values, &mut v);
    let number = values.id("order.number").to_owned();
    v.require(number.chars().count() <= 100, || too_long("order.number", 100));
    let total = match (total, currency) {
        (Some(total), Some(currency)) => match Money::of_product(total, Decimal::ONE, currency) {
            Ok(total) => Some(total),
            Err(error) => {
                v.note(Violation::new("order.total", error.to_string()).because("AMOUNT_TOO_LARGE"));
                None
            }
        },
        _ => None,
    };
    match (placed_at, currency) {
        (Some(placed_at), Some(currency)) if v.is_empty() => Ok(OrderRow {
            number,
            customer,
            status: values.line_of_text("order.status"),
            placed_at,
            currency,
            total,
            sku,
            name,
            quantity: quantity.unwrap_or(Decimal::ONE),
            unit_price,
            freight,
        }),
        _ => Err(v.into_inner()),
    }
}

/// What is sold: the SKU, or the name where the file has no SKUs, or goods that nobody names.
fn article(values: &Values<'_>, v: &mut Violations) -> (String, String) {
    let (sku, name) = (values.line_of_text("line.sku"), values.line_of_text("line.name"));
    v.require(name.chars().count() <= 500, || too_long("line.name", 500));
    if values.maps("line.sku") {
        v.require((1..=100).contains(&sku.chars().count()), || {
            let shown = shorten(&sku);
            let description = format!("`{shown}` is no SKU: 1 to 100 characters are wanted");
            let reason = if sku.is_empty() { "VALUE_EMPTY" } else { "SKU_INVALID" };
            Violation::new("line.sku", description).because(reason).with("value", shown)
        });
        (sku, name)
    } else if name.is_empty() {
        (UNSPECIFIED.0.to_owned(), UNSPECIFIED.1.to_owned())
    } else {
        (name.chars().take(100).collect(), name)
    }
}

/// What is wrong with a row by itself; `None` when nothing is.
pub(crate) fn row_violations(values: &Values<'_>, region: Option<Region>) -> Option<Vec<Violation>> {
    let mut violations = order_row(values, region).err().unwrap_or_default();
    for violation in key(values).err().unwrap_or_default() {
        if !violations.iter().any(|known| known.field == violation.field) {
            violations.push(violation);
        }
    }
    (!violations.is_empty()).then_some(violations)
}
