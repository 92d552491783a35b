//! Take back what an import did to customers, as far as nobody has touched them since.
//!
//! Both functions work inside the unit of work of whoever takes back, with up to some hundred customers at once. A customer is
//! named once, with the version the import left it at: one that has moved on stays as it is.

use std::collections::{BTreeSet, HashMap};

use clientele_contracts::customers::v1 as pb;
use clientele_kernel::CustomerId;
use clientele_platform::postgres::{Error as StorageError, UnitOfWork, journal};
use prost::Message;
use uuid::Uuid;

use super::App;
use crate::domain::customer::{Customer, Event};
use crate::events::publish;
use crate::store::customer::Change;
use crate::{Error, contract, store};

impl App {
    /// Customers as they were at these versions; those of which it is known no longer are left out. Asked for before the unit
    /// of work begins: what has been never changes.
    pub(crate) async fn past_states(
        &self,
        versions: &[(CustomerId, i64)],
    ) -> Result<HashMap<CustomerId, Customer>, Error> {
        let versions: Vec<(Uuid, i64)> = versions.iter().map(|(id, version)| (id.uuid(), *version)).collect();
        let rows = journal::images_at(&self.db, publish::CUSTOMER, &versions).await?;
        let mut states = HashMap::with_capacity(rows.len());
        for (id, row) in rows {
            let Some(image) = &row.image else { continue };
            let image = pb::Customer::decode(image.as_slice())
                .map_err(|error| StorageError::corrupt("journal", format!("image of event {}: {error}", row.id)))?;
            states.insert(id.into(), contract::restore(&image)?);
        }
        Ok(states)
    }
}

/// Removes customers that an import created, each if it still is at the version the import left and nothing here refers to it.
/// Gives those removed. Whether other services know them is for the caller to ask first.
pub(crate) async fn remove(uow: &mut UnitOfWork, created: &[(CustomerId, i64)]) -> Result<BTreeSet<CustomerId>, Error> {
    let mut untouched = lock_untouched(uow, created).await?;
    let ids: Vec<CustomerId> = untouched.iter().map(|customer| customer.id).collect();
    let recorded = store::consent::recorded(uow.conn(), &ids).await?;
    untouched.retain(|customer| !recorded.contains(&customer.id));
    if untouched.is_empty() {
        return Ok(BTreeSet::new());
    }
    store::customer::delete(uow.conn(), &untouched).await?;
    for customer in &untouched {
        uow.record(publish::removed(customer.id, customer.version));
    }
    Ok(untouched.iter().map(|customer| customer.id).collect())
}

/// Puts back what customers were before an import changed them, each as a new version, if it still is at the version the
/// import left. `past` says what they were. Gives those put back; one of whose references somebody else has by now is not.
pub(crate) async fn restore(
    uow: &mut UnitOfWork,
    changed: &[(CustomerId, i64)],
    past: &HashMap<CustomerId, Customer>,
) -> Result<BTreeSet<CustomerId>, Error> {
    let untouched = lock_untouched(uow, changed).await?;
    let references = untouched.iter().filter_map(|customer| past.get(&customer.id)).flat_map(|was| &was.references);
    let owners = store::reference::owners(uow.conn(), references).await?;
    let now = uow.now();
    let pairs: Vec<(Customer, Customer, Event)> = untouched
        .into_iter()
        .filter_map(|is| {
            let was = past.get(&is.id)?;
            let taken = |reference| owners.get(reference).is_some_and(|owner| *owner != is.id);
            if was.references.iter().any(taken) {
                return None;
            }
            let after = Customer { version: is.version + 1, updated_at: now, ..was.clone() };
            let fields = after.difference(&is);
            Some((is, after, Event::Updated(fields)))
        })
        .collect();
    let saved: Vec<Change<'_>> =
        pairs.iter().map(|(before, after, _)| Change { before: Some(before), after }).collect();
    store::customer::save(uow.conn(), &saved).await?;
    for (_, after, event) in &pairs {
        uow.record(publish::entry(after, event));
    }
    Ok(pairs.iter().map(|(_, after, _)| after.id).collect())
}

/// Those of the customers that still are at their versions, locked, in the order of their ids.
async fn lock_untouched(uow: &mut UnitOfWork, versions: &[(CustomerId, i64)]) -> Result<Vec<Customer>, Error> {
    let wanted: HashMap<CustomerId, i64> = versions.iter().copied().collect();
    let mut ids: Vec<CustomerId> = wanted.keys().copied().collect();
    ids.sort_unstable();
    let mut customers = store::customer::lock(uow.conn(), &ids).await?;
    customers.retain(|customer| wanted.get(&customer.id) == Some(&customer.version));
    Ok(customers)
}

#[cfg(test)]
mod tests;
