//! Where the parts meet.

use clientele_contracts::campaigns::v1::feed_server::FeedServer;
use clientele_contracts::campaigns::v1::memberships_server::MembershipsServer;
use clientele_contracts::campaigns::v1::operations_server::OperationsServer;
use clientele_contracts::campaigns::v1::segments_server::SegmentsServer;
use clientele_kernel::Error as KernelError;
use clientele_platform::{Deps, Service, Task};
use tonic::service::Routes;

use crate::app::{App, work};
use crate::events::consume;
use crate::grpc::feed::FeedService;
use crate::grpc::membership::MembershipService;
use crate::grpc::operation::OperationService;
use crate::grpc::segment::SegmentService;
use crate::{Config, Error, NAME};

/// Builds the service. Fails where the configuration makes no sense.
pub async fn build(config: Config, deps: Deps) -> Result<Service, KernelError> {
    config.check()?;
    let db = deps.db;
    let app = App::new(db.clone(), deps.clients.transport("customers"), config.count_timeout);
    let consumers = consume::consumers(&app);
    let routes = Routes::new(SegmentsServer::new(SegmentService(app.clone())))
        .add_service(MembershipsServer::new(MembershipService(app.clone())))
        .add_service(FeedServer::new(FeedService(db.clone())))
        .add_service(OperationsServer::new(OperationService { db, consumers: consumers.clone() }));
    let tasks = vec![
        background("facts", app.clone(), |app| async move { app.refresh_some().await }),
        background("time", app.clone(), |app| async move { app.settle_due().await }),
        background("relearned", app.clone(), |app| async move { app.settle_relearned().await }),
        background("builds", app, |app| async move { app.build_some().await }),
    ];
    Ok(Service { name: NAME, migrations: &crate::MIGRATIONS, routes, consumers, tasks })
}

fn background<F>(name: &'static str, app: App, step: impl Fn(App) -> F + Send + 'static) -> Task
where
    F: Future<Output = Result<bool, Error>> + Send + 'static,
{
    Task::new(name, move |stop| work::repeat(name, app, stop, step))
}
