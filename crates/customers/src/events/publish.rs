//! From what happened to a customer to the journal's entry: the public event, which carries no personal data, and the
//! after-image, which is sealed.

use clientele_contracts::customers::v1::{
    ConsentRecorded, CustomerCreated, CustomerDeleted, CustomerUpdated, ImportRecorded,
};
use clientele_kernel::CustomerId;
use clientele_platform::postgres::Entry;
use clientele_platform::proto;

use crate::contract;
use crate::domain::consent;
use crate::domain::customer::{Customer, Event};
use crate::domain::import::Import;

/// The kind of aggregate in the journal.
pub(crate) const CUSTOMER: &str = "customer";

/// The kind of aggregate of an entry of the ledger of consents: each is one of its own, and has the one version it is born
/// with.
const CONSENT: &str = "consent";

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

/// The entry for a customer who is removed after this version. It has no image: from then on there is none.
pub(crate) fn removed(id: CustomerId, version: i64) -> Entry {
    Entry::new(CUSTOMER, id.uuid(), version + 1, &CustomerDeleted { customer_id: id.to_string() }).customer(id)
}

/// The entry for a consent given or withdrawn.
pub(crate) fn consent(entry: &consent::Entry) -> Entry {
    let message = ConsentRecorded {
        customer_id: entry.customer_id.to_string(),
        entry_id: entry.id.to_string(),
        channel: contract::consent::channel(entry.key.channel).into(),
        contact_point_id: entry.key.point.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        purpose: contract::consent::purpose(entry.key.purpose).into(),
        granted: entry.granted,
    };
    Entry::new(CONSENT, entry.id.uuid(), 1, &message)
        .customer(entry.customer_id)
        .image(&contract::consent::entry(entry))
}

/// The kind of aggregate of imports.
const IMPORT: &str = "import";

/// The entry for an import that has come to another state.
pub(crate) fn import(import: &Import) -> Entry {
    import_entry(import, false)
}

/// The entry for the end of a trial run.
pub(crate) fn trial(import: &Import) -> Entry {
    import_entry(import, true)
}

fn import_entry(import: &Import, trial: bool) -> Entry {
    let message = ImportRecorded {
        import_id: import.id.to_string(),
        user_id: import.actor.id.clone(),
        kind: contract::import::kind(import.kind).into(),
        state: contract::import::state(import.state).into(),
        counts: contract::import::counts(import, trial),
        trial,
    };
    Entry::new(IMPORT, import.id.uuid(), import.version, &message)
}
