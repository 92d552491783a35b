//! The services that imports speak to, as far as imports can tell: they keep what they are sent, answer a repeated request
//! as before, and can be made to fail.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use clientele_contracts::messaging::v1 as messaging;
use clientele_contracts::messaging::v1::dialogs_server::{Dialogs, DialogsServer};
use clientele_contracts::orders::v1 as orders;
use clientele_contracts::orders::v1::orders_server::{Orders, OrdersServer};
use clientele_contracts::platform::v1::{ExternalReference, FieldViolation, Origin, UpsertOutcome};
use prost::Message;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// What the services know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Orders by their external ids, with version.
    pub(crate) orders: HashMap<String, (orders::Order, i64)>,
    /// The labels under which versions of orders were written, by the orders' ids.
    labels: HashMap<(String, i64), String>,
    answers: HashMap<String, Vec<u8>>,
    /// Ids that were made.
    made: u128,
    /// Customers with whom somebody writes.
    pub(crate) correspondents: BTreeSet<String>,
    /// So many of the next calls answer only after they have done what was asked: UNAVAILABLE.
    pub(crate) failures: u32,
    /// So many calls came.
    pub(crate) calls: u32,
    /// Nobody is there: calls come to nothing.
    pub(crate) away: bool,
    /// What is asked is refused for good.
    pub(crate) refusing: bool,
    /// What is asked is done, and then said to have come to grief.
    pub(crate) stumbling: bool,
    /// Of more orders than these at once the answer comes too late, after all is done.
    pub(crate) most_at_once: Option<usize>,
    /// The sizes in bytes of the batches of orders that came.
    pub(crate) batches: Vec<usize>,
    /// Where calls came from.
    pub(crate) origins: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Neighbours(Arc<Mutex<Known>>);

impl Neighbours {
    pub(crate) fn orders(&self) -> Routes {
        Routes::new(OrdersServer::new(self.clone()))
    }

    pub(crate) fn messaging(&self) -> Routes {
        Routes::new(DialogsServer::new(self.clone()))
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }
}

fn unimplemented<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("imports do not ask this"))
}

impl Known {
    fn upsert(&mut self, request: &orders::BatchUpsertOrdersRequest, label: &str) -> orders::BatchUpsertOrdersResponse {
        let mut results = Vec::new();
        for order in &request.orders {
            let result = self.upsert_one(order, request.validate_only);
            if !request.validate_only && result.version > 0 {
                self.labels.insert((result.order_id.clone(), result.version), label.to_owned());
            }
            results.push(result);
        }
        orders::BatchUpsertOrdersResponse { results }
    }

