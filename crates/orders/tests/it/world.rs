//! The service under test with what it needs around it, and short ways to speak to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clientele_contracts::customers::v1 as customers;
use clientele_contracts::customers::v1::customers_server::{Customers, CustomersServer};
use clientele_contracts::customers::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::credit_notes_client::CreditNotesClient;
use clientele_contracts::orders::v1::order_statuses_client::OrderStatusesClient;
use clientele_contracts::orders::v1::orders_client::OrdersClient;
use clientele_contracts::orders::v1::products_client::ProductsClient;
use clientele_contracts::platform::v1::{
    Event, ExternalReference, Money, ReadFeedRequest, ReadFeedResponse, UpsertOutcome,
};
use clientele_kernel::{CustomerId, Error};
use clientele_orders::Config;
use clientele_platform::grpc::{self, Transport};
use clientele_testkit::{Harness, TestDatabase};
use prost_types::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// The service, its database and what is around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
    pub(crate) registry: Registry,
}

impl World {
    /// A running service that knows nothing yet.
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new("orders", &clientele_orders::MIGRATIONS).await;
        let harness = Harness::new(database.clock.clone());
        let registry = Registry::default();
        harness.host.network.serve("customers", registry.routes());
        let deps = harness.deps(&database);
        let config = Config { customer_lookup_deadline: Duration::from_secs(5) };
        let service = clientele_orders::build(config, deps.clone()).await.unwrap();
        harness.start(service, &deps);
        Self { database, harness, registry }
    }

    /// A customer who exists.
    pub(crate) fn customer(&self) -> String {
        let id = self.database.ids.next::<CustomerId>().to_string();
        self.registry.0.lock().unwrap().customers.insert(id.clone());
        id
    }

    pub(crate) fn orders(&self) -> OrdersClient<Transport> {
        OrdersClient::new(self.everything()).max_decoding_message_size(64 * 1024 * 1024)
    }

    pub(crate) fn products(&self) -> ProductsClient<Transport> {
        ProductsClient::new(self.everything())
    }

    pub(crate) fn credit_notes(&self) -> CreditNotesClient<Transport> {
        CreditNotesClient::new(self.everything())
    }

    pub(crate) fn statuses(&self) -> OrderStatusesClient<Transport> {
        OrderStatusesClient::new(self.everything())
    }

    fn everything(&self) -> Transport {
        self.harness.client("orders", &["*"])
    }

    /// Upserts orders; panics where the batch as a whole is refused.
    pub(crate) async fn upsert(&self, orders: Vec<pb::Order>) -> Vec<pb::UpsertOrderResult> {
        self.try_upsert(orders).await.unwrap()
    }

    pub(crate) async fn try_upsert(&self, orders: Vec<pb::Order>) -> Result<Vec<pb::UpsertOrderResult>, Error> {
        let request = pb::BatchUpsertOrdersRequest { orders, ..Default::default() };
        let answer = self.orders().batch_upsert_orders(request).await.map_err(grpc::error)?;
        Ok(answer.into_inner().results)
    }

    pub(crate) async fn order(&self, id: &str) -> pb::Order {
        self.orders().get_order(pb::GetOrderRequest { id: id.to_owned() }).await.unwrap().into_inner()
    }

    /// All events of the feed, by partition and position.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.harness.events("orders").await
    }

    /// The events of one aggregate, oldest first.
    pub(crate) async fn events_of(&self, id: &str) -> Vec<Event> {
        self.harness.events_of("orders", id).await
    }
}

/// Stands where customers does: answers over the real gRPC services which customers there are.
#[derive(Clone, Default)]
pub(crate) struct Registry(pub(crate) Arc<Mutex<Known>>);

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) customers: BTreeSet<String>,
    /// How often it was asked.
    pub(crate) asked: usize,
    /// The feed, all in partition 0.
    pub(crate) events: Vec<Event>,
}

