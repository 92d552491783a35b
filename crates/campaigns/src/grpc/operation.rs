//! `Operations`: what the people who run campaigns look at.

use clientele_contracts::campaigns::v1::operations_server::Operations;
use clientele_contracts::platform::v1::{
    GetConsumerStatusRequest, GetConsumerStatusResponse, ListParkedEventsRequest, ListParkedEventsResponse,
    ReplayParkedEventsRequest, ReplayParkedEventsResponse,
};
use clientele_platform::consumer::{Consumer, parked};
use clientele_platform::grpc::status;
use clientele_platform::postgres::Database;
use tonic::{Request, Response, Status};

/// Serves `Operations`.
pub(crate) struct OperationService {
    pub(crate) db: Database,
    pub(crate) consumers: Vec<Consumer>,
}

#[async_trait::async_trait]
impl Operations for OperationService {
    async fn get_consumer_status(
        &self,
        _: Request<GetConsumerStatusRequest>,
    ) -> Result<Response<GetConsumerStatusResponse>, Status> {
        parked::status(&self.db).await.map(Response::new).map_err(status)
    }

    async fn list_parked_events(
        &self,
        request: Request<ListParkedEventsRequest>,
    ) -> Result<Response<ListParkedEventsResponse>, Status> {
        parked::list(&self.db, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn replay_parked_events(
        &self,
        request: Request<ReplayParkedEventsRequest>,
    ) -> Result<Response<ReplayParkedEventsResponse>, Status> {
        parked::replay(&self.db, &self.consumers, request.into_inner()).await.map(Response::new).map_err(status)
    }
}
