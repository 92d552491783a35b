//! Taking back what an import has written: orders that it created are removed, orders that it changed become what they
//! were. What anything else has touched since stays.

use std::collections::{HashMap, HashSet};

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::{CustomerId, Error, OrderId, Reference, Violations};
use clientele_platform::postgres::{UnitOfWork, journal};
use clientele_platform::{Begun, Command};
use prost::Message;
use uuid::Uuid;

use super::order::Orders;
use super::order_batch::{Surroundings, parts};
use super::upsert::MOST_ENTRIES;
use super::{product, status};
use crate::contract;
use crate::domain::order::{Order, OrderContent};
use crate::events::publish;
use crate::store;
use crate::store::order::Versioned;

/// One order to take back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revert {
    pub(crate) id: OrderId,
    /// The version before the import touched it; none where the import created it.
    pub(crate) before: Option<i64>,
    /// The version the import left it with.
    pub(crate) version: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reverted {
    Removed,
    Restored,
    Kept,
}

impl Orders {
    /// Takes orders back, in one unit of work.
    pub(crate) async fn revert<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        reverts: &[Revert],
        answer: fn(Vec<Reverted>) -> R,
    ) -> Result<R, Error> {
        let mut violations = Violations::new();
        violations.check((1..=MOST_ENTRIES).contains(&reverts.len()), "orders", || {
            format!("{} orders are given: 1 to {MOST_ENTRIES} are wanted", reverts.len())
        });
        let mut seen = HashMap::new();
        for (index, revert) in reverts.iter().enumerate() {
            if let Some(earlier) = seen.insert(revert.id, index) {
                violations.push(format!("orders[{index}].order_id"), format!("is that of entry {earlier}"));
            }
        }
        violations.into_result()?;
        // What was recorded stays: it can be read before anything is locked.
        let earlier = self.earlier(reverts).await?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let ids: Vec<OrderId> = reverts.iter().map(|revert| revert.id).collect();
        store::order::lock_many(uow.conn(), &ids).await?;
        let given_back = store::credit_note::given_back(uow.conn(), &ids).await?;
        let present = store::order::by_id(uow.conn(), &ids).await?;
        let present: HashMap<OrderId, Order> = present.into_iter().map(|order| (order.id, order)).collect();

        let (mut removed, mut changed) = (Vec::new(), Vec::new());
        for revert in reverts {
            let untouched =
                present.get(&revert.id).filter(|o| o.version == revert.version && !given_back.contains_key(&o.id));
            match (untouched, revert.before) {
                (Some(order), None) => removed.push(order),
                // Who the customer is stays once it is known: figures and history hang on it.
                (Some(order), Some(_)) => changed.extend(
                    earlier
                        .get(&revert.id)
                        .filter(|content| content.customer_id == order.customer_id)
                        .map(|content| (order, content)),
                ),
                (None, _) => {}
            }
        }
        // First, for this sets payments free that restored orders had.
        remove(&mut uow, &removed).await?;
        let restored = restore(&mut uow, &changed).await?;
        let removed: HashSet<OrderId> = removed.iter().map(|order| order.id).collect();
        let outcome = |revert: &Revert| match revert.id {
            id if removed.contains(&id) => Reverted::Removed,
            id if restored.contains(&id) => Reverted::Restored,
            _ => Reverted::Kept,
        };
        let outcomes = reverts.iter().map(outcome).collect();
        let answer = answer(outcomes);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Those of the references that orders have, with their versions. Beside each stands a version the order may have had:
    /// where the change after it came from is told.
    pub(crate) async fn versions(&self, references: &[(Reference, Option<i64>)]) -> Result<Vec<Versioned>, Error> {
        Ok(store::order::versions(self.db.pool(), references, publish::ORDER).await?)
    }

    /// Of the customers, those who have orders or credit notes.
    pub(crate) async fn buyers(&self, customers: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
        Ok(store::customer::buyers(self.db.pool(), customers).await?)
    }

    /// What the orders were before the import, as their source would say it. Payments recorded here are not of the source.
    async fn earlier(&self, reverts: &[Revert]) -> Result<HashMap<OrderId, OrderContent>, Error> {
        let versions: Vec<(Uuid, i64)> =
            reverts.iter().filter_map(|revert| Some((revert.id.uuid(), revert.before?))).collect();
        if versions.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<OrderId> = versions.iter().map(|(id, _)| OrderId::from(*id)).collect();
        let own = store::payment::recorded_here(self.db.pool(), &ids).await?;
        let images = journal::images_at(&self.db, publish::ORDER, &versions).await?;
        let mut earlier = HashMap::new();
        for (id, row) in images {
            // Without an image the customer was erased: there is nothing to go back to.
            let Some(image) = row.image else { continue };
            let mut image = pb::Order::decode(image.as_slice())
                .map_err(|error| Error::internal(format!("the image of order {id} cannot be read: {error}")))?;
            image.payments.retain(|payment| !own.contains(&payment.id));
            let content = contract::order::draft(image).and_then(|draft| OrderContent::check_imported(&draft));
            if let Ok(content) = content {
                earlier.insert(OrderId::from(id), content);
            }
        }
        Ok(earlier)
    }
}

