//! A run over rows that are orders, or lines of them. First all rows are sorted by order, in a table; then the orders are
//! put together and sent to the orders service in batches.

use std::collections::{BTreeMap, HashSet};

use clientele_contracts::platform::v1::{FieldViolation, UpsertOutcome};
use clientele_kernel::{CustomerId, Violation};
use clientele_platform::proto;
use tokio_util::sync::CancellationToken;

use super::run::{Ended, Job};
use super::sending::Intents;
use super::{Imports, people};
use crate::domain::import::order::{self, OrderDraft};
use crate::domain::import::value::Reader;
use crate::domain::import::{RawRow, Refusal};
use crate::store::import::line::{self, Budget};
use crate::store::import::{intent, record};
use crate::{Error, store};

/// How many orders a batch has, unless one customer has more at one moment.
pub(super) const MOST_ORDERS: usize = 500;
/// How much is read at once; more than an order may have.
const BUDGET: Budget = Budget { rows: 4000, bytes: 8 * 1024 * 1024 };

/// Rows of some orders, each order whole.
struct Page {
    orders: Vec<(String, Vec<RawRow>)>,
    last_key: String,
}

impl Imports {
    /// Sorts what is not sorted yet, then sends orders from behind the last that is settled.
    pub(super) async fn run_orders(&self, job: &mut Job, stop: &CancellationToken) -> Result<Ended, Error> {
        let reader = Reader::new(&job.import)?;
        if !job.import.work.cursor.staged {
            let mut rows = self.rows(&job.import, job.import.work.cursor.rows)?;
            while let Some(batch) = rows.recv().await {
                if stop.is_cancelled() {
                    return Ok(Ended::Stopped);
                }
                self.require_rights(job).await?;
                if !self.stage(job, &reader, batch?).await? {
                    return Ok(Ended::Lost);
                }
            }
            let mut work = job.import.work.clone();
            work.cursor.staged = true;
            let uow = self.db.begin(&job.caller).await?;
            if !self.commit(job, uow, work).await? {
                return Ok(Ended::Lost);
            }
        }
        let mut seen = people::Seen::default();
        while !stop.is_cancelled() {
            self.require_rights(job).await?;
            match self.next_orders(job, &reader, &mut seen).await? {
                Some(true) => {}
                Some(false) => return Ok(Ended::Lost),
                None => return Ok(Ended::Done),
            }
        }
        Ok(Ended::Stopped)
    }

    /// One batch from behind the last that is settled; `None` where there is none, false where the work is not ours.
    async fn next_orders(
        &self,
        job: &mut Job,
        reader: &Reader,
        seen: &mut people::Seen,
    ) -> Result<Option<bool>, Error> {
        let after = job.import.work.cursor.after.clone().unwrap_or_default();
        let read = line::after(self.db.pool(), job.import.id, &after, BUDGET).await?;
        if read.rows.is_empty() {
            return Ok(None);
        }
        let ours = match page(read) {
            Some(page) => self.orders_batch(job, reader, page, seen).await?,
            None => self.refuse_giant(job, &after).await?,
        };
        Ok(Some(ours))
    }

    /// Sorts a batch of rows by order. A row that does not say which it belongs to is refused.
    async fn stage(&self, job: &mut Job, reader: &Reader, rows: Vec<RawRow>) -> Result<bool, Error> {
        let count = rows.len();
        let mut sorted = Vec::with_capacity(count);
        let mut refusals = Vec::new();
        for row in rows {
            match reader.values(&row).and_then(|values| order::key(&values)) {
                Ok(key) => sorted.push((key, row)),
                Err(violations) => refusals.push(Refusal { line: row.line, violations, cells: row.cells }),
            }
        }
        let mut uow = self.db.begin(&job.caller).await?;
        line::insert(uow.conn(), job.import.id, &sorted).await?;
        let refused = store::import::refusal::insert(uow.conn(), job.import.id, &refusals).await?;
        let refused = i64::try_from(refused).unwrap_or(i64::MAX);
        let mut work = job.import.work.clone();
        work.cursor.rows += count as u64;
        if let Some(progress) = job.progress(&mut work) {
            progress.rows += refused;
            progress.refused += refused;
        }
        self.commit(job, uow, work).await
    }

