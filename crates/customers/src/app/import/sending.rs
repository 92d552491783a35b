//! Sends a batch of orders, and learns what it has written even where an answer was lost.
//!
//! Before a batch is sent its orders are noted with the versions they have. An answer that comes at last, or again under the
//! same request id, tells by itself what was written. Where that is known no longer (request ids live for 24 hours, and a
//! batch that takes too long is sent again in smaller parts), orders that come back unchanged are told by their versions:
//! one that has moved on by one since it was noted was written by this batch.

use std::collections::HashMap;

use clientele_contracts::orders::v1::{
    BatchUpsertOrdersRequest, FindOrderVersionsRequest, Order, OrderVersion, UpsertOrderResult,
};
use clientele_contracts::platform::v1::{ExternalReference, FieldViolation, UpsertOutcome};
use clientele_kernel::{Code, CustomerId, Error as KernelError, OrderId};
use clientele_platform::grpc;
use prost::Message;
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::orders::MOST_ORDERS;
use super::run::Job;
use super::{Imports, people};
use crate::domain::import::order::OrderDraft;
use crate::domain::import::value::Reader;
use crate::store::import::intent::{self, Versions};
use crate::store::import::record::{self, Record};
use crate::{Error, contract};

/// How large a request is, unless a single order is larger.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// The orders of a batch, with their versions before it.
#[derive(Debug, Default)]
pub(super) struct Intents {
    pub(super) versions: Versions,
    /// Whether the batch may have been sent already, so that these are versions of then.
    pub(super) resumed: bool,
}

/// What became of an order.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: UpsertOutcome,
    pub(super) violations: Vec<FieldViolation>,
    /// What the batch has written of it.
    pub(super) wrote: Option<Wrote>,
}

/// An order that was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrote {
    id: OrderId,
    before_version: i64,
    version: i64,
}

impl Wrote {
    pub(super) fn record(self, seq: i64) -> Record {
        let Self { id, before_version, version } = self;
        Record { id: id.uuid(), seq, before_version, version, mixed: false }
    }
}

impl Imports {
    /// The orders of a batch as they are before it. A batch that may have been sent already has noted them then.
    pub(super) async fn intents(&self, job: &Job, drafts: &[OrderDraft]) -> Result<Intents, Error> {
        if job.trial() {
            return Ok(Intents::default());
        }
        if job.import.work.cursor.sent {
            return Ok(Intents { versions: intent::of(self.db.pool(), job.import.id).await?, resumed: true });
        }
        let mut versions: Versions = drafts.iter().map(|draft| (draft.external_id.clone(), 0)).collect();
        let ids: Vec<&str> = drafts.iter().map(|draft| draft.external_id.as_str()).collect();
        versions.extend(self.versions(job, &ids).await?.into_iter().map(|(id, (_, version))| (id, version)));
        Ok(Intents { versions, resumed: false })
    }

    /// Orders by their ids at the source, as far as there are any, with their versions.
    async fn versions(&self, job: &Job, ids: &[&str]) -> Result<HashMap<String, (OrderId, i64)>, Error> {
        let mut versions = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(MOST_ORDERS) {
            let reference =
                |id: &&str| ExternalReference { source: job.import.source.clone(), external_id: (*id).to_owned() };
            let request = as_import(FindOrderVersionsRequest { references: ids.iter().map(reference).collect() });
            let answer = self.orders.clone().find_order_versions(request).await.map_err(grpc::error)?;
            for OrderVersion { reference, order_id, version } in answer.into_inner().orders {
                let id = OrderId::parse(&order_id, "order_id").map_err(KernelError::internal)?;
                versions.insert(reference.unwrap_or_default().external_id, (id, version));
            }
        }
        Ok(versions)
    }

