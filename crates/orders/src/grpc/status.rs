//! `OrderStatuses`: the dictionary of statuses.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::order_statuses_server::OrderStatuses;
use clientele_kernel::Error;
use clientele_platform::Caller;
use clientele_platform::grpc::status as refuse;
use tonic::{Request, Response, Status as Refusal};

use crate::app::command::Command;
use crate::app::status::Statuses;
use crate::domain::status::{Status, StatusDraft, StatusGroup};

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

fn encode(status: &Status) -> pb::OrderStatus {
    pb::OrderStatus {
        code: status.code.clone(),
        name: status.name.clone(),
        group: group(status.group).into(),
        position: status.position,
        active: status.active,
    }
}

pub(crate) fn group(group: StatusGroup) -> pb::StatusGroup {
    match group {
        StatusGroup::New => pb::StatusGroup::New,
        StatusGroup::InProgress => pb::StatusGroup::InProgress,
        StatusGroup::Completed => pb::StatusGroup::Completed,
        StatusGroup::Cancelled => pb::StatusGroup::Cancelled,
    }
}

/// A group from a message; `None` where it is not said. The error names the field `group`.
pub(super) fn group_in(number: i32) -> Result<Option<StatusGroup>, Error> {
    match pb::StatusGroup::try_from(number) {
        Ok(pb::StatusGroup::Unspecified) => Ok(None),
        Ok(pb::StatusGroup::New) => Ok(Some(StatusGroup::New)),
        Ok(pb::StatusGroup::InProgress) => Ok(Some(StatusGroup::InProgress)),
        Ok(pb::StatusGroup::Completed) => Ok(Some(StatusGroup::Completed)),
        Ok(pb::StatusGroup::Cancelled) => Ok(Some(StatusGroup::Cancelled)),
        Err(_) => Err(Error::invalid("group", format!("`{number}` is no group of statuses: 1 to 4 are"))),
    }
}
