//! Takes back what a run has written, newest first: orders before the customers they belong to. What anybody has touched
//! since stays as it is.

use std::collections::BTreeSet;

use clientele_contracts::messaging::v1::FindCorrespondentsRequest;
use clientele_contracts::orders::v1::{BatchRevertOrdersRequest, FindBuyersRequest, RevertOrder, RevertOutcome};
use clientele_kernel::{CustomerId, Error as KernelError};
use clientele_platform::grpc;
use tokio_util::sync::CancellationToken;

use super::Imports;
use super::run::{Ended, Job};
use super::sending::as_import;
use crate::app::undo;
use crate::store::import::record::{self, Record};
use crate::{Error, store};

const AT_ONCE: i64 = 500;

impl Imports {
    /// Takes back from where it was broken off.
    pub(super) async fn take_back(&self, job: &mut Job, stop: &CancellationToken) -> Result<Ended, Error> {
        loop {
            if stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            self.require_rights(job).await?;
            let cursor = &job.import.work.cursor;
            let orders = !cursor.orders_undone;
            let kind = if orders { record::ORDER } else { record::CUSTOMER };
            let before = cursor.undo_before.unwrap_or(i64::MAX);
            let records = record::before(self.db.pool(), job.import.id, kind, before, AT_ONCE).await?;
            // Other services know nothing of epochs: they are asked only by the one who has the work.
            if !store::import::held(self.db.pool(), job.import.id, job.epoch()).await? {
                return Ok(Ended::Lost);
            }
            let ours = match records.last() {
                Some(last) => {
                    let last = last.seq;
                    if orders {
                        self.take_back_orders(job, &records, last).await?
                    } else {
                        self.take_back_customers(job, &records, last).await?
                    }
                }
                None if orders => {
                    let mut work = job.import.work.clone();
                    work.cursor.orders_undone = true;
                    work.cursor.undo_before = None;
                    let uow = self.db.begin(&job.caller).await?;
                    self.commit(job, uow, work).await?
                }
                None => return Ok(Ended::Done),
            };
            if !ours {
                return Ok(Ended::Lost);
            }
        }
    }

    async fn take_back_orders(&self, job: &mut Job, records: &[Record], last: i64) -> Result<bool, Error> {
        let orders = records
            .iter()
            .map(|record| RevertOrder {
                order_id: record.id.to_string(),
                before_version: record.before_version,
                version: record.version,
            })
            .collect();
        let request_id = format!("import-undo-{}-{last}", job.import.id);
        let request = as_import(BatchRevertOrdersRequest { orders, request_id });
        let answer = self.orders.clone().batch_revert_orders(request).await.map_err(grpc::error)?.into_inner();
        if answer.outcomes.len() != records.len() {
            return Err(KernelError::internal("orders answered for another number of orders than were sent").into());
        }
        let mut work = job.import.work.clone();
        work.cursor.undo_before = Some(last);
        if let Some(undo) = &mut work.undo {
            for outcome in answer.outcomes() {
                match outcome {
                    RevertOutcome::Removed => undo.removed += 1,
                    RevertOutcome::Restored => undo.restored += 1,
                    RevertOutcome::Kept | RevertOutcome::Unspecified => undo.kept += 1,
                }
            }
        }
        let uow = self.db.begin(&job.caller).await?;
        self.commit(job, uow, work).await
    }

    async fn take_back_customers(&self, job: &mut Job, records: &[Record], last: i64) -> Result<bool, Error> {
        let changed = records.iter().filter(|record| record.version > record.before_version);
        let (mixed, own): (Vec<&Record>, Vec<&Record>) = changed.partition(|record| record.mixed);
        let (created, updated): (Vec<&Record>, Vec<&Record>) = own.into_iter().partition(|r| r.before_version == 0);
        let left = |record: &&Record| (CustomerId::from(record.id), record.version);

        let created: Vec<(CustomerId, i64)> = created.iter().map(left).collect();
        let known_elsewhere = self.known_elsewhere(&created).await?;
        let free: Vec<_> = created.iter().copied().filter(|(id, _)| !known_elsewhere.contains(id)).collect();
        let before: Vec<_> =
            updated.iter().map(|record| (CustomerId::from(record.id), record.before_version)).collect();
        let past = self.app.past_states(&before).await?;
        let updated: Vec<(CustomerId, i64)> = updated.iter().map(left).collect();

        let mut uow = self.db.begin(&job.caller).await?;
        // Customers are locked before the import, as in a run; where another replica has it, the commit writes nothing.
        let removed = if free.is_empty() { BTreeSet::new() } else { undo::remove(&mut uow, &free).await? };
        let restored =
            if updated.is_empty() { BTreeSet::new() } else { undo::restore(&mut uow, &updated, &past).await? };
        let mut work = job.import.work.clone();
        work.cursor.undo_before = Some(last);
        if let Some(undo) = &mut work.undo {
            let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            undo.removed += count(removed.len());
            undo.restored += count(restored.len());
            undo.kept += count(mixed.len() + created.len() - removed.len() + updated.len() - restored.len());
        }
        self.commit(job, uow, work).await
    }

    /// Those of the customers that other services have records of.
    async fn known_elsewhere(&self, customers: &[(CustomerId, i64)]) -> Result<BTreeSet<CustomerId>, Error> {
        if customers.is_empty() {
            return Ok(BTreeSet::new());
        }
        let customer_ids: Vec<String> = customers.iter().map(|(id, _)| id.to_string()).collect();
        let buyers = FindBuyersRequest { customer_ids: customer_ids.clone() };
        let buyers = self.orders.clone().find_buyers(as_import(buyers)).await.map_err(grpc::error)?;
        let correspondents = FindCorrespondentsRequest { customer_ids };
        let correspondents =
            self.dialogs.clone().find_correspondents(as_import(correspondents)).await.map_err(grpc::error)?;
        let known = buyers.into_inner().customer_ids.into_iter().chain(correspondents.into_inner().customer_ids);
        known.map(|id| Ok(CustomerId::parse(&id, "customer_ids").map_err(KernelError::internal)?)).collect()
    }
}