impl Registry {
    fn routes(&self) -> Routes {
        Routes::new(CustomersServer::new(self.clone())).add_service(FeedServer::new(self.clone()))
    }
}

#[tonic::async_trait]
impl Feed for Registry {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        let request = request.into_inner();
        let known = self.0.lock().unwrap();
        let all = if request.partition == 0 { known.events.as_slice() } else { &[] };
        let events = all.iter().filter(|event| event.position > request.after).cloned().collect();
        Ok(Response::new(ReadFeedResponse { events, head: i64::try_from(all.len()).unwrap(), ..Default::default() }))
    }
}

#[tonic::async_trait]
impl Customers for Registry {
    async fn batch_get_customers(
        &self,
        request: Request<customers::BatchGetCustomersRequest>,
    ) -> Result<Response<customers::BatchGetCustomersResponse>, Status> {
        let mut known = self.0.lock().unwrap();
        known.asked += 1;
        let ids = request.into_inner().ids;
        let found = ids.into_iter().filter(|id| known.customers.contains(id));
        let customers = found.map(|id| customers::Customer { id, ..customers::Customer::default() }).collect();
        Ok(Response::new(customers::BatchGetCustomersResponse { customers }))
    }

    async fn get_customer(
        &self,
        _: Request<customers::GetCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("orders does not ask this"))
    }

    async fn list_customers(
        &self,
        _: Request<customers::ListCustomersRequest>,
    ) -> Result<Response<customers::ListCustomersResponse>, Status> {
        Err(Status::unimplemented("orders does not ask this"))
    }

    async fn create_customer(
        &self,
        _: Request<customers::CreateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("orders does not ask this"))
    }

    async fn update_customer(
        &self,
        _: Request<customers::UpdateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("orders does not ask this"))
    }

    async fn batch_upsert_customers(
        &self,
        _: Request<customers::BatchUpsertCustomersRequest>,
    ) -> Result<Response<customers::BatchUpsertCustomersResponse>, Status> {
        Err(Status::unimplemented("orders does not ask this"))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
pub(crate) fn reference(external_id: &str) -> Option<ExternalReference> {
    Some(ExternalReference { source: "shop".into(), external_id: external_id.into() })
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
pub(crate) fn money(minor: i64, currency: &str) -> Option<Money> {
    Some(Money { minor, currency: currency.into() })
}

/// A line of a product of the order's source.
pub(crate) fn line(sku: &str, quantity: &str, unit_price: &str) -> pb::OrderLine {
    pb::OrderLine {
        sku: sku.into(),
        name: format!("PRODUCT {sku}"),
        quantity: quantity.into(),
        unit_price: unit_price.into(),
        ..pb::OrderLine::default()
    }
}

/// An order of the source `shop` with one line of 15.30 GBP.
pub(crate) fn order(external_id: &str) -> pb::Order {
    pb::Order {
        reference: reference(external_id),
        placed_at: moment("2010-12-01T08:26:00Z"),
        currency: "GBP".into(),
        lines: vec![line("85123A", "6", "2.55")],
        ..pb::Order::default()
    }
}

pub(crate) fn outcomes(results: &[pb::UpsertOrderResult]) -> Vec<UpsertOutcome> {
    results.iter().map(pb::UpsertOrderResult::outcome).collect()
}

/// The fields that a refused entry is at fault with.
pub(crate) fn fields_of(result: &pb::UpsertOrderResult) -> Vec<&str> {
    assert_eq!(result.outcome(), UpsertOutcome::Refused);
    result.violations.iter().map(|violation| violation.field.as_str()).collect()
}

/// The fields that a refused request is at fault with.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.field.as_str()).collect()
}

/// The stable name of the reason a request was refused for.
pub(crate) fn reason(error: &Error) -> &str {
    error.metadata.iter().find(|(key, _)| key == "reason").map_or(error.reason, |(_, reason)| reason)
}