    /// Refuses the rows of a key that has more than any order may have, without holding all of them.
    async fn refuse_giant(&self, job: &mut Job, after: &str) -> Result<bool, Error> {
        let mut uow = self.db.begin(&job.caller).await?;
        let mut refused = 0;
        let mut count = 0;
        let mut last: Option<(String, u64)> = None;
        loop {
            let rows = match &last {
                None => line::after(uow.conn(), job.import.id, after, BUDGET).await?.rows,
                Some((key, line)) => line::of_key(uow.conn(), job.import.id, key, *line, BUDGET).await?.rows,
            };
            let Some((key, row)) = rows.last() else { break };
            last = Some((key.clone(), row.line));
            let description = format!(
                "the rows of this order are too many, or too long: at most {} are taken, of {} MiB together",
                order::MOST_LINES,
                BUDGET.bytes / 1024 / 1024
            );
            let violation = Violation::new("order.number", description).because("ORDER_TOO_LARGE");
            let violation = violation.with("most", order::MOST_LINES);
            let refusal =
                |row: RawRow| Refusal { line: row.line, violations: vec![violation.clone()], cells: row.cells };
            let refusals: Vec<Refusal> = rows.into_iter().map(|(_, row)| refusal(row)).collect();
            count += refusals.len();
            refused += store::import::refusal::insert(uow.conn(), job.import.id, &refusals).await?;
        }
        let mut work = job.import.work.clone();
        work.cursor.after = last.map(|(key, _)| key);
        if let Some(progress) = job.progress(&mut work) {
            progress.rows += i64::try_from(count).unwrap_or(i64::MAX);
            progress.refused += i64::try_from(refused).unwrap_or(i64::MAX);
        }
        self.commit(job, uow, work).await
    }

    async fn orders_batch(
        &self,
        job: &mut Job,
        reader: &Reader,
        page: Page,
        seen: &mut people::Seen,
    ) -> Result<bool, Error> {
        let count: usize = page.orders.iter().map(|(_, rows)| rows.len()).sum();
        let mut drafts = Vec::new();
        let mut refusals = Vec::new();
        for (key, rows) in page.orders {
            for order in order::assemble(reader, &key, rows, self.region) {
                match order {
                    Ok(draft) => drafts.push(draft),
                    Err(refused) => refusals.extend(refused),
                }
            }
        }
        let intents = self.intents(job, &drafts).await?;
        let Some(customers) = self.customers_of(job, &mut drafts, &mut refusals, seen, &intents).await? else {
            return Ok(false);
        };
        if !store::import::held(self.db.pool(), job.import.id, job.epoch()).await? {
            return Ok(false);
        }
        let answers = self.send(job, &drafts, &customers, &intents).await?;

        let mut uow = self.db.begin(&job.caller).await?;
        let mut work = job.import.work.clone();
        let mut records = Vec::new();
        let mut tally = [0_i64; 3];
        for (draft, answer) in drafts.into_iter().zip(answers) {
            match answer.outcome {
                UpsertOutcome::Created => tally[0] += 1,
                UpsertOutcome::Updated => tally[1] += 1,
                UpsertOutcome::Unchanged => tally[2] += 1,
                UpsertOutcome::Refused | UpsertOutcome::Unspecified => {
                    refusals.extend(refused(draft, &answer.violations));
                }
            }
            if let Some(wrote) = answer.wrote.filter(|_| !job.trial()) {
                work.cursor.seq += 1;
                records.push(wrote.record(work.cursor.seq));
            }
        }
        record::save(uow.conn(), job.import.id, record::ORDER, &records).await?;
        let refused = store::import::refusal::insert(uow.conn(), job.import.id, &refusals).await?;
        intent::clear(uow.conn(), job.import.id).await?;
        work.cursor.after = Some(page.last_key);
        work.cursor.batch += 1;
        work.cursor.sent = false;
        if let Some(progress) = job.progress(&mut work) {
            progress.rows += i64::try_from(count).unwrap_or(i64::MAX);
            progress.refused += i64::try_from(refused).unwrap_or(i64::MAX);
            progress.orders_created += tally[0];
            progress.orders_updated += tally[1];
            progress.orders_unchanged += tally[2];
        }
        self.commit(job, uow, work).await
    }