async fn remove(uow: &mut UnitOfWork, orders: &[&Order]) -> Result<(), Error> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    store::order::delete(uow.conn(), &ids).await?;
    for order in orders {
        uow.record(publish::order_deleted(order));
    }
    Ok(())
}

/// Gives those orders the content they had that can have it, and says which these are. What was right then need not be
/// so now: one order that stays as it is must not keep all the others.
async fn restore(uow: &mut UnitOfWork, orders: &[(&Order, &OrderContent)]) -> Result<HashSet<OrderId>, Error> {
    if orders.is_empty() {
        return Ok(HashSet::new());
    }
    let dictionary = status::dictionary(uow).await?;
    let lines = orders.iter().flat_map(|(_, content)| &content.lines);
    let catalogue = product::catalogue(uow, lines, false).await?;
    let surroundings = Surroundings { dictionary, catalogue };
    let mut restored = Vec::with_capacity(orders.len());
    for (order, content) in orders {
        let mut violations = Violations::new();
        let Some(parts) = parts(uow, content, Some(order), &surroundings, &mut violations) else { continue };
        // Orders with credit notes do not come as far as this.
        order.allows(content, parts.status.group, None, &mut violations);
        let order = violations.take("payments", order.replaced(content, parts));
        restored.extend(order.filter(|_| violations.is_empty()));
    }
    let references: Vec<Reference> = restored.iter().flat_map(references).cloned().collect();
    if !references.is_empty() {
        let owners = store::payment::owners(uow.conn(), &references).await?;
        keep_taken(&mut restored, &owners);
    }
    store::order::replace(uow.conn(), &restored).await?;
    for order in &restored {
        uow.record(publish::order(order));
    }
    Ok(restored.iter().map(|order| order.id).collect())
}

/// Leaves out orders whose payments are those of another order by now. An order that is restored too gives up what it
/// did not have, so that payments an import moved from one order to another go back; one that is left out gives up
/// nothing, so all is looked at again until nothing more is left out.
fn keep_taken(restored: &mut Vec<Order>, owners: &HashMap<Reference, OrderId>) {
    loop {
        let mut wanted: HashMap<Reference, OrderId> = HashMap::new();
        let present: HashSet<OrderId> = restored.iter().map(|order| order.id).collect();
        // Whoever has a payment and wants it comes before the others.
        let has = |order: &Order, reference: &Reference| owners.get(reference) == Some(&order.id);
        for order in &*restored {
            for reference in references(order).filter(|reference| has(order, reference)) {
                wanted.insert(reference.clone(), order.id);
            }
        }
        for order in &*restored {
            for reference in references(order) {
                wanted.entry(reference.clone()).or_insert(order.id);
            }
        }
        let free = |order: &Order, reference: &Reference| {
            let held = owners.get(reference).is_some_and(|owner| *owner != order.id && !present.contains(owner));
            !held && wanted.get(reference) == Some(&order.id)
        };
        restored.retain(|order| references(order).all(|reference| free(order, reference)));
        if restored.len() == present.len() {
            return;
        }
    }
}

fn references(order: &Order) -> impl Iterator<Item = &Reference> {
    order.payments.iter().filter_map(|payment| payment.reference.as_ref())
}
