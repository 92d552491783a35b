//! Where the parts meet.

use clientele_contracts::customers::v1::customers_server::CustomersServer;
use clientele_contracts::customers::v1::duplicates_server::DuplicatesServer;
use clientele_contracts::customers::v1::feed_server::FeedServer;
use clientele_contracts::customers::v1::history_server::HistoryServer;
use clientele_kernel::Error;
use clientele_platform::{Deps, Service};
use tonic::service::Routes;

use crate::Config;
use crate::app::App;
use crate::grpc::customer::CustomersService;
use crate::grpc::duplicate::DuplicatesService;
use crate::grpc::feed::FeedService;
use crate::grpc::history::HistoryService;

/// Builds the service. `INVALID_ARGUMENT` names a key of the configuration that is wrong.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    let app = App::new(deps.db, config.region()?);
    let routes = Routes::new(CustomersServer::new(CustomersService(app.clone())))
        .add_service(HistoryServer::new(HistoryService(app.clone())))
        .add_service(DuplicatesServer::new(DuplicatesService(app.clone())))
        .add_service(FeedServer::new(FeedService(app)));
    Ok(Service { name: "customers", routes, consumers: Vec::new(), tasks: Vec::new() })
}
