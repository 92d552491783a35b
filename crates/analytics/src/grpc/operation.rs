//! What the people who run analytics look at and do.

use clientele_contracts::analytics::v1::operations_server::Operations;
use clientele_contracts::analytics::v1::{RebuildProjectionRequest, RebuildProjectionResponse};
use clientele_contracts::platform::v1::{
    GetConsumerStatusRequest, GetConsumerStatusResponse, ListParkedEventsRequest, ListParkedEventsResponse,
    ReplayParkedEventsRequest, ReplayParkedEventsResponse,
};
use clientele_platform::consumer::{Consumer, parked};
use clientele_platform::postgres::Database;
use clientele_platform::{Caller, grpc};
use tonic::{Request, Response, Status, async_trait};

use crate::app;

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) db: Database,
    pub(crate) consumers: Vec<Consumer>,
}

#[async_trait]
impl Operations for Service {
    async fn get_consumer_status(
        &self,
        _: Request<GetConsumerStatusRequest>,
    ) -> Result<Response<GetConsumerStatusResponse>, Status> {
        parked::status(&self.db).await.map(Response::new).map_err(grpc::status)
    }

    async fn list_parked_events(
        &self,
        request: Request<ListParkedEventsRequest>,
    ) -> Result<Response<ListParkedEventsResponse>, Status> {
        parked::list(&self.db, request.into_inner()).await.map(Response::new).map_err(grpc::status)
    }

    async fn replay_parked_events(
        &self,
        request: Request<ReplayParkedEventsRequest>,
    ) -> Result<Response<ReplayParkedEventsResponse>, Status> {
        parked::replay(&self.db, &self.consumers, request.into_inner()).await.map(Response::new).map_err(grpc::status)
    }

    async fn rebuild_projection(
        &self,
        request: Request<RebuildProjectionRequest>,
    ) -> Result<Response<RebuildProjectionResponse>, Status> {
        let caller = Caller::of(&request).map_err(grpc::status)?;
        let consumer = request.into_inner().consumer;
        app::rebuild::rebuild(&self.db, &caller, &consumer).await.map_err(grpc::status)?;
        Ok(Response::new(RebuildProjectionResponse {}))
    }
}
