//! Credit notes: written many at once as a source knows them, read.

use std::collections::HashMap;

use clientele_kernel::{CreditNoteId, CustomerId, Error, OrderId, Reference, Violations, paging};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Command};
use prost::Message;

use super::customer::{self, Customers};
use super::order::PageRequest;
use super::product;
use super::upsert::{Batch, Upserted, check_size};
use crate::domain::credit_note::{CreditNote, CreditNoteContent, CreditNoteDraft, LinkedOrder};
use crate::domain::line::Line;
use crate::domain::product::Catalogue;
use crate::domain::reference;
use crate::events::publish;
use crate::store;
use crate::store::credit_note::Head;
use crate::store::line::MOST_LINES_IN_ANSWER;
use crate::store::order::Cursor;

/// What can be done with credit notes.
#[derive(Clone)]
pub(crate) struct CreditNotes {
    db: Database,
    customers: Customers,
}

/// A page of credit notes.
pub(crate) struct CreditNotePage {
    pub(crate) credit_notes: Vec<CreditNote>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

type Entries = Batch<CreditNoteContent, CreditNoteId>;
type Known = HashMap<Reference, Head>;

impl CreditNotes {
    pub(crate) fn new(db: Database, customers: Customers) -> Self {
        Self { db, customers }
    }

    /// One credit note with its lines.
    pub(crate) async fn get(&self, id: CreditNoteId) -> Result<CreditNote, Error> {
        let found = store::credit_note::by_id(self.db.pool(), &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("credit note", id))
    }

