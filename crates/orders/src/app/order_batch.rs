//! Orders many at once, as a source knows them: created, replaced where the source says something else, left alone where
//! it says the same.

use std::collections::{HashMap, HashSet};

use clientele_kernel::{CustomerId, Error, Money, OrderId, PaymentId, Reference, Violation, Violations};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{Begun, Command};
use prost::Message;

use super::order::{Orders, number};
use super::upsert::{Batch, MOST_ENTRIES, Upserted, check_size};
use super::{customer, product, status};
use crate::domain::line::Line;
use crate::domain::order::{Order, OrderContent, OrderDraft, Parts};
use crate::domain::payment::{Payment, PaymentContent};
use crate::domain::product::Catalogue;
use crate::domain::status::{Dictionary, FIRST_STATUS};
use crate::events::publish;
use crate::store;
use crate::store::order::Head;

type Entries = Batch<OrderContent, OrderId>;

/// What the entries' orders are made of.
pub(super) struct Surroundings {
    pub(super) dictionary: Dictionary,
    pub(super) catalogue: Catalogue,
}

impl Orders {
    /// Creates or replaces orders known by a reference, in one unit of work.
    pub(crate) async fn upsert<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        drafts: Vec<Result<OrderDraft, Violations>>,
        answer: fn(Vec<Upserted<OrderId>>) -> R,
    ) -> Result<R, Error> {
        match self.begin_upsert(command, drafts).await? {
            Begun::Known(answer) => Ok(answer),
            Begun::New((uow, outcomes)) => {
                let answer = answer(outcomes);
                uow.commit_with(&answer).await?;
                Ok(answer)
            }
        }
    }

    /// What an upsert would do. All of it is done and taken back, so that the answer is the same one; ids of orders that
    /// would be created mean nothing afterwards.
    pub(crate) async fn try_upsert(
        &self,
        command: Command<'_, impl Message>,
        drafts: Vec<Result<OrderDraft, Violations>>,
    ) -> Result<Vec<Upserted<OrderId>>, Error> {
        let command = Command { request_id: "", ..command };
        match self.begin_upsert::<()>(command, drafts).await? {
            Begun::Known(()) => Err(Error::internal("a command without an id was known")),
            Begun::New((_, outcomes)) => Ok(outcomes),
        }
    }

    /// Does it all, up to the commit.
    async fn begin_upsert<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        drafts: Vec<Result<OrderDraft, Violations>>,
    ) -> Result<Begun<R, (Box<UnitOfWork>, Vec<Upserted<OrderId>>)>, Error> {
        check_size("orders", drafts.len(), drafts.iter().flatten().map(|draft| draft.lines.len()).sum())?;
        let check = |draft: Result<OrderDraft, Violations>| OrderContent::check_imported(&draft?);
        let mut batch: Entries = Batch::new(drafts.into_iter().map(check).collect(), key);
        let existing =
            self.customers.existing(batch.open.iter().filter_map(|(_, content)| content.customer_id)).await?;
        batch.refuse_where(|content, violations| {
            violations.require(existing.allows(content.customer_id), || {
                Violation::new("customer_id", customer::unknown(content.customer_id)).because("CUSTOMER_UNKNOWN")
            });
        });

        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(Begun::Known(answer)),
            Begun::New(uow) => uow,
        };
        existing.remember(&mut uow).await?;
        let known = settle_unchanged(&mut uow, &mut batch).await?;
        if !batch.open.is_empty() {
            let mut present = HashMap::new();
            let dictionary = status::dictionary(&mut uow).await?;
            refuse_unknown_statuses(&mut batch, &dictionary);
            refuse_taken_payments(&mut uow, &mut batch, &known).await?;
            load_present(&mut uow, &mut batch, &known, &dictionary, &mut present).await?;
            let catalogue = catalogue(&mut uow, &mut batch).await?;
            let surroundings = Surroundings { dictionary, catalogue };
            create_new(&mut uow, &mut batch, &known, &surroundings).await?;
            // Those that were created by somebody else since they were looked for are known by now.
            let known = settle_unchanged(&mut uow, &mut batch).await?;
            load_present(&mut uow, &mut batch, &known, &surroundings.dictionary, &mut present).await?;
            replace_known(&mut uow, &mut batch, &known, &present, &surroundings).await?;
        }
        Ok(Begun::New((uow, batch.into_outcomes()?)))
    }
}

