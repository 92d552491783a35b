//! What orders tells the others: after-states in ids, amounts and enums. The image, sealed, is the resource as the API
//! gives it.

use clientele_contracts::orders::v1 as pb;
use clientele_platform::postgres::Entry;
use clientele_platform::proto;

use crate::contract;
use crate::domain::credit_note::CreditNote;
use crate::domain::line::Line;
use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::domain::status::Status;

/// The kind of aggregate in the journal.
pub(crate) const ORDER: &str = "order";

/// An order was removed. There is nothing left to seal.
pub(crate) fn order_deleted(order: &Order) -> Entry {
    let event = pb::OrderDeleted {
        order_id: order.id.to_string(),
        customer_id: order.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        placed_at: Some(proto::timestamp(order.placed_at)),
        currency: order.currency.code().to_owned(),
    };
    Entry::new(ORDER, order.id.uuid(), order.version + 1, &event).customer(order.customer_id)
}

/// An order was created or changed.
pub(crate) fn order(order: &Order) -> Entry {
    let event = pb::OrderRecorded {
        order_id: order.id.to_string(),
        customer_id: order.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        status_group: contract::status::group(order.status_group).into(),
        placed_at: Some(proto::timestamp(order.placed_at)),
        currency: order.currency.code().to_owned(),
        gross_minor: order.gross.minor,
        adjustment_minor: order.adjustment.minor,
        paid_minor: order.paid.minor,
        lines: order.lines.iter().map(|line| fact(line, contract::line::kind(line.kind()))).collect(),
        status: order.status.clone(),
    };
    Entry::new(ORDER, order.id.uuid(), order.version, &event)
        .customer(order.customer_id)
        .image(&contract::order::encode(order))
}

/// A credit note was created or changed.
pub(crate) fn credit_note(note: &CreditNote) -> Entry {
    let event = pb::CreditNoteRecorded {
        credit_note_id: note.id.to_string(),
        customer_id: note.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        order_id: note.order_id.map(|id| id.to_string()).unwrap_or_default(),
        issued_at: Some(proto::timestamp(note.issued_at)),
        currency: note.currency.code().to_owned(),
        total_minor: note.total.minor,
        lines: note.lines.iter().map(|line| fact(line, pb::LineKind::Unspecified)).collect(),
    };
    Entry::new("credit_note", note.id.uuid(), note.version, &event)
        .customer(note.customer_id)
        .image(&contract::credit_note::encode(note))
}

/// A product was created or changed. It is about nobody, so there is nothing to seal: the event tells all.
pub(crate) fn product(product: &Product) -> Entry {
    let event = pb::ProductRecorded {
        product_id: product.id.to_string(),
        sku: product.sku.clone(),
        name: product.name.clone(),
        category: product.category.clone(),
    };
    Entry::new("product", product.id.uuid(), product.version, &event)
}

/// A status was added to the dictionary.
pub(crate) fn status(status: &Status) -> Entry {
    let event =
        pb::OrderStatusRecorded { code: status.code.clone(), group: contract::status::group(status.group).into() };
    Entry::new("order_status", status.id, status.version, &event)
}

fn fact(line: &Line, kind: pb::LineKind) -> pb::LineFact {
    pb::LineFact {
        product_id: line.product_id.to_string(),
        kind: kind.into(),
        quantity_milli: line.quantity.scaled(),
        amount_minor: line.amount.minor,
    }
}
