//! A run over rows that are orders, or lines of them. First all rows are sorted by order, in a table; then the orders are
//! put together and sent to the orders service in batches.

use std::collections::{BTreeMap, HashSet};

use clientele_contracts::orders::v1::{BatchUpsertOrdersRequest, UpsertOrderResult};
use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{CustomerId, Error as KernelError, OrderId, Violation};
use clientele_platform::grpc;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::run::{Ended, Job};
use super::{Imports, people};
use crate::domain::import::order::{self, OrderDraft};
use crate::domain::import::value::Reader;
use crate::domain::import::{RawRow, Refusal};
use crate::store::import::record::{self, Record};
use crate::{Error, contract, store};

/// How many orders a batch has, unless one customer has more at one moment.
const MOST_ORDERS: usize = 500;
/// How many rows are read at once; more than an order may have.
const MOST_ROWS: i64 = 4000;

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
            match self.next_orders(job, &reader, &mut seen).await? {
                Some(true) => {}
                Some(false) => return Ok(Ended::Lost),
                None => return Ok(Ended::Done),
            }
        }
        Ok(Ended::Stopped)
    }

    /// Learns what became of a batch that was sent when the run broke off, so that it can be taken back with the others: it
    /// is sent again under the same request id. False where the work is not ours any more.
    pub(super) async fn settle_sent(&self, job: &mut Job) -> Result<bool, Error> {
        let reader = Reader::new(&job.import)?;
        if let Some(ours) = self.next_orders(job, &reader, &mut people::Seen::default()).await? {
            return Ok(ours);
        }
        // The rows went with the file.
        let mut work = job.import.work.clone();
        work.cursor.sent = false;
        let uow = self.db.begin(&job.caller).await?;
        self.commit(job, uow, work).await
    }

    /// One batch from behind the last that is settled; `None` where there is none, false where the work is not ours.
    async fn next_orders(
        &self,
        job: &mut Job,
        reader: &Reader,
        seen: &mut people::Seen,
    ) -> Result<Option<bool>, Error> {
        let after = job.import.work.cursor.after.clone().unwrap_or_default();
        let rows = store::import::line::after(self.db.pool(), job.import.id, &after, MOST_ROWS).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let ours = match page(rows) {
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
        store::import::line::insert(uow.conn(), job.import.id, &sorted).await?;
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
                None => store::import::line::after(uow.conn(), job.import.id, after, MOST_ROWS).await?,
                Some((key, line)) => {
                    store::import::line::of_key(uow.conn(), job.import.id, key, *line, MOST_ROWS).await?
                }
            };
            let Some((key, row)) = rows.last() else { break };
            last = Some((key.clone(), row.line));
            let description = format!("more than {} rows belong to this order", order::MOST_LINES);
            let violation = Violation { field: "order.number".to_owned(), description };
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
        let Some(customers) = self.customers_of(job, &mut drafts, &mut refusals, seen).await? else {
            return Ok(false);
        };
        if !store::import::held(self.db.pool(), job.import.id, job.epoch()).await? {
            return Ok(false);
        }
        let results = self.send(job, &drafts, &customers).await?;

        let mut uow = self.db.begin(&job.caller).await?;
        let mut work = job.import.work.clone();
        let mut records = Vec::new();
        let mut tally = [0_i64; 3];
        for (draft, result) in drafts.into_iter().zip(results) {
            let before_version = match result.outcome() {
                UpsertOutcome::Created => {
                    tally[0] += 1;
                    0
                }
                UpsertOutcome::Updated => {
                    tally[1] += 1;
                    result.version - 1
                }
                UpsertOutcome::Unchanged => {
                    tally[2] += 1;
                    continue;
                }
                UpsertOutcome::Refused | UpsertOutcome::Unspecified => {
                    refusals.extend(refused(draft, &result));
                    continue;
                }
            };
            if !job.trial() {
                let id = OrderId::parse(&result.order_id, "order_id").map_err(KernelError::internal)?;
                work.cursor.seq += 1;
                let (seq, version) = (work.cursor.seq, result.version);
                records.push(Record { id: id.uuid(), seq, before_version, version, mixed: false });
            }
        }
        record::save(uow.conn(), job.import.id, record::ORDER, &records).await?;
        let refused = store::import::refusal::insert(uow.conn(), job.import.id, &refusals).await?;
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

    /// Sends orders; the key of each request is that of the batch, so that one that is sent again changes nothing.
    async fn send(
        &self,
        job: &Job,
        drafts: &[OrderDraft],
        customers: &[Option<CustomerId>],
    ) -> Result<Vec<UpsertOrderResult>, Error> {
        let mut results = Vec::with_capacity(drafts.len());
        let parts = drafts.chunks(MOST_ORDERS).zip(customers.chunks(MOST_ORDERS));
        for (number, (drafts, customers)) in parts.enumerate() {
            let orders = drafts.iter().zip(customers);
            let trial = job.trial();
            let batch = job.import.work.cursor.batch;
            let mut message = BatchUpsertOrdersRequest {
                orders: orders
                    .map(|(draft, customer)| contract::import::order(draft, *customer, &job.import.source))
                    .collect(),
                request_id: if trial { String::new() } else { format!("import-{}-{batch}-{number}", job.import.id) },
                validate_only: trial,
            };
            let mut answer = self.orders.clone().batch_upsert_orders(as_import(message.clone())).await;
            if answer.as_ref().is_err_and(|status| reason(status) == "REQUEST_ID_REUSED") {
                // A customer has been merged or removed since the batch was sent first: what is known already is found
                // unchanged.
                message.request_id.clear();
                answer = self.orders.clone().batch_upsert_orders(as_import(message)).await;
            }
            let part = match answer.map_err(grpc::error) {
                Ok(answer) => answer.into_inner().results,
                // What is refused for good was never taken, nor was what comes behind it.
                Err(error) if job.undoing() && !error.is_transient() => break,
                Err(error) => return Err(error.into()),
            };
            if part.len() != drafts.len() {
                return Err(KernelError::internal("orders answered for another number of orders than were sent").into());
            }
            results.extend(part);
        }
        Ok(results)
    }
}

/// A call to another service that tells where it comes from.
pub(super) fn as_import<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(grpc::HEADER_ORIGIN, MetadataValue::from_static("import"));
    request
}

fn reason(status: &tonic::Status) -> String {
    let error = grpc::error(status.clone());
    error.metadata.into_iter().find(|(key, _)| key == "reason").map(|(_, reason)| reason).unwrap_or_default()
}

/// As many whole orders as make a batch; `None` where the first has more rows than were read.
fn page(rows: Vec<(String, RawRow)>) -> Option<Page> {
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == MOST_ROWS);
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
fn refused(draft: OrderDraft, result: &UpsertOrderResult) -> Vec<Refusal> {
    let violations: Vec<Violation> = result
        .violations
        .iter()
        .map(|violation| Violation { field: field_of(&violation.field), description: violation.description.clone() })
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