    fn upsert_one(&mut self, order: &orders::Order, validate_only: bool) -> orders::UpsertOrderResult {
        let key = order.reference.clone().unwrap_or_default().external_id;
        if order.status == "unheard_of" {
            let violation = FieldViolation {
                field: "status".into(),
                description: "there is no such status".into(),
                reason: "STATUS_UNKNOWN".into(),
                metadata: [("value".to_owned(), order.status.clone())].into(),
            };
            return orders::UpsertOrderResult {
                outcome: UpsertOutcome::Refused.into(),
                violations: vec![violation],
                ..orders::UpsertOrderResult::default()
            };
        }
        let mut order = order.clone();
        let known = self.orders.get(&key);
        self.made += 1;
        let new = || Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.made).to_string();
        order.id = known.map_or_else(new, |(known, _)| known.id.clone());
        let (outcome, version) = match known {
            None => (UpsertOutcome::Created, 1),
            Some((known, _)) if *known == order => {
                return orders::UpsertOrderResult {
                    order_id: known.id.clone(),
                    outcome: UpsertOutcome::Unchanged.into(),
                    version: 0,
                    ..orders::UpsertOrderResult::default()
                };
            }
            Some((_, version)) => (UpsertOutcome::Updated, version + 1),
        };
        let order_id = order.id.clone();
        if !validate_only {
            self.orders.insert(key, (order, version));
        }
        orders::UpsertOrderResult { order_id, outcome: outcome.into(), violations: Vec::new(), version }
    }

    fn revert(&mut self, request: &orders::BatchRevertOrdersRequest) -> orders::BatchRevertOrdersResponse {
        let outcomes = request
            .orders
            .iter()
            .map(|wanted| {
                let found = self.orders.iter().find(|(_, (order, _))| order.id == wanted.order_id);
                let found = found.map(|(key, (_, version))| (key.clone(), *version));
                match found {
                    Some((key, version)) if version == wanted.version && wanted.before_version == 0 => {
                        self.orders.remove(&key);
                        orders::RevertOutcome::Removed
                    }
                    _ => orders::RevertOutcome::Kept,
                }
                .into()
            })
            .collect();
        orders::BatchRevertOrdersResponse { outcomes }
    }

    /// Forgets what was answered, as after a day.
    pub(crate) fn forget_answers(&mut self) {
        self.answers.clear();
    }

    /// Does the work once for each request id, and fails after it when told to: the caller cannot know.
    fn answer<M: Message + Default>(
        &mut self,
        id: &str,
        work: impl FnOnce(&mut Self) -> M,
    ) -> Result<Response<M>, Status> {
        self.calls += 1;
        if self.away {
            return Err(Status::unavailable("nobody is there"));
        }
        if self.refusing {
            return Err(Status::invalid_argument("nothing of this is wanted"));
        }
        let answer = match self.answers.get(id) {
            Some(known) => M::decode(known.as_slice()).unwrap(),
            None => work(self),
        };
        if !id.is_empty() {
            self.answers.insert(id.to_owned(), answer.encode_to_vec());
        }
        if self.stumbling {
            return Err(Status::internal("something went wrong"));
        }
        if self.failures > 0 {
            self.failures -= 1;
            return Err(Status::unavailable("gone"));
        }
        Ok(Response::new(answer))
    }
}

#[async_trait::async_trait]
impl Orders for Neighbours {
    async fn get_order(&self, _: Request<orders::GetOrderRequest>) -> Result<Response<orders::Order>, Status> {
        unimplemented()
    }

    async fn batch_get_orders(
        &self,
        _: Request<orders::BatchGetOrdersRequest>,
    ) -> Result<Response<orders::BatchGetOrdersResponse>, Status> {
        unimplemented()
    }

    async fn list_orders(
        &self,
        _: Request<orders::ListOrdersRequest>,
    ) -> Result<Response<orders::ListOrdersResponse>, Status> {
        unimplemented()
    }

    async fn create_order(&self, _: Request<orders::CreateOrderRequest>) -> Result<Response<orders::Order>, Status> {
        unimplemented()
    }

    async fn change_order_status(
        &self,
        _: Request<orders::ChangeOrderStatusRequest>,
    ) -> Result<Response<orders::Order>, Status> {
        unimplemented()
    }

    async fn record_payment(
        &self,
        _: Request<orders::RecordPaymentRequest>,
    ) -> Result<Response<orders::Order>, Status> {
        unimplemented()
    }

    async fn batch_upsert_orders(
        &self,
        request: Request<orders::BatchUpsertOrdersRequest>,
    ) -> Result<Response<orders::BatchUpsertOrdersResponse>, Status> {
        let text = |name| request.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (origin, label) = (text("x-clientele-origin"), text("x-clientele-integration").unwrap_or_default());
        let request = request.into_inner();
        let mut known = self.known();
        known.origins.extend(origin);
        known.batches.push(request.encoded_len());
        let answer = known.answer(&request.request_id.clone(), |known| known.upsert(&request, &label))?;
        if known.most_at_once.is_some_and(|most| request.orders.len() > most) {
            return Err(Status::deadline_exceeded("too late"));
        }
        Ok(answer)
    }

