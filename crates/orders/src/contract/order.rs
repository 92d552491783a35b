//! Orders, to and from messages.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::{Etag, Violations};
use clientele_platform::proto;

use super::status::group;
use super::{line, payment, reference_in, reference_out};
use crate::domain::order::{Order, OrderDraft};

/// Fails where a moment is none, naming the field within the order.
pub(crate) fn draft(order: pb::Order) -> Result<OrderDraft, Violations> {
    let mut violations = Violations::new();
    let placed_at = violations.take("placed_at", proto::instant(order.placed_at, "placed_at")).flatten();
    let mut payments = Vec::with_capacity(order.payments.len());
    for (index, payment) in order.payments.into_iter().enumerate() {
        let path = format!("payments[{index}]");
        payments.extend(violations.take(&path, payment::draft(payment).map_err(|error| error.within(&path))));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(OrderDraft {
        reference: reference_in(order.reference),
        number: order.number,
        customer_id: order.customer_id,
        status: order.status,
        placed_at,
        currency: order.currency,
        lines: order.lines.into_iter().map(line::draft).collect(),
        payments,
    })
}

/// An order as callers see one.
pub(crate) fn encode(order: &Order) -> pb::Order {
    pb::Order {
        id: order.id.to_string(),
        reference: order.reference.as_ref().map(reference_out),
        number: order.number.clone(),
        customer_id: order.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        status: order.status.clone(),
        status_group: group(order.status_group).into(),
        placed_at: Some(proto::timestamp(order.placed_at)),
        currency: order.currency.code().to_owned(),
        lines: order.lines.iter().map(line::encode).collect(),
        payments: order.payments.iter().map(payment::encode).collect(),
        gross: Some(proto::money(order.gross)),
        adjustment: Some(proto::money(order.adjustment)),
        paid: Some(proto::money(order.paid)),
        line_count: order.line_count,
        etag: Etag(order.version).to_string(),
        created_at: Some(proto::timestamp(order.created_at)),
        updated_at: Some(proto::timestamp(order.updated_at)),
    }
}
