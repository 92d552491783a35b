//! `Orders`: orders, their lines and payments.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::orders_server::Orders;
use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{CustomerId, Error, Etag, OrderId, Reference, Violations};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command, proto};
use prost::Message;
use tonic::{Request, Response, Status as Refusal};

use super::{parse_ids, upsert};
use crate::app::order::{Orders as Ledger, PageRequest};
use crate::app::order_revert::{Revert, Reverted};
use crate::app::upsert::{MOST_ENTRIES, Upserted};
use crate::contract::order::{draft, encode};
use crate::contract::payment;
use crate::contract::reference_out;
use crate::contract::status::group_in;
use crate::domain::order::Filter;

/// Serves `Orders`.
pub(crate) struct OrderService(pub(crate) Ledger);

#[async_trait::async_trait]
impl Orders for OrderService {
    async fn get_order(&self, request: Request<pb::GetOrderRequest>) -> Result<Response<pb::Order>, Refusal> {
        let id = OrderId::parse(&request.into_inner().id, "id").map_err(refuse)?;
        let order = self.0.get(id).await.map_err(refuse)?;
        Ok(Response::new(encode(&order)))
    }

    async fn batch_get_orders(
        &self,
        request: Request<pb::BatchGetOrdersRequest>,
    ) -> Result<Response<pb::BatchGetOrdersResponse>, Refusal> {
        let ids = parse_ids("ids", &request.into_inner().ids, OrderId::parse).map_err(refuse)?;
        let orders = self.0.batch_get(ids).await.map_err(refuse)?;
        Ok(Response::new(pb::BatchGetOrdersResponse { orders: orders.iter().map(encode).collect() }))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Refusal> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn create_order(&self, request: Request<pb::CreateOrderRequest>) -> Result<Response<pb::Order>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn change_order_status(
        &self,
        request: Request<pb::ChangeOrderStatusRequest>,
    ) -> Result<Response<pb::Order>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.change_status(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn record_payment(&self, request: Request<pb::RecordPaymentRequest>) -> Result<Response<pb::Order>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.pay(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn batch_upsert_orders(
        &self,
        request: Request<pb::BatchUpsertOrdersRequest>,
    ) -> Result<Response<pb::BatchUpsertOrdersResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.upsert(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn batch_revert_orders(
        &self,
        request: Request<pb::BatchRevertOrdersRequest>,
    ) -> Result<Response<pb::BatchRevertOrdersResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.revert(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn find_order_versions(
        &self,
        request: Request<pb::FindOrderVersionsRequest>,
    ) -> Result<Response<pb::FindOrderVersionsResponse>, Refusal> {
        self.versions(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn find_buyers(
        &self,
        request: Request<pb::FindBuyersRequest>,
    ) -> Result<Response<pb::FindBuyersResponse>, Refusal> {
        let ids = parse_ids("customer_ids", &request.into_inner().customer_ids, CustomerId::parse).map_err(refuse)?;
        let found = self.0.buyers(&ids).await.map_err(refuse)?;
        Ok(Response::new(pb::FindBuyersResponse { customer_ids: found.iter().map(ToString::to_string).collect() }))
    }
}

fn command<'a, Request: Message>(
    caller: &'a Caller,
    method: &'static str,
    request_id: &'a str,
    request: &'a Request,
) -> Command<'a, Request> {
    Command { caller, method, request_id, request }
}

impl OrderService {
    async fn list(&self, request: &pb::ListOrdersRequest) -> Result<pb::ListOrdersResponse, Error> {
        let mut violations = Violations::new();
        let customer = CustomerId::parse_optional(&request.customer_id, "customer_id");
        let customer_id = violations.take("customer_id", customer).flatten();
        let mut groups = Vec::new();
        for (index, number) in request.status_groups.iter().take(MOST_GROUPS).enumerate() {
            let field = format!("status_groups[{index}]");
            match group_in(*number) {
                Ok(Some(group)) if groups.contains(&group) => {}
                Ok(Some(group)) => groups.push(group),
                _ => violations.push(field, format!("`{number}` is no group of statuses: 1 to 4 are")),
            }
        }
        violations.check(request.status_groups.len() <= MOST_GROUPS, "status_groups", || {
            format!("{} groups are given: there are four", request.status_groups.len())
        });
        let from = violations.take("placed_from", proto::instant(request.placed_from, "placed_from")).flatten();
        let until = violations.take("placed_until", proto::instant(request.placed_until, "placed_until")).flatten();
        violations.into_result()?;
        let filter = Filter { customer_id, groups, from, until };
        let page =
            PageRequest { with_lines: request.include_lines, size: request.page_size, token: &request.page_token };
        let page = self.0.list(&filter, page).await?;
        Ok(pb::ListOrdersResponse {
            orders: page.orders.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }

    async fn create(&self, caller: &Caller, request: &pb::CreateOrderRequest) -> Result<pb::Order, Error> {
        let order = request.order.clone().ok_or_else(|| Error::invalid("order", "is missing"))?;
        let draft = draft(order).map_err(|violations| Error::invalid_all(violations.into_inner()).within("order"))?;
        let command = command(caller, "/clientele.orders.v1.Orders/CreateOrder", &request.request_id, request);
        self.0.create(command, &draft, encode).await
    }

    async fn change_status(&self, caller: &Caller, request: &pb::ChangeOrderStatusRequest) -> Result<pb::Order, Error> {
        let id = OrderId::parse(&request.id, "id")?;
        let etag = if request.etag.is_empty() { None } else { Some(Etag::parse(&request.etag, "etag")?) };
        let command = command(caller, "/clientele.orders.v1.Orders/ChangeOrderStatus", &request.request_id, request);
        self.0.change_status(command, id, &request.status, etag, encode).await
    }

    async fn pay(&self, caller: &Caller, request: &pb::RecordPaymentRequest) -> Result<pb::Order, Error> {
        let id = OrderId::parse(&request.order_id, "order_id")?;
        let payment = request.payment.clone().ok_or_else(|| Error::invalid("payment", "is missing"))?;
        let draft = payment::draft(payment).map_err(|error| error.within("payment"))?;
        let command = command(caller, "/clientele.orders.v1.Orders/RecordPayment", &request.request_id, request);
        self.0.record_payment(command, id, &draft, encode).await
    }

    async fn upsert(
        &self,
        caller: &Caller,
        request: &pb::BatchUpsertOrdersRequest,
    ) -> Result<pb::BatchUpsertOrdersResponse, Error> {
        let drafts = request.orders.iter().cloned().map(draft).collect();
        let command = command(caller, "/clientele.orders.v1.Orders/BatchUpsertOrders", &request.request_id, request);
        if request.validate_only {
            return self.0.try_upsert(command, drafts).await.map(|outcomes| without_new_ids(answer(outcomes)));
        }
        self.0.upsert(command, drafts, answer).await
    }

    async fn versions(&self, request: &pb::FindOrderVersionsRequest) -> Result<pb::FindOrderVersionsResponse, Error> {
        let mut violations = Violations::new();
        let count = request.references.len();
        violations.check(count <= MOST_ENTRIES, "references", || {
            format!("{count} references are given: at most {MOST_ENTRIES} are wanted")
        });
        let befores = &request.before_versions;
        violations.check(befores.is_empty() || befores.len() == count, "before_versions", || {
            format!("{} versions are given for {count} references: none, or one for each is wanted", befores.len())
        });
        if let Some(index) = befores.iter().position(|before| !(0..i64::MAX).contains(before)) {
            violations.push(
                format!("before_versions[{index}]"),
                format!("`{}` is no version: 0 or more is wanted", befores[index]),
            );
        }
        violations.into_result()?;
        // What no order can have none has: whoever asks for many must not go without the others for it.
        let known = request.references.iter().enumerate().filter_map(|(index, asked)| {
            let reference = Reference::try_new(&asked.source, &asked.external_id).ok()?;
            Some((reference, befores.get(index).copied()))
        });
        let known: Vec<(Reference, Option<i64>)> = known.collect();
        let orders = self.0.versions(&known).await?.into_iter().map(|order| {
            let (next_origin, next_integration) = order.next.map_or_else(Default::default, |(origin, label)| {
                (proto::origin(origin).into(), label.unwrap_or_default())
            });
            pb::OrderVersion {
                reference: Some(reference_out(&order.reference)),
                order_id: order.id.to_string(),
                version: order.version,
                next_origin,
                next_integration,
            }
        });
        Ok(pb::FindOrderVersionsResponse { orders: orders.collect() })
    }

    async fn revert(
        &self,
        caller: &Caller,
        request: &pb::BatchRevertOrdersRequest,
    ) -> Result<pb::BatchRevertOrdersResponse, Error> {
        let mut violations = Violations::new();
        let mut reverts = Vec::with_capacity(request.orders.len().min(MOST_ENTRIES));
        for (index, order) in request.orders.iter().enumerate().take(MOST_ENTRIES + 1) {
            let path = format!("orders[{index}]");
            let field = format!("{path}.order_id");
            let id = violations.take(&field, OrderId::parse(&order.order_id, &field));
            violations.check(order.version > order.before_version && order.before_version >= 0, &path, || {
                format!("version {} does not follow version {}", order.version, order.before_version)
            });
            let before = (order.before_version > 0).then_some(order.before_version);
            reverts.extend(id.map(|id| Revert { id, before, version: order.version }));
        }
        violations.into_result()?;
        let command = command(caller, "/clientele.orders.v1.Orders/BatchRevertOrders", &request.request_id, request);
        self.0.revert(command, &reverts, reverted).await
    }
}

/// How many groups a list takes; there are four.
const MOST_GROUPS: usize = 4;

fn answer(outcomes: Vec<Upserted<OrderId>>) -> pb::BatchUpsertOrdersResponse {
    let result = |outcome: Upserted<OrderId>| {
        let version = upsert::version(&outcome);
        let (order_id, outcome, violations) = upsert::parts(outcome);
        pb::UpsertOrderResult { order_id, outcome, violations, version }
    };
    pb::BatchUpsertOrdersResponse { results: outcomes.into_iter().map(result).collect() }
}

/// Nothing was written: an order that would be created has no id, and none has a new version.
fn without_new_ids(mut answer: pb::BatchUpsertOrdersResponse) -> pb::BatchUpsertOrdersResponse {
    for result in &mut answer.results {
        if result.outcome() == UpsertOutcome::Created {
            result.order_id.clear();
        }
        result.version = 0;
    }
    answer
}

fn reverted(outcomes: Vec<Reverted>) -> pb::BatchRevertOrdersResponse {
    let outcome = |outcome| match outcome {
        Reverted::Removed => pb::RevertOutcome::Removed.into(),
        Reverted::Restored => pb::RevertOutcome::Restored.into(),
        Reverted::Kept => pb::RevertOutcome::Kept.into(),
    };
    pb::BatchRevertOrdersResponse { outcomes: outcomes.into_iter().map(outcome).collect() }
}
