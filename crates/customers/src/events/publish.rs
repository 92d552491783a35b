//! From what happened to a customer to the journal's entry: the public event, which carries no personal data, and the
//! after-image, which is sealed.

use clientele_contracts::customers::v1::{CustomerCreated, CustomerUpdated};
use clientele_platform::postgres::Entry;
use clientele_platform::proto;

use crate::contract;
use crate::domain::customer::{Customer, Event};

/// The kind of aggregate in the journal.
pub(crate) const CUSTOMER: &str = "customer";

/// The entry for what happened to a customer, which is given as it is afterwards.
pub(crate) fn entry(customer: &Customer, event: &Event) -> Entry {
    let id = customer.id.to_string();
    let manager_id = customer.manager_id.map(|id| id.to_string()).unwrap_or_default();
    let store_id = customer.store_id.map(|id| id.to_string()).unwrap_or_default();
    let entry = match event {
        Event::Created => {
            let message = CustomerCreated {
                customer_id: id,
                kind: contract::kind(customer.kind).into(),
                manager_id,
                store_id,
                registered_at: Some(proto::timestamp(customer.registered_at)),
            };
            Entry::new(CUSTOMER, customer.id.uuid(), customer.version, &message)
        }
        Event::Updated(fields) => {
            let changed_fields = fields.iter().map(|field| field.as_str().to_owned()).collect();
            let message = CustomerUpdated { customer_id: id, changed_fields, manager_id, store_id };
            Entry::new(CUSTOMER, customer.id.uuid(), customer.version, &message)
        }
    };
    entry.customer(customer.id).image(&contract::image(customer))
}