    /// Sends orders, in parts; the key of each request is that of the batch and the part, so that one that is sent again
    /// changes nothing. A part that takes longer than a call may is sent again as two.
    pub(super) async fn send(
        &self,
        job: &mut Job,
        drafts: &[OrderDraft],
        customers: &[Option<CustomerId>],
        intents: &Intents,
    ) -> Result<Vec<Answer>, Error> {
        let order = |(draft, customer): (&OrderDraft, &Option<CustomerId>)| {
            contract::import::order(draft, *customer, &job.import.source)
        };
        let orders: Vec<Order> = drafts.iter().zip(customers).map(order).collect();
        let batch = job.import.work.cursor.batch;
        let mut results = Vec::with_capacity(orders.len());
        let mut again = intents.resumed;
        while let Some(rest) = orders.get(results.len()..).filter(|rest| !rest.is_empty()) {
            let count = part(rest, job.orders_at_once);
            let request_id = format!("import-{}-{batch}-{}-{count}", job.import.id, results.len());
            match self.send_part(job, &rest[..count], request_id).await {
                Ok(part) => results.extend(part),
                Err(error) if error.code == Code::DeadlineExceeded && count > 1 => {
                    job.orders_at_once = count / 2;
                    again = true;
                    tracing::info!(import = %job.import.id, orders = count, "a batch of orders takes too long: it is halved");
                }
                // What is refused for good was never taken, nor was what comes behind it.
                Err(error) if job.undoing() && !error.is_transient() => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.answers(job, drafts, results, again.then_some(&intents.versions)).await
    }

    async fn send_part(
        &self,
        job: &Job,
        orders: &[Order],
        request_id: String,
    ) -> Result<Vec<UpsertOrderResult>, KernelError> {
        let validate_only = job.trial();
        let request_id = if validate_only { String::new() } else { request_id };
        let mut message = BatchUpsertOrdersRequest { orders: orders.to_vec(), request_id, validate_only };
        let mut answer = self.orders.clone().batch_upsert_orders(as_import(message.clone())).await;
        if answer.as_ref().is_err_and(|status| reason(status) == "REQUEST_ID_REUSED") {
            // A customer has been merged or removed since the batch was sent first: what is known already is found
            // unchanged.
            message.request_id.clear();
            answer = self.orders.clone().batch_upsert_orders(as_import(message)).await;
        }
        let results = answer.map_err(grpc::error)?.into_inner().results;
        if results.len() != orders.len() {
            return Err(KernelError::internal("orders answered for another number of orders than were sent"));
        }
        Ok(results)
    }

    /// What became of orders; `noted` are the versions before, where the batch has been sent more than once.
    async fn answers(
        &self,
        job: &Job,
        drafts: &[OrderDraft],
        results: Vec<UpsertOrderResult>,
        noted: Option<&Versions>,
    ) -> Result<Vec<Answer>, Error> {
        let unchanged = drafts.iter().zip(&results).filter(|(_, result)| result.outcome() == UpsertOutcome::Unchanged);
        let doubtful: Vec<&str> = match noted {
            Some(_) if !job.trial() => unchanged.map(|(draft, _)| draft.external_id.as_str()).collect(),
            _ => Vec::new(),
        };
        let now = self.versions(job, &doubtful).await?;
        let answer = |(draft, result): (&OrderDraft, UpsertOrderResult)| {
            let outcome = result.outcome();
            let written = |before_version| -> Result<Option<Wrote>, Error> {
                let id = OrderId::parse(&result.order_id, "order_id").map_err(KernelError::internal)?;
                Ok(Some(Wrote { id, before_version, version: result.version }))
            };
            let (outcome, wrote) = match outcome {
                _ if job.trial() => (outcome, None),
                UpsertOutcome::Created => (outcome, written(0)?),
                UpsertOutcome::Updated => (outcome, written(result.version - 1)?),
                UpsertOutcome::Unchanged => {
                    let before = noted.and_then(|noted| noted.get(&draft.external_id));
                    told_by_versions(before.copied(), now.get(&draft.external_id).copied())
                }
                UpsertOutcome::Refused | UpsertOutcome::Unspecified => (outcome, None),
            };
            Ok(Answer { outcome, violations: result.violations, wrote })
        };
        drafts.iter().zip(results).map(answer).collect()
    }

    /// Learns what became of a batch that was sent when the run broke off, so that it can be taken back with the others: it
    /// is sent again under the same request id. False where the work is not ours any more.
    pub(super) async fn settle_sent(&self, job: &mut Job) -> Result<bool, Error> {
        if job.import.file.is_some() {
            let reader = Reader::new(&job.import)?;
            if let Some(ours) = self.next_orders(job, &reader, &mut people::Seen::default()).await? {
                return Ok(ours);
            }
        }
        // The rows went with the file. An order that did not exist and has its first version was made by the batch; of one
        // that has changed nobody can tell by whom any more, so it stays.
        let noted = intent::of(self.db.pool(), job.import.id).await?;
        let ids: Vec<&str> = noted.keys().map(String::as_str).collect();
        let now = self.versions(job, &ids).await?;
        let mut work = job.import.work.clone();
        let mut records = Vec::new();
        for (id, before) in &noted {
            match (before, now.get(id)) {
                (0, Some((id, 1))) => {
                    work.cursor.seq += 1;
                    records.push(Wrote { id: *id, before_version: 0, version: 1 }.record(work.cursor.seq));
                }
                (before, Some((_, version))) if version > before => {
                    if let Some(undo) = &mut work.undo {
                        undo.kept += 1;
                    }
                }
                _ => {}
            }
        }
        work.cursor.sent = false;
        let mut uow = self.db.begin(&job.caller).await?;
        record::save(uow.conn(), job.import.id, record::ORDER, &records).await?;
        intent::clear(uow.conn(), job.import.id).await?;
        self.commit(job, uow, work).await
    }
}

/// What a batch that was sent more than once did to an order that is as the file says, by its versions before and now.
fn told_by_versions(before: Option<i64>, now: Option<(OrderId, i64)>) -> (UpsertOutcome, Option<Wrote>) {
    match (before, now) {
        (Some(before_version), Some((id, version))) if version > before_version => {
            let outcome = match (before_version, version - before_version) {
                (0, 1) => UpsertOutcome::Created,
                (_, 1) => UpsertOutcome::Updated,
                // Somebody else has written it too. It stays when the import is taken back: its version is not ours.
                _ => UpsertOutcome::Unchanged,
            };
            (outcome, Some(Wrote { id, before_version, version: before_version + 1 }))
        }
        _ => (UpsertOutcome::Unchanged, None),
    }
}

/// How many of the orders, one at least, make a request: no more than so many, nor of more bytes than a request should have.
fn part(orders: &[Order], most: usize) -> usize {
    let mut bytes = 0;
    let fitting = orders.iter().take(most).take_while(|order| {
        bytes += order.encoded_len();
        bytes <= MOST_BYTES
    });
    fitting.count().max(1)
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

#[cfg(test)]
mod tests {
    use clientele_contracts::orders::v1::OrderLine;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_request_has_no_more_orders_nor_bytes_than_it_should() {
        let order = |bytes: usize| Order {
            lines: vec![OrderLine { name: "x".repeat(bytes), ..OrderLine::default() }],
            ..Order::default()
        };
        assert_eq!(part(&vec![order(10); 700], 500), 500);
        assert_eq!(part(&vec![order(100_000); 700], 500), 20);
        assert_eq!(part(&[order(5_000_000), order(1)], 500), 1, "one is always sent");
    }

    #[test]
    fn what_is_unchanged_was_written_by_the_batch_where_its_version_has_moved_on_by_one() {
        let id = OrderId::from(Uuid::from_u128(7));
        let told = |before, now: Option<i64>| {
            let (outcome, wrote) = told_by_versions(before, now.map(|version| (id, version)));
            (outcome, wrote.map(|wrote| (wrote.before_version, wrote.version)))
        };
        assert_eq!(told(Some(0), Some(1)), (UpsertOutcome::Created, Some((0, 1))));
        assert_eq!(told(Some(3), Some(4)), (UpsertOutcome::Updated, Some((3, 4))));
        assert_eq!(told(Some(3), Some(3)), (UpsertOutcome::Unchanged, None));
        assert_eq!(
            told(Some(3), Some(5)),
            (UpsertOutcome::Unchanged, Some((3, 4))),
            "somebody else's too: it will stay"
        );
        assert_eq!(told(Some(0), None), (UpsertOutcome::Unchanged, None));
        assert_eq!(told(None, Some(1)), (UpsertOutcome::Unchanged, None));
    }
}