fn key(content: &OrderContent) -> Reference {
    content.reference.clone().expect("an imported order is checked to have a reference")
}

/// Locks the orders of the open entries and settles those that say nothing new. Gives the orders that exist.
async fn settle_unchanged(uow: &mut UnitOfWork, batch: &mut Entries) -> Result<HashMap<Reference, Head>, Error> {
    let references: Vec<&Reference> = batch.open.iter().filter_map(|(_, content)| content.reference.as_ref()).collect();
    if references.is_empty() {
        return Ok(HashMap::new());
    }
    let heads = store::order::lock_heads(uow.conn(), &references).await?;
    let known: HashMap<Reference, Head> = heads.into_iter().map(|head| (head.reference.clone(), head)).collect();
    batch.settle_where(|content| {
        let head = known.get(&key(content))?;
        (head.content_hash == Some(content.hash(head.customer_id))).then_some(Upserted::Unchanged(head.id))
    });
    Ok(known)
}

fn unknown_status(dictionary: &Dictionary, code: &str) -> Violation {
    let violation = Violation::new("status", dictionary.unknown(code)).because("STATUS_UNKNOWN");
    violation.with("value", clientele_kernel::error::shorten(code))
}

fn refuse_unknown_statuses(batch: &mut Entries, dictionary: &Dictionary) {
    batch.refuse_where(|content, violations| {
        if let Some(code) = &content.status {
            violations.require(dictionary.get(code).is_some(), || unknown_status(dictionary, code));
        }
    });
}

/// A payment belongs to one order: an entry that names one of another order is refused.
async fn refuse_taken_payments(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    known: &HashMap<Reference, Head>,
) -> Result<(), Error> {
    let of = |content: &OrderContent| content.payments.iter().filter_map(|p| p.reference.clone()).collect::<Vec<_>>();
    let references: Vec<Reference> = batch.open.iter().flat_map(|(_, content)| of(content)).collect();
    if references.is_empty() {
        return Ok(());
    }
    let owners = store::payment::owners(uow.conn(), &references).await?;
    let mut claimed: HashSet<Reference> = HashSet::new();
    batch.refuse_where(|content, violations| {
        let own = known.get(&key(content)).map(|head| head.id);
        for (index, payment) in content.payments.iter().enumerate() {
            let Some(reference) = &payment.reference else { continue };
            let elsewhere = owners.get(reference).is_some_and(|owner| Some(*owner) != own);
            violations.check(
                !elsewhere && !claimed.contains(reference),
                &format!("payments[{index}].reference"),
                || "is that of a payment of another order".to_owned(),
            );
        }
        if violations.is_empty() {
            claimed.extend(of(content));
        }
    });
    Ok(())
}

