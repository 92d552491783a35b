//! Where the parts meet.

use clientele_contracts::orders::v1::credit_notes_server::CreditNotesServer;
use clientele_contracts::orders::v1::feed_server::FeedServer;
use clientele_contracts::orders::v1::operations_server::OperationsServer;
use clientele_contracts::orders::v1::order_statuses_server::OrderStatusesServer;
use clientele_contracts::orders::v1::orders_server::OrdersServer;
use clientele_contracts::orders::v1::products_server::ProductsServer;
use clientele_platform::{Deps, Service};
use tonic::service::Routes;

use crate::NAME;
use crate::app::credit_note::CreditNotes;
use crate::app::customer::Customers;
use crate::app::order::Orders;
use crate::app::product::Products;
use crate::app::status::Statuses;
use crate::config::Config;
use crate::error::Error;
use crate::events::consume;
use crate::grpc::LARGEST_MESSAGE;
use crate::grpc::credit_note::CreditNoteService;
use crate::grpc::feed::FeedService;
use crate::grpc::operation::OperationService;
use crate::grpc::order::OrderService;
use crate::grpc::product::ProductService;
use crate::grpc::status::StatusService;

/// Builds the service. Fails where the configuration makes no sense.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    config.check()?;
    let db = deps.db;
    let customers = Customers::new(db.clone(), &deps.clients, config.customer_lookup_deadline);
    let orders = OrdersServer::new(OrderService(Orders::new(db.clone(), customers.clone())))
        .max_decoding_message_size(LARGEST_MESSAGE);
    let credit_notes = CreditNotesServer::new(CreditNoteService(CreditNotes::new(db.clone(), customers)))
        .max_decoding_message_size(LARGEST_MESSAGE);
    let routes = Routes::new(orders)
        .add_service(credit_notes)
        .add_service(ProductsServer::new(ProductService(Products::new(db.clone()))))
        .add_service(OrderStatusesServer::new(StatusService(Statuses::new(db.clone()))))
        .add_service(FeedServer::new(FeedService(db.clone())))
        .add_service(OperationsServer::new(OperationService { db, consumers: consume::consumers() }));
    Ok(Service {
        name: NAME,
        migrations: &crate::MIGRATIONS,
        routes,
        consumers: consume::consumers(),
        tasks: Vec::new(),
    })
}