    /// Credit notes, newest first, of one customer or of all.
    pub(crate) async fn list(
        &self,
        customer_id: Option<CustomerId>,
        page: PageRequest<'_>,
    ) -> Result<CreditNotePage, Error> {
        let size = page.size()?;
        let customer = customer_id.map(|id| id.to_string()).unwrap_or_default();
        let fingerprint = paging::fingerprint(&["credit_notes", &customer]);
        let after: Option<Cursor> = paging::decode(page.token, fingerprint)?;
        let mut credit_notes =
            store::credit_note::list(self.db.pool(), customer_id, page.with_lines, after.as_ref(), size + 1).await?;
        let lines: i64 = credit_notes.iter().map(|note| i64::from(note.line_count)).sum();
        let full = page.with_lines && lines >= MOST_LINES_IN_ANSWER;
        let more = paging::cut(&mut credit_notes, size) || full;
        let last = credit_notes.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.issued_at, last.id.uuid()), fingerprint));
        Ok(CreditNotePage { credit_notes, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// Creates or replaces credit notes known by a reference, in one unit of work.
    pub(crate) async fn upsert<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        drafts: Vec<Result<CreditNoteDraft, Violations>>,
        answer: fn(Vec<Upserted<CreditNoteId>>) -> R,
    ) -> Result<R, Error> {
        check_size("credit_notes", drafts.len(), drafts.iter().flatten().map(|draft| draft.lines.len()).sum())?;
        let check = |draft: Result<CreditNoteDraft, Violations>| CreditNoteContent::check(&draft?);
        let mut batch: Entries =
            Batch::new(drafts.into_iter().map(check).collect(), |content| content.reference.clone());
        let existing =
            self.customers.existing(batch.open.iter().filter_map(|(_, content)| content.customer_id)).await?;
        batch.refuse_where(|content, violations| {
            violations
                .check(existing.allows(content.customer_id), "customer_id", || customer::unknown(content.customer_id));
        });

        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        existing.remember(&mut uow).await?;
        let known = settle_unchanged(&mut uow, &mut batch).await?;
        if !batch.open.is_empty() {
            let owners = link(&mut uow, &mut batch, &known).await?;
            let present = load_present(&mut uow, &mut batch, &known, &owners).await?;
            let catalogue = catalogue(&mut uow, &mut batch).await?;
            create_new(&mut uow, &mut batch, &present, &owners, &catalogue).await?;
            replace_known(&mut uow, &mut batch, &present, &owners, &catalogue).await?;
        }
        let answer = answer(batch.into_outcomes()?);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// Locks the notes of the open entries and settles those that say nothing new. Gives the notes that exist.
async fn settle_unchanged(uow: &mut UnitOfWork, batch: &mut Entries) -> Result<Known, Error> {
    let references: Vec<&Reference> = batch.open.iter().map(|(_, content)| &content.reference).collect();
    let heads = store::credit_note::lock_heads(uow.conn(), &references).await?;
    let known: Known = heads.into_iter().map(|head| (head.reference.clone(), head)).collect();
    batch.settle_where(|content| {
        let head = known.get(&content.reference)?;
        content.is_known(head.customer_id, &head.content_hash).then_some(Upserted::Unchanged(head.id))
    });
    Ok(known)
}

/// Checks the entries against the orders they take back, and gives the customers of these orders.
async fn link(uow: &mut UnitOfWork, batch: &mut Entries, known: &Known) -> Result<HashMap<OrderId, CustomerId>, Error> {
    let ids: Vec<OrderId> = batch.open.iter().filter_map(|(_, content)| content.order_id).collect();
    let replaced: Vec<CreditNoteId> =
        batch.open.iter().filter_map(|(_, content)| known.get(&content.reference).map(|head| head.id)).collect();
    let mut orders: HashMap<OrderId, LinkedOrder> =
        store::credit_note::lock_orders(uow.conn(), &ids, &replaced).await?;
    batch.refuse_where(|content, violations| {
        let Some(id) = content.order_id else { return };
        match orders.get_mut(&id) {
            Some(order) => order.take_back(content, violations),
            None => violations.push("order_id", format!("there is no order `{id}`")),
        }
    });
    Ok(orders.into_iter().filter_map(|(id, order)| order.customer_id.map(|customer| (id, customer))).collect())
}

/// The customer of the order that an entry takes back.
fn owner(content: &CreditNoteContent, owners: &HashMap<OrderId, CustomerId>) -> Option<CustomerId> {
    content.order_id.and_then(|id| owners.get(&id)).copied()
}

/// Loads the notes that the open entries are about, and refuses the entries that these do not allow.
async fn load_present(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    known: &Known,
    owners: &HashMap<OrderId, CustomerId>,
) -> Result<HashMap<Reference, CreditNote>, Error> {
    let ids: Vec<CreditNoteId> =
        batch.open.iter().filter_map(|(_, content)| known.get(&content.reference).map(|head| head.id)).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let notes = store::credit_note::by_id(uow.conn(), &ids).await?;
    let present: HashMap<Reference, CreditNote> =
        notes.into_iter().map(|note| (note.reference.clone(), note)).collect();
    batch.refuse_where(|content, violations| {
        if let Some(note) = present.get(&content.reference) {
            note.allows(content, owner(content, owners), violations);
        }
    });
    Ok(present)
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

/// The lines of an entry; its products have been looked up.
fn lines(
    uow: &UnitOfWork,
    content: &CreditNoteContent,
    catalogue: &Catalogue,
    earlier: &[Line],
) -> Result<Vec<Line>, Error> {
    let mut violations = Violations::new();
    let lines = Line::make_all(&content.lines, catalogue, earlier, || uow.id(), &mut violations);
    violations.into_result()?;
    Ok(lines)
}

/// Creates the notes that are not known.
async fn create_new(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    present: &HashMap<Reference, CreditNote>,
    owners: &HashMap<OrderId, CustomerId>,
    catalogue: &Catalogue,
) -> Result<(), Error> {
    let mut notes: Vec<CreditNote> = Vec::new();
    for (_, content) in batch.open.iter().filter(|(_, content)| !present.contains_key(&content.reference)) {
        let number = content.number.clone().unwrap_or_else(|| reference::number(&content.reference));
        let lines = lines(uow, content, catalogue, &[])?;
        notes.push(CreditNote::create(uow.id(), number, content, owner(content, owners), lines, uow.now()));
    }
    let added = store::credit_note::insert(uow.conn(), &notes).await?;
    if added.len() != notes.len() {
        // Somebody else wrote one of them this very moment: what was checked no longer holds, and trying again is safe.
        return Err(
            Error::unavailable("another batch is writing the same credit notes").with_reason("CONCURRENT_BATCH")
        );
    }
    let created: HashMap<&Reference, CreditNoteId> = notes.iter().map(|note| (&note.reference, note.id)).collect();
    for note in &notes {
        uow.record(publish::credit_note(note).occurred_at(note.issued_at));
    }
    batch.settle_where(|content| created.get(&content.reference).copied().map(Upserted::Created));
    Ok(())
}

/// Replaces the notes that are known and of which the source says something else.
async fn replace_known(
    uow: &mut UnitOfWork,
    batch: &mut Entries,
    present: &HashMap<Reference, CreditNote>,
    owners: &HashMap<OrderId, CustomerId>,
    catalogue: &Catalogue,
) -> Result<(), Error> {
    let mut notes: Vec<CreditNote> = Vec::new();
    for (_, content) in &batch.open {
        if let Some(note) = present.get(&content.reference) {
            let lines = lines(uow, content, catalogue, &note.lines)?;
            notes.push(note.replaced(content, owner(content, owners), lines, uow.now()));
        }
    }
    store::credit_note::replace(uow.conn(), &notes).await?;
    for note in &notes {
        uow.record(publish::credit_note(note));
    }
    let updated: HashMap<&Reference, &CreditNote> = notes.iter().map(|note| (&note.reference, note)).collect();
    batch.settle_where(|content| updated.get(&content.reference).map(|note| Upserted::Updated(note.id, note.version)));
    Ok(())
}
