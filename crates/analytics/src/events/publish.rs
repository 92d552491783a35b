//! What analytics tells the others: figures, in amounts and counts.

use clientele_contracts::analytics::v1::{CustomerMetricsRecorded, FigureFact};
use clientele_kernel::CustomerId;
use clientele_platform::postgres::Entry;
use clientele_platform::proto;
use prost::Message;

use crate::domain::Figures;

/// The figures of a customer as they are told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) customer: CustomerId,
    event: CustomerMetricsRecorded,
}

impl Told {
    /// What is compared with what was told before.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.event.encode_to_vec()
    }
}

/// Currencies in which nothing was ever bought or given back are left out.
pub(crate) fn figures(customer: CustomerId, totals: Option<&Vec<Figures>>) -> Told {
    let figures =
        totals.into_iter().flatten().filter(|t| t.orders != 0 || t.refund_minor != 0).map(|totals| FigureFact {
            currency: totals.currency.code().to_owned(),
            orders: totals.orders,
            gross_minor: totals.gross_minor,
            refunds_minor: totals.refund_minor,
            first_purchase_at: totals.first_purchase_at.map(proto::timestamp),
            last_purchase_at: totals.last_purchase_at.map(proto::timestamp),
        });
    let event = CustomerMetricsRecorded { customer_id: customer.to_string(), figures: figures.collect() };
    Told { customer, event }
}

/// The journal's entry. The event tells all there is, and nothing of it is personal: there is nothing to seal.
pub(crate) fn entry(told: &Told, version: i64) -> Entry {
    Entry::new("customer_metrics", told.customer.uuid(), version, &told.event).customer(told.customer)
}
