//! The journal of analytics.

use clientele_contracts::analytics::v1::feed_server::Feed;
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_platform::postgres::Database;
use clientele_platform::{feed, grpc};
use tonic::{Request, Response, Status, async_trait};

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) db: Database,
}

#[async_trait]
impl Feed for Service {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        feed::read(&self.db, request.into_inner()).await.map(Response::new).map_err(grpc::status)
    }
}
