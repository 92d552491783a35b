//! Where the parts meet.

use clientele_contracts::customers::v1::consents_server::ConsentsServer;
use clientele_contracts::customers::v1::customers_server::CustomersServer;
use clientele_contracts::customers::v1::duplicates_server::DuplicatesServer;
use clientele_contracts::customers::v1::feed_server::FeedServer;
use clientele_contracts::customers::v1::history_server::HistoryServer;
use clientele_contracts::customers::v1::imports_server::ImportsServer;
use clientele_kernel::Error;
use clientele_platform::{Deps, Service, Task};
use tonic::service::Routes;

use crate::Config;
use crate::app::App;
use crate::app::import::{self, Imports};
use crate::grpc::consent::ConsentsService;
use crate::grpc::customer::CustomersService;
use crate::grpc::duplicate::DuplicatesService;
use crate::grpc::feed::FeedService;
use crate::grpc::history::HistoryService;
use crate::grpc::import::ImportsService;

/// The largest message of an upload: a part of at most 1 MiB, and what says which import it is of.
const LARGEST_PART: usize = 2 * 1024 * 1024;
/// How many imports a replica works on at a time.
const IMPORTERS: usize = 2;

/// Builds the service. `INVALID_ARGUMENT` names a key of the configuration that is wrong.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    let region = config.region()?;
    let app = App::new(deps.db.clone(), region);
    let imports = Imports::new(deps.db, region, &deps.clients);
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..IMPORTERS {
        let imports = imports.clone();
        tasks.push(Task::new(import::TASK, move |stop| imports.work(stop)));
    }
    let keeper = imports.clone();
    tasks.push(Task::new(import::HOUSEKEEPING_TASK, move |stop| keeper.keep_house(stop)));
    let routes = Routes::new(CustomersServer::new(CustomersService(app.clone())))
        .add_service(ConsentsServer::new(ConsentsService(app.clone())))
        .add_service(HistoryServer::new(HistoryService(app.clone())))
        .add_service(DuplicatesServer::new(DuplicatesService(app.clone())))
        .add_service(ImportsServer::new(ImportsService(imports)).max_decoding_message_size(LARGEST_PART))
        .add_service(FeedServer::new(FeedService(app)));
    Ok(Service { name: "customers", migrations: &crate::MIGRATIONS, routes, consumers: Vec::new(), tasks })
}
