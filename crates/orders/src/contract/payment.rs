//! Payments, to and from messages.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::Error;
use clientele_platform::proto;

use super::{reference_in, reference_out};
use crate::domain::payment::{Payment, PaymentDraft};

/// The error names the field within the payment.
pub(crate) fn draft(payment: pb::Payment) -> Result<PaymentDraft, Error> {
    Ok(PaymentDraft {
        reference: reference_in(payment.reference),
        method: payment.method,
        amount: payment.amount.map(|money| (money.minor, money.currency)),
        paid_at: proto::instant(payment.paid_at, "paid_at")?,
    })
}

pub(super) fn encode(payment: &Payment) -> pb::Payment {
    pb::Payment {
        id: payment.id.to_string(),
        reference: payment.reference.as_ref().map(reference_out),
        method: payment.method.clone(),
        amount: Some(proto::money(payment.amount)),
        paid_at: Some(proto::timestamp(payment.paid_at)),
    }
}
