//! `Operations`: what the people who run analytics look at and do.

use clientele_contracts::analytics::v1::{RebuildProjectionRequest, RebuildProjectionResponse};
use clientele_platform::{Caller, grpc};
use tonic::{Request, Response, Status};

use crate::app;

clientele_platform::operations!(
    clientele_contracts::analytics::v1::operations_server::Operations,
    async fn rebuild_projection(
        &self,
        request: Request<RebuildProjectionRequest>,
    ) -> Result<Response<RebuildProjectionResponse>, Status> {
        let caller = Caller::of(&request).map_err(grpc::status)?;
        let consumer = request.into_inner().consumer;
        app::rebuild::rebuild(&self.db, &caller, &consumer).await.map_err(grpc::status)?;
        Ok(Response::new(RebuildProjectionResponse {}))
    }
);
