//! Where the parts of analytics meet.

use std::sync::Arc;

use clientele_contracts::analytics::v1::feed_server::FeedServer;
use clientele_contracts::analytics::v1::metrics_server::MetricsServer;
use clientele_contracts::analytics::v1::operations_server::OperationsServer;
use clientele_contracts::analytics::v1::reports_server::ReportsServer;
use clientele_contracts::analytics::v1::timeline_server::TimelineServer;
use clientele_kernel::Error;
use clientele_platform::consumer::Consumer;
use clientele_platform::{Deps, Service, Task};
use tonic::service::Routes;

use crate::events::consume;
use crate::{CAMPAIGNS, CAMPAIGNS_CONSUMER, CUSTOMERS, CUSTOMERS_CONSUMER, MESSAGING, MESSAGING_CONSUMER};
use crate::{Config, NAME, ORDERS, ORDERS_CONSUMER, app, grpc};

/// Builds the service. Nothing is asked of the database yet.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    let Config { report_zone: zone } = config;
    let Deps { db, clock, .. } = deps;
    let zone_keeper = db.clone();
    let rebuild_keeper = db.clone();

    let consumers = vec![
        Consumer { name: ORDERS_CONSUMER, source: ORDERS, handler: Arc::new(consume::Orders { zone }) },
        Consumer { name: CUSTOMERS_CONSUMER, source: CUSTOMERS, handler: Arc::new(consume::Customers) },
        Consumer { name: MESSAGING_CONSUMER, source: MESSAGING, handler: Arc::new(consume::Messaging) },
        Consumer { name: CAMPAIGNS_CONSUMER, source: CAMPAIGNS, handler: Arc::new(consume::Campaigns) },
    ];
    let operations = grpc::operation::OperationService { db: db.clone(), consumers: consumers.clone() };
    let routes = Routes::default()
        .add_service(MetricsServer::new(grpc::metric::Service { db: db.clone(), clock, zone }))
        .add_service(ReportsServer::new(grpc::report::Service { db: db.clone() }))
        .add_service(TimelineServer::new(grpc::timeline::Service { db: db.clone() }))
        .add_service(OperationsServer::new(operations))
        .add_service(FeedServer::new(grpc::feed::Service { db }));
    let tasks = vec![
        Task::new(app::rebuild::ZONE_TASK, move |stop| app::rebuild::keep_zone(zone_keeper, zone, stop)),
        Task::new(app::rebuild::REBUILT_TASK, move |stop| app::rebuild::keep_rebuilt(rebuild_keeper, stop)),
    ];
    Ok(Service { name: NAME, migrations: &crate::MIGRATIONS, routes, consumers, tasks })
}
