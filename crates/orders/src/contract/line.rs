//! Lines, to and from messages.

use clientele_contracts::orders::v1 as pb;
use clientele_platform::proto;

use crate::domain::line::{Line, LineDraft, LineKind};

pub(super) fn draft(line: pb::OrderLine) -> LineDraft {
    let pb::OrderLine { product_id, sku, name, quantity, unit_price, .. } = line;
    LineDraft { product_id, sku, name, quantity, unit_price }
}

/// A line of an order.
pub(super) fn encode(line: &Line) -> pb::OrderLine {
    pb::OrderLine { kind: kind(line.kind()).into(), ..encode_without_kind(line) }
}

/// A line of a credit note, for which the kinds of lines mean nothing.
pub(super) fn encode_without_kind(line: &Line) -> pb::OrderLine {
    pb::OrderLine {
        id: line.id.to_string(),
        product_id: line.product_id.to_string(),
        sku: line.sku.clone(),
        name: line.name().to_owned(),
        quantity: line.quantity.to_string(),
        unit_price: line.unit_price.to_string(),
        amount: Some(proto::money(line.amount)),
        kind: pb::LineKind::Unspecified.into(),
    }
}

pub(crate) fn kind(kind: LineKind) -> pb::LineKind {
    match kind {
        LineKind::Sale => pb::LineKind::Sale,
        LineKind::Free => pb::LineKind::Free,
        LineKind::Adjustment => pb::LineKind::Adjustment,
    }
}
