//! An order's rows as the message that is sent.

use std::collections::BTreeSet;

use clientele_contracts::orders::v1::{CreditNote, Order, OrderLine};
use clientele_contracts::platform::v1::ExternalReference;
use clientele_platform::proto;

use super::mapping::Mapping;
use super::row::{Refusal, Row, is_credit_note};

/// What an order's rows come to.
pub(crate) enum Document {
    Order(Box<Order>),
    CreditNote(Box<CreditNote>),
}

/// Most lines an order may have.
const MOST_LINES: usize = 2_000;

/// Puts the rows of one order together. It is placed at the moment of its earliest row. Exact duplicates are lines of
/// their own: a till writes the same article twice when it is scanned twice.
pub(crate) fn assemble(
    number: &str,
    rows: &[Row],
    mapping: &Mapping,
    customer_id: impl Fn(&str) -> Option<String>,
) -> Result<Document, Refusal> {
    let line = rows.first().map_or(0, |row| row.line);
    let refuse = |field: &Option<String>, value: String, reason: &str| Refusal {
        line,
        field: field.clone().unwrap_or_default(),
        value,
        reason: reason.to_owned(),
    };
    let customers: BTreeSet<&str> = rows.iter().map(|row| row.customer.as_str()).collect();
    let customer = match customers.iter().copied().collect::<Vec<_>>().as_slice() {
        [one] => *one,
        several => {
            let reason = format!("the rows of order {number} name different customers, or some none");
            return Err(refuse(&mapping.columns.customer, several.join(", "), &reason));
        }
    };
    if rows.len() > MOST_LINES {
        let reason = format!("the order has {} rows: at most {MOST_LINES} can be taken", rows.len());
        return Err(refuse(&Some(mapping.columns.order.clone()), number.to_owned(), &reason));
    }
    let customer_id = if customer.is_empty() {
        String::new()
    } else {
        customer_id(customer).ok_or_else(|| {
            refuse(&mapping.columns.customer, customer.to_owned(), "the customer of this order was refused")
        })?
    };
    let reference = Some(ExternalReference { source: mapping.source.clone(), external_id: number.to_owned() });
    let placed_at = rows.iter().map(|row| row.placed_at).min().map(proto::timestamp);
    let currency = mapping.currency.code().to_owned();
    let credit = is_credit_note(number, mapping);
    let lines = rows
        .iter()
        .map(|row| OrderLine {
            sku: row.sku.clone(),
            name: row.name.clone(),
            quantity: if credit { row.quantity.trim_start_matches('-') } else { &row.quantity }.to_owned(),
            unit_price: row.unit_price.clone(),
            ..OrderLine::default()
        })
        .collect();
    Ok(if credit {
        Document::CreditNote(Box::new(CreditNote {
            reference,
            number: number.to_owned(),
            customer_id,
            issued_at: placed_at,
            currency,
            lines,
            ..CreditNote::default()
        }))
    } else {
        Document::Order(Box::new(Order {
            reference,
            number: number.to_owned(),
            customer_id,
            status: mapping.status.clone(),
            placed_at,
            currency,
            lines,
            ..Order::default()
        }))
    })
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    fn row(order: &str, customer: &str, quantity: &str, minute: u32) -> Row {
        Row {
            line: 2,
            order: order.into(),
            placed_at: Utc.with_ymd_and_hms(2011, 1, 1, 9, minute, 0).unwrap(),
            sku: "A".into(),
            name: String::new(),
            quantity: quantity.into(),
            unit_price: "1.5".into(),
            customer: customer.into(),
            country: String::new(),
        }
    }

    fn mapping() -> Mapping {
        Mapping::open("online-retail").unwrap()
    }

    #[test]
    fn duplicates_stay_and_the_earliest_row_gives_the_moment() {
        let rows = [row("1", "7", "2", 30), row("1", "7", "2", 10)];
        let Ok(Document::Order(order)) = assemble("1", &rows, &mapping(), |c| Some(format!("id-{c}"))) else {
            panic!()
        };
        assert_eq!((order.lines.len(), order.customer_id.as_str()), (2, "id-7"));
        assert_eq!(order.placed_at.unwrap().seconds, rows[1].placed_at.timestamp());
    }

    #[test]
    fn a_credit_note_says_what_came_back() {
        let rows = [row("C1", "7", "-2", 0)];
        let Ok(Document::CreditNote(note)) = assemble("C1", &rows, &mapping(), |_| Some("id".into())) else { panic!() };
        assert_eq!(note.lines[0].quantity, "2");
    }

    #[test]
    fn an_order_of_two_customers_is_refused() {
        let rows = [row("1", "7", "1", 0), row("1", "", "1", 0)];
        assert!(assemble("1", &rows, &mapping(), |_| Some("id".into())).is_err());
    }
}
