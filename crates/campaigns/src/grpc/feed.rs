//! `Feed`: the journal for other services and outside systems.

use clientele_contracts::campaigns::v1::feed_server::Feed;
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_platform::grpc::status;
use clientele_platform::postgres::Database;
use tonic::{Request, Response, Status};

/// Serves `Feed`.
pub(crate) struct FeedService(pub(crate) Database);

#[async_trait::async_trait]
impl Feed for FeedService {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        clientele_platform::feed::read(&self.0, request.into_inner()).await.map(Response::new).map_err(status)
    }
}