/// Loads the orders that the open entries are about, and refuses the entries that these do not allow.
async fn load_present(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    known: &HashMap<Reference, Head>,
    dictionary: &Dictionary,
    present: &mut HashMap<OrderId, Order>,
) -> Result<(), Error> {
    let id = |content: &OrderContent| known.get(&key(content)).map(|head| head.id);
    let ids: Vec<OrderId> =
        batch.open.iter().filter_map(|(_, content)| id(content)).filter(|id| !present.contains_key(id)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let given_back = store::credit_note::given_back(uow.conn(), &ids).await?;
    present.extend(store::order::by_id(uow.conn(), &ids).await?.into_iter().map(|order| (order.id, order)));
    batch.refuse_where(|content, violations| {
        if let Some(order) = id(content).and_then(|id| present.get(&id)) {
            let given_back = given_back.get(&order.id).map(|minor| Money::new(*minor, order.currency));
            let said = content.status.as_deref().and_then(|code| dictionary.get(code));
            let group = said.map_or(order.status_group, |status| status.group);
            order.allows(content, group, given_back, violations);
        }
    });
    Ok(())
}

/// The products of the open entries' lines. Those that no catalogue has yet are created, so this comes when all else
/// about an entry is known to be right; an entry that names by id a product there is none of is refused.
async fn catalogue(uow: &mut UnitOfWork, batch: &mut Entries) -> Result<Catalogue, Error> {
    let catalogue = product::catalogue(uow, batch.open.iter().flat_map(|(_, content)| &content.lines), true).await?;
    batch.refuse_where(|content, violations| {
        for (index, line) in content.lines.iter().enumerate() {
            if let Err((field, problem)) = catalogue.find(&line.product) {
                violations.push(format!("lines[{index}].{field}"), problem);
            }
        }
    });
    Ok(catalogue)
}

/// Creates the orders that are not known.
async fn create_new(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    known: &HashMap<Reference, Head>,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    let mut new: Vec<(usize, Order)> = Vec::new();
    let mut refused: Vec<(usize, Violations)> = Vec::new();
    for (place, content) in batch.open.iter().filter(|(_, content)| !known.contains_key(&key(content))) {
        let number = number(uow, content).await?;
        let mut violations = Violations::new();
        let parts = parts(uow, content, None, surroundings, &mut violations);
        let order =
            parts.and_then(|parts| violations.take("payments", Order::create(uow.id(), number, content, parts)));
        match order {
            Some(order) if violations.is_empty() => new.push((*place, order)),
            _ => refused.push((*place, violations)),
        }
    }
    settle_refused(batch, refused);
    let (places, orders): (Vec<usize>, Vec<Order>) = new.into_iter().unzip();
    let added = store::order::insert(uow.conn(), &orders).await?;
    let mut created: HashMap<usize, OrderId> = HashMap::new();
    for (place, order) in places.into_iter().zip(&orders).filter(|(_, order)| added.contains(&order.id)) {
        uow.record(publish::order(order).occurred_at(order.placed_at));
        created.insert(place, order.id);
    }
    settle_places(batch, |place| created.get(&place).copied().map(Upserted::Created));
    Ok(())
}

/// Replaces the orders that are known and of which the source says something else.
async fn replace_known(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    known: &HashMap<Reference, Head>,
    present: &HashMap<OrderId, Order>,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    let mut changed: Vec<(usize, Order)> = Vec::new();
    let mut refused: Vec<(usize, Violations)> = Vec::new();
    for (place, content) in &batch.open {
        let Some(order) = known.get(&key(content)).and_then(|head| present.get(&head.id)) else { continue };
        let mut violations = Violations::new();
        let parts = parts(uow, content, Some(order), surroundings, &mut violations);
        let replaced = parts.and_then(|parts| violations.take("payments", order.replaced(content, parts)));
        match replaced {
            Some(replaced) if violations.is_empty() => changed.push((*place, replaced)),
            _ => refused.push((*place, violations)),
        }
    }
    settle_refused(batch, refused);
    let (places, orders): (Vec<usize>, Vec<Order>) = changed.into_iter().unzip();
    store::order::replace(uow.conn(), &orders).await?;
    for order in &orders {
        uow.record(publish::order(order));
    }
    let gained = |order: &Order| {
        let nobodys = present.get(&order.id).is_some_and(|before| before.customer_id.is_none());
        order.customer_id.filter(|_| nobodys).map(|customer_id| (order.id, customer_id))
    };
    let gained = orders.iter().filter_map(gained).collect();
    hand_over_notes(uow, &gained).await?;
    let updated: HashMap<usize, &Order> = places.into_iter().zip(&orders).collect();
    settle_places(batch, |place| updated.get(&place).map(|order| Upserted::Updated(order.id, order.version)));
    Ok(())
}

/// Gives the credit notes of orders that have got a customer to this customer too: what went back is part of the
/// customer's figures.
///
/// Batches of notes lock notes first and orders second, and this comes when the orders are locked. To lock the notes
/// before the orders is no way out: which they are is known for sure only once the orders are held, since a note for an
/// order is written under the order's lock. So this never waits for a note: where one is taken the batch fails as
/// UNAVAILABLE, with nothing written, and trying again is safe. Who does not wait is in no circle of those who do.
async fn hand_over_notes(uow: &mut UnitOfWork, gained: &HashMap<OrderId, CustomerId>) -> Result<(), Error> {
    if gained.is_empty() {
        return Ok(());
    }
    let orders: Vec<OrderId> = gained.keys().copied().collect();
    let locked = store::credit_note::lock_unowned(uow.conn(), &orders).await?;
    // An order can have any number of notes: they are read and written so many at a time.
    for ids in locked.chunks(MOST_ENTRIES) {
        let mut notes = store::credit_note::by_id(uow.conn(), ids).await?;
        for note in &mut notes {
            if let Some(customer_id) = note.order_id.and_then(|id| gained.get(&id)) {
                note.belong_to(*customer_id, uow.now());
            }
        }
        store::credit_note::update(uow.conn(), &notes).await?;
        for note in &notes {
            uow.record(publish::credit_note(note));
        }
    }
    Ok(())
}

/// What an entry's order consists of; `present` is the order as it is, where it is known.
pub(super) fn parts<'a>(
    uow: &UnitOfWork,
    content: &OrderContent,
    present: Option<&Order>,
    surroundings: &'a Surroundings,
    violations: &mut Violations,
) -> Option<Parts<'a>> {
    let code = content.status.as_deref().or(present.map(|order| order.status.as_str())).unwrap_or(FIRST_STATUS);
    let status = surroundings.dictionary.get(code);
    violations.require(status.is_some(), || unknown_status(&surroundings.dictionary, code));
    let earlier = present.map(|order| order.lines.as_slice()).unwrap_or_default();
    let lines = Line::make_all(&content.lines, &surroundings.catalogue, earlier, || uow.id(), violations);
    let payments = payments(uow, content, present);
    Some(Parts { status: status?, lines, payments, now: uow.now() })
}

