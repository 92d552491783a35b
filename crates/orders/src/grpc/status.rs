//! `OrderStatuses`: the dictionary of statuses.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::order_statuses_server::OrderStatuses;
use clientele_kernel::Error;
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command};
use tonic::{Request, Response, Status as Refusal};

use crate::app::status::Statuses;
use crate::contract::status::{encode, group_in};
use crate::domain::status::StatusDraft;

/// Serves `OrderStatuses`.
pub(crate) struct StatusService(pub(crate) Statuses);

#[async_trait::async_trait]
impl OrderStatuses for StatusService {
    async fn list_order_statuses(
        &self,
        _: Request<pb::ListOrderStatusesRequest>,
    ) -> Result<Response<pb::ListOrderStatusesResponse>, Refusal> {
        let statuses = self.0.list().await.map_err(refuse)?;
        Ok(Response::new(pb::ListOrderStatusesResponse { statuses: statuses.iter().map(encode).collect() }))
    }

    async fn create_order_status(
        &self,
        request: Request<pb::CreateOrderStatusRequest>,
    ) -> Result<Response<pb::OrderStatus>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl StatusService {
    async fn create(&self, caller: &Caller, request: &pb::CreateOrderStatusRequest) -> Result<pb::OrderStatus, Error> {
        let status = request.status.clone().ok_or_else(|| Error::invalid("status", "is missing"))?;
        let draft = StatusDraft {
            group: group_in(status.group).map_err(|error| error.within("status"))?,
            code: status.code,
            name: status.name,
            position: status.position,
        };
        let command = Command {
            caller,
            method: "/clientele.orders.v1.OrderStatuses/CreateOrderStatus",
            request_id: &request.request_id,
            request,
        };
        self.0.create(command, &draft, encode).await
    }
}
