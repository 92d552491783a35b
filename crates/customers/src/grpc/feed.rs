//! `Feed`: the journal for other services and outside systems.

use clientele_contracts::customers::v1::feed_server::Feed;
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_platform::grpc::status;
use tonic::{Request, Response, Status};

use crate::app::App;

/// Serves `Feed`.
#[derive(Debug)]
pub(crate) struct FeedService(pub(crate) App);

#[async_trait::async_trait]
impl Feed for FeedService {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        self.0.read_feed(request.into_inner()).await.map(Response::new).map_err(status)
    }
}