    /// The customers of orders, written before the orders are sent. An order whose customer is refused is refused too.
    /// `None` where the run is not ours any more.
    async fn customers_of(
        &self,
        job: &mut Job,
        drafts: &mut Vec<OrderDraft>,
        refusals: &mut Vec<Refusal>,
        seen: &mut people::Seen,
        intents: &Intents,
    ) -> Result<Option<Vec<Option<CustomerId>>>, Error> {
        let persons: Vec<_> = drafts.iter().filter_map(|draft| draft.customer.clone()).collect();
        let mut uow = self.db.begin(&job.caller).await?;
        let (outcomes, touched) = people::write(&mut uow, self.db.ids(), &persons).await?;
        let several: i64 = outcomes.iter().flatten().map(|(_, several)| i64::from(*several)).sum();
        let mut work = job.import.work.clone();
        work.cursor.sent = !job.trial();
        // In a trial run, those that would be created are nobody yet.
        let mut nobody: HashSet<CustomerId> = HashSet::new();
        let tally = if job.trial() {
            drop(uow);
            uow = self.db.begin(&job.caller).await?;
            nobody.extend(touched.iter().filter(|touched| touched.before_version == 0).map(|touched| touched.id));
            seen.count(&touched)
        } else {
            if !intents.resumed {
                intent::save(uow.conn(), job.import.id, &intents.versions).await?;
            }
            people::note(&mut uow, job.import.id, &touched, &mut work.cursor.seq).await?
        };
        if let Some(progress) = job.progress(&mut work) {
            progress.several += several;
            tally.add_to(progress);
        }
        if !self.commit(job, uow, work).await? {
            return Ok(None);
        }
        let mut outcomes = outcomes.into_iter();
        let mut customers = Vec::with_capacity(drafts.len());
        let mut kept = Vec::with_capacity(drafts.len());
        for draft in drafts.drain(..) {
            let outcome = if draft.customer.is_some() { outcomes.next() } else { None };
            match outcome {
                None => customers.push(None),
                Some(Ok((id, _))) => customers.push(Some(id).filter(|id| !nobody.contains(id))),
                Some(Err(violations)) => {
                    let refusal =
                        |row: RawRow| Refusal { line: row.line, violations: violations.clone(), cells: row.cells };
                    refusals.extend(draft.rows.into_iter().map(refusal));
                    continue;
                }
            }
            kept.push(draft);
        }
        *drafts = kept;
        Ok(Some(customers))
    }
}

/// As many whole orders as make a batch; `None` where the first has more rows than were read.
fn page(read: line::Page) -> Option<Page> {
    let line::Page { rows, is_full } = read;
    let mut orders: Vec<(String, Vec<RawRow>)> = Vec::new();
    let mut count = 0;
    let mut cut = false;
    for (key, row) in rows {
        match orders.last_mut() {
            Some((last, rows)) if *last == key => {
                // Rows without a number are an order each.
                count += usize::from(key.starts_with('d'));
                rows.push(row);
            }
            _ if count >= MOST_ORDERS => {
                cut = true;
                break;
            }
            _ => {
                count += 1;
                orders.push((key, vec![row]));
            }
        }
    }
    if is_full && !cut {
        // The last may go on behind what was read.
        orders.pop();
    }
    let last_key = orders.last()?.0.clone();
    Some(Page { orders, last_key })
}

/// The rows of an order that the orders service refuses, each with its reasons.
fn refused(draft: OrderDraft, violations: &[FieldViolation]) -> Vec<Refusal> {
    let violations: Vec<Violation> = violations
        .iter()
        .map(|violation| Violation { field: field_of(&violation.field), ..proto::parse_violation(violation) })
        .collect();
    let refusal = |row: RawRow| Refusal { line: row.line, violations: violations.clone(), cells: row.cells };
    draft.rows.into_iter().map(refusal).collect()
}

/// The field of the import that a path within an order is about.
fn field_of(path: &str) -> String {
    let names = BTreeMap::from([
        ("reference", "order.external_id"),
        ("number", "order.number"),
        ("customer_id", "customer.external_id"),
        ("status", "order.status"),
        ("placed_at", "order.placed_at"),
        ("currency", "order.currency"),
    ]);
    let (first, rest) = path.split_once(['.', '[']).unwrap_or((path, ""));
    match (names.get(first), first) {
        (Some(name), _) => (*name).to_owned(),
        (None, "lines") => match rest.split_once("].") {
            Some((_, field)) => format!("line.{field}"),
            None => "order.number".to_owned(),
        },
        _ => path.to_owned(),
    }
}
