//! `Feed`: the journal for other services and outside systems.

use clientele_contracts::identity::v1::feed_server;
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_platform::postgres::Database;
use clientele_platform::{feed, grpc};
use tonic::{Request, Response, Status};

/// Serves `clientele.identity.v1.Feed`.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) db: Database,
}

#[tonic::async_trait]
impl feed_server::Feed for Feed {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        feed::read(&self.db, request.into_inner()).await.map(Response::new).map_err(grpc::status)
    }
}