/// The payments of an entry's order: those that the source gives, and those recorded here that it does not name. A
/// payment of the same reference, or else the next one without, keeps its id.
fn payments(uow: &UnitOfWork, content: &OrderContent, present: Option<&Order>) -> Vec<Payment> {
    let earlier = present.map(|order| order.payments.as_slice()).unwrap_or_default();
    let mut by_reference: HashMap<&Reference, &Payment> =
        earlier.iter().filter_map(|payment| payment.reference.as_ref().map(|reference| (reference, payment))).collect();
    let mut nameless = earlier.iter().filter(|payment| payment.from_source && payment.reference.is_none());
    let mut payments: Vec<Payment> = Vec::with_capacity(content.payments.len());
    for given in &content.payments {
        let before = match &given.reference {
            Some(reference) => by_reference.remove(reference),
            None => nameless.next(),
        };
        let id = before.map_or_else(|| uow.id::<PaymentId>(), |payment| payment.id);
        payments.push(PaymentContent::clone(given).into_payment(id, true));
    }
    let named = |payment: &Payment| payments.iter().any(|given| given.id == payment.id);
    let own: Vec<Payment> = earlier.iter().filter(|payment| !payment.from_source && !named(payment)).cloned().collect();
    payments.extend(own);
    payments
}

fn settle_refused(batch: &mut Entries, refused: Vec<(usize, Violations)>) {
    let mut refused: HashMap<usize, Violations> = refused.into_iter().collect();
    settle_places(batch, |place| refused.remove(&place).map(|violations| Upserted::Refused(violations.into_inner())));
}

fn settle_places(batch: &mut Entries, mut outcome: impl FnMut(usize) -> Option<Upserted<OrderId>>) {
    for (place, content) in std::mem::take(&mut batch.open) {
        match outcome(place) {
            Some(outcome) => batch.settle(place, outcome),
            None => batch.open.push((place, content)),
        }
    }
}
