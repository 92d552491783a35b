//! Where the parts meet.

use clientele_contracts::campaigns::v1::feed_server::FeedServer;
use clientele_contracts::campaigns::v1::operations_server::OperationsServer;
use clientele_kernel::Error;
use clientele_platform::{Deps, Service};
use tonic::service::Routes;

use crate::grpc::feed::FeedService;
use crate::grpc::operation::OperationService;
use crate::{Config, NAME};

/// Builds the service. Fails where the configuration makes no sense.
pub async fn build(_config: Config, deps: Deps) -> Result<Service, Error> {
    let db = deps.db;
    let consumers = Vec::new();
    let routes = Routes::new(FeedServer::new(FeedService(db.clone())))
        .add_service(OperationsServer::new(OperationService { db, consumers: consumers.clone() }));
    Ok(Service { name: NAME, routes, consumers, tasks: Vec::new() })
}
