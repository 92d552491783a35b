//! Sends a batch of orders, and learns what it has written even where an answer was lost.
//!
//! Before a batch is sent its orders are noted with the versions they have, and it is sent under a label that names the
//! import. An answer that comes at last, or again under the same request id, tells by itself what was written. Where that is
//! known no longer (request ids live for 24 hours, and a batch that takes too long is sent again in smaller parts), orders
//! says who made the change after the version that was noted: it is the import's where it bears its label. What cannot be
//! told by that is taken for somebody else's, and stays when the import is taken back.

use std::collections::HashMap;

use clientele_contracts::orders::v1::{BatchUpsertOrdersRequest, FindOrderVersionsRequest, Order, UpsertOrderResult};
use clientele_contracts::platform::v1::{ExternalReference, FieldViolation, Origin, UpsertOutcome};
use clientele_kernel::{Code, CustomerId, Error as KernelError, ImportId, OrderId};
use clientele_platform::grpc;
use prost::Message;
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::Imports;
use super::orders::MOST_ORDERS;
use super::run::Job;
use crate::domain::import::order::OrderDraft;
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

/// An order as it is now.
#[derive(Debug, Clone, Copy)]
struct Found {
    id: OrderId,
    version: i64,
    /// Whether the import made the change after the version that was noted.
    ours: bool,
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
        versions.extend(self.versions(job, &ids, None).await?.into_iter().map(|(id, found)| (id, found.version)));
        Ok(Intents { versions, resumed: false })
    }

    /// Orders by their ids at the source, as far as there are any, and what became of the versions that were noted.
    async fn versions(
        &self,
        job: &Job,
        ids: &[&str],
        noted: Option<&Versions>,
    ) -> Result<HashMap<String, Found>, Error> {
        let label = label(job.import.id);
        let mut versions = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(MOST_ORDERS) {
            let reference =
                |id: &&str| ExternalReference { source: job.import.source.clone(), external_id: (*id).to_owned() };
            let before = |id: &&str| noted.and_then(|noted| noted.get(*id)).copied().unwrap_or_default();
            let request = as_import(FindOrderVersionsRequest {
                references: ids.iter().map(reference).collect(),
                before_versions: if noted.is_some() { ids.iter().map(before).collect() } else { Vec::new() },
            });
            let answer = self.orders.clone().find_order_versions(request).await.map_err(grpc::error)?;
            for order in answer.into_inner().orders {
                let id = OrderId::parse(&order.order_id, "order_id").map_err(KernelError::internal)?;
                // Programs have labels too, but imports come from here alone.
                let ours = order.next_origin() == Origin::Import && order.next_integration == label;
                let found = Found { id, version: order.version, ours };
                versions.insert(order.reference.unwrap_or_default().external_id, found);
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
        let mut answer = self.orders.clone().batch_upsert_orders(labelled(message.clone(), job)?).await;
        if answer.as_ref().is_err_and(|status| reason(status) == "REQUEST_ID_REUSED") {
            // A customer has been merged or removed since the batch was sent first: what is known already is found
            // unchanged.
            message.request_id.clear();
            answer = self.orders.clone().batch_upsert_orders(labelled(message, job)?).await;
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
        let now = self.versions(job, &doubtful, noted).await?;
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

    /// Learns what became of a batch that was sent when the run broke off, so that it can be taken back with the others. Nothing
    /// is sent again: what is to be taken back must not be written first. False where the work is not ours any more.
    pub(super) async fn settle_sent(&self, job: &mut Job) -> Result<bool, Error> {
        let noted = intent::of(self.db.pool(), job.import.id).await?;
        let ids: Vec<&str> = noted.keys().map(String::as_str).collect();
        let now = self.versions(job, &ids, Some(&noted)).await?;
        let mut work = job.import.work.clone();
        let mut records = Vec::new();
        for (id, before) in &noted {
            match (now.get(id).copied(), &mut work.undo) {
                (Some(Found { id, ours: true, .. }), _) => {
                    work.cursor.seq += 1;
                    let wrote = Wrote { id, before_version: *before, version: before + 1 };
                    records.push(wrote.record(work.cursor.seq));
                }
                // Others have written it meanwhile, and the import perhaps after them.
                (Some(found), Some(undo)) if found.version > before + 1 => undo.kept += 1,
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

/// What a batch that was sent more than once did to an order that is as the file says, by its version before and by what is
/// known of it now.
fn told_by_versions(before: Option<i64>, now: Option<Found>) -> (UpsertOutcome, Option<Wrote>) {
    match (before, now) {
        (Some(before_version), Some(Found { id, version, ours: true })) => {
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

/// The label of what an import writes in other services.
fn label(import: ImportId) -> String {
    format!("import-{import}")
}

/// A call that writes for an import.
fn labelled<T>(message: T, job: &Job) -> Result<Request<T>, KernelError> {
    let mut request = as_import(message);
    let label = label(job.import.id).parse().map_err(KernelError::internal)?;
    request.metadata_mut().insert(grpc::HEADER_INTEGRATION, label);
    Ok(request)
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
    fn what_is_unchanged_was_written_by_the_batch_where_the_next_change_bears_its_label() {
        let id = OrderId::from(Uuid::from_u128(7));
        let told = |before, now: Option<(i64, bool)>| {
            let (outcome, wrote) = told_by_versions(before, now.map(|(version, ours)| Found { id, version, ours }));
            (outcome, wrote.map(|wrote| (wrote.before_version, wrote.version)))
        };
        assert_eq!(told(Some(0), Some((1, true))), (UpsertOutcome::Created, Some((0, 1))));
        assert_eq!(told(Some(3), Some((4, true))), (UpsertOutcome::Updated, Some((3, 4))));
        assert_eq!(told(Some(0), Some((1, false))), (UpsertOutcome::Unchanged, None), "somebody else's");
        assert_eq!(told(Some(3), Some((4, false))), (UpsertOutcome::Unchanged, None));
        assert_eq!(told(Some(3), Some((3, false))), (UpsertOutcome::Unchanged, None));
        assert_eq!(
            told(Some(3), Some((5, true))),
            (UpsertOutcome::Unchanged, Some((3, 4))),
            "somebody else's too: it will stay"
        );
        assert_eq!(told(Some(0), None), (UpsertOutcome::Unchanged, None));
        assert_eq!(told(None, Some((1, true))), (UpsertOutcome::Unchanged, None));
    }
}
