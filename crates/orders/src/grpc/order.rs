//! `Orders`: orders, their lines and payments.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::orders_server::Orders;
use clientele_kernel::{CustomerId, Error, Etag, OrderId, Violations};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, proto};
use prost::Message;
use tonic::{Request, Response, Status as Refusal};

use super::{parse_ids, upsert};
use crate::app::command::Command;
use crate::app::order::{Orders as Ledger, PageRequest};
use crate::app::upsert::Upserted;
use crate::contract::order::{draft, encode};
use crate::contract::payment;
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
        let ids = parse_ids(&request.into_inner().ids, OrderId::parse).map_err(refuse)?;
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
        self.0.upsert(command, drafts, answer).await
    }
}

/// How many groups a list takes; there are four.
const MOST_GROUPS: usize = 4;

fn answer(outcomes: Vec<Upserted<OrderId>>) -> pb::BatchUpsertOrdersResponse {
    let result = |(order_id, outcome, violations)| pb::UpsertOrderResult { order_id, outcome, violations };
    pb::BatchUpsertOrdersResponse { results: outcomes.into_iter().map(upsert::parts).map(result).collect() }
}