    async fn batch_revert_orders(
        &self,
        request: Request<orders::BatchRevertOrdersRequest>,
    ) -> Result<Response<orders::BatchRevertOrdersResponse>, Status> {
        let request = request.into_inner();
        self.known().answer(&request.request_id.clone(), |known| known.revert(&request))
    }

    async fn find_order_versions(
        &self,
        request: Request<orders::FindOrderVersionsRequest>,
    ) -> Result<Response<orders::FindOrderVersionsResponse>, Status> {
        let known = self.known();
        let request = request.into_inner();
        let version = |(index, reference): (usize, ExternalReference)| {
            let (order, version) = known.orders.get(&reference.external_id)?;
            let order_id = order.id.clone();
            let before = request.before_versions.get(index);
            let label = before.and_then(|before| known.labels.get(&(order_id.clone(), before + 1)));
            Some(orders::OrderVersion {
                reference: Some(reference),
                order_id,
                version: *version,
                next_origin: label.map_or(Origin::Unspecified, |_| Origin::Import).into(),
                next_integration: label.cloned().unwrap_or_default(),
            })
        };
        let orders = request.references.into_iter().enumerate().filter_map(version).collect();
        Ok(Response::new(orders::FindOrderVersionsResponse { orders }))
    }

    async fn find_buyers(
        &self,
        request: Request<orders::FindBuyersRequest>,
    ) -> Result<Response<orders::FindBuyersResponse>, Status> {
        let known = self.known();
        let buys = |id: &String| known.orders.values().any(|(order, _)| order.customer_id == *id);
        let customer_ids = request.into_inner().customer_ids.into_iter().filter(buys).collect();
        Ok(Response::new(orders::FindBuyersResponse { customer_ids }))
    }
}

#[async_trait::async_trait]
impl Dialogs for Neighbours {
    async fn list_dialogs(
        &self,
        _: Request<messaging::ListDialogsRequest>,
    ) -> Result<Response<messaging::ListDialogsResponse>, Status> {
        unimplemented()
    }

    async fn get_dialog(&self, _: Request<messaging::GetDialogRequest>) -> Result<Response<messaging::Dialog>, Status> {
        unimplemented()
    }

    async fn list_dialog_messages(
        &self,
        _: Request<messaging::ListDialogMessagesRequest>,
    ) -> Result<Response<messaging::ListDialogMessagesResponse>, Status> {
        unimplemented()
    }

    async fn post_dialog_message(
        &self,
        _: Request<messaging::PostDialogMessageRequest>,
    ) -> Result<Response<messaging::DialogMessage>, Status> {
        unimplemented()
    }

    async fn mark_dialog_read(
        &self,
        _: Request<messaging::MarkDialogReadRequest>,
    ) -> Result<Response<messaging::Dialog>, Status> {
        unimplemented()
    }

    async fn assign_dialog(
        &self,
        _: Request<messaging::AssignDialogRequest>,
    ) -> Result<Response<messaging::Dialog>, Status> {
        unimplemented()
    }

    async fn close_dialog(
        &self,
        _: Request<messaging::CloseDialogRequest>,
    ) -> Result<Response<messaging::Dialog>, Status> {
        unimplemented()
    }

    async fn link_dialog_customer(
        &self,
        _: Request<messaging::LinkDialogCustomerRequest>,
    ) -> Result<Response<messaging::Dialog>, Status> {
        unimplemented()
    }

    async fn batch_import_dialogs(
        &self,
        _: Request<messaging::BatchImportDialogsRequest>,
    ) -> Result<Response<messaging::BatchImportDialogsResponse>, Status> {
        unimplemented()
    }

    async fn find_correspondents(
        &self,
        request: Request<messaging::FindCorrespondentsRequest>,
    ) -> Result<Response<messaging::FindCorrespondentsResponse>, Status> {
        let known = self.known();
        let ids = request.into_inner().customer_ids.into_iter();
        let customer_ids = ids.filter(|id| known.correspondents.contains(id)).collect();
        Ok(Response::new(messaging::FindCorrespondentsResponse { customer_ids }))
    }
}
