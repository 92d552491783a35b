//! The journals of analytics and customers, served as real feeds, and the customers they tell of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use clientele_contracts::analytics::v1::feed_server::{Feed as AnalyticsFeed, FeedServer as AnalyticsFeedServer};
use clientele_contracts::analytics::v1::{CustomerMetricsRecorded, FigureFact};
use clientele_contracts::customers::v1::customers_server::{Customers, CustomersServer};
use clientele_contracts::customers::v1::feed_server::{Feed as CustomersFeed, FeedServer as CustomersFeedServer};
use clientele_contracts::customers::v1::{
    BatchGetCustomersRequest, BatchGetCustomersResponse, BatchUpsertCustomersRequest, BatchUpsertCustomersResponse,
    CreateCustomerRequest, Customer, CustomerCreated, CustomerDeleted, CustomerKind, CustomerUpdated, Email,
    GetCustomerRequest, ListCustomersRequest, ListCustomersResponse, Phone, UpdateCustomerRequest,
};
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::Clock;
use clientele_platform::proto;
use clientele_testkit::Journal;
use prost::{Message, Name};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// A moment of the tests.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An id that a test can name.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_a1f0_0000_7000_8000_0000_0000_0000 + number)
}

/// Totals as a test writes them down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) currency: &'static str,
    pub(crate) orders: i64,
    pub(crate) gross: i64,
    pub(crate) refunds: i64,
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
}

impl Totals {
    /// One order in euros.
    pub(crate) fn of(gross: i64, last: &str) -> Self {
        Self { currency: "EUR", orders: 1, gross, refunds: 0, first: Some(at(last)), last: Some(at(last)) }
    }

    fn fact(&self) -> FigureFact {
        FigureFact {
            currency: self.currency.to_owned(),
            orders: self.orders,
            gross_minor: self.gross,
            refunds_minor: self.refunds,
            first_purchase_at: self.first.map(proto::timestamp),
            last_purchase_at: self.last.map(proto::timestamp),
        }
    }
}

/// A person without anything.
pub(crate) fn person(id: Uuid) -> Customer {
    Customer {
        id: id.to_string(),
        kind: CustomerKind::Person.into(),
        registered_at: Some(proto::timestamp(at("2025-06-01T00:00:00Z"))),
        ..Customer::default()
    }
}

pub(crate) fn with_phone(mut customer: Customer) -> Customer {
    customer.phones.push(Phone { number: "+34 600 000 000".into(), ..Phone::default() });
    customer
}

pub(crate) fn with_email(mut customer: Customer) -> Customer {
    customer.emails.push(Email { address: "a@example.org".into(), ..Email::default() });
    customer
}

/// The journal of a context: events by partition, as the feed gives them; of customers also the records.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) journal: Journal,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    customers: HashMap<String, Customer>,
    /// Customers cannot be asked for.
    away: bool,
    asked: usize,
}

impl Source {
    pub(crate) fn new(context: &'static str, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { journal: Journal::new(context), clock, state: Mutex::default() })
    }

    /// Writes an event of a customer: the next version, in the customer's partition.
    pub(crate) fn record<M: Message + Name>(&self, customer: Uuid, message: &M) -> Event {
        let moment = self.clock.now();
        self.journal.record(customer, Some(customer), moment, moment, message)
    }

    /// The customer is as given from now on.
    pub(crate) fn save(&self, customer: &Customer) -> Event {
        let id: Uuid = customer.id.parse().unwrap();
        let saved = Customer { updated_at: Some(proto::timestamp(self.clock.now())), ..customer.clone() };
        let before = self.state.lock().unwrap().customers.insert(customer.id.clone(), saved);
        if before.is_none() {
            self.record(id, &CustomerCreated { customer_id: customer.id.clone(), ..CustomerCreated::default() })
        } else {
            self.record(id, &CustomerUpdated { customer_id: customer.id.clone(), ..CustomerUpdated::default() })
        }
    }

    /// The customer is gone from now on.
    pub(crate) fn delete(&self, customer: Uuid) -> Event {
        self.state.lock().unwrap().customers.remove(&customer.to_string());
        self.record(customer, &CustomerDeleted { customer_id: customer.to_string() })
    }

    /// The customer's figures are as given from now on.
    pub(crate) fn figures(&self, customer: Uuid, totals: &[Totals]) -> Event {
        let figures = totals.iter().map(Totals::fact).collect();
        self.record(customer, &CustomerMetricsRecorded { customer_id: customer.to_string(), figures })
    }

    /// Has the customers answer no more, or again.
    pub(crate) fn set_away(&self, away: bool) {
        self.state.lock().unwrap().away = away;
    }

    /// How often customers were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    pub(crate) fn routes(self: &Arc<Self>) -> Routes {
        match self.journal.context() {
            "analytics" => Routes::new(AnalyticsFeedServer::new(Served(self.clone()))),
            "customers" => Routes::new(CustomersFeedServer::new(Served(self.clone())))
                .add_service(CustomersServer::new(Served(self.clone()))),
            other => panic!("{other} has no feed in these tests"),
        }
    }
}

#[derive(Debug)]
struct Served(Arc<Source>);

#[tonic::async_trait]
impl AnalyticsFeed for Served {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        Ok(Response::new(self.0.journal.read(request.get_ref())))
    }
}

#[tonic::async_trait]
impl CustomersFeed for Served {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        Ok(Response::new(self.0.journal.read(request.get_ref())))
    }
}

/// Records are asked for by id and by nothing else.
#[tonic::async_trait]
impl Customers for Served {
    async fn batch_get_customers(
        &self,
        request: Request<BatchGetCustomersRequest>,
    ) -> Result<Response<BatchGetCustomersResponse>, Status> {
        let mut state = self.0.state.lock().unwrap();
        state.asked += 1;
        if state.away {
            return Err(Status::unavailable("away"));
        }
        let ids = request.into_inner().ids;
        assert!(ids.len() <= 500, "{} customers were asked for at once", ids.len());
        let customers = ids.iter().filter_map(|id| state.customers.get(id).cloned()).collect();
        Ok(Response::new(BatchGetCustomersResponse { customers }))
    }

    async fn get_customer(&self, _: Request<GetCustomerRequest>) -> Result<Response<Customer>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn list_customers(
        &self,
        _: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn create_customer(&self, _: Request<CreateCustomerRequest>) -> Result<Response<Customer>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn update_customer(&self, _: Request<UpdateCustomerRequest>) -> Result<Response<Customer>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn batch_upsert_customers(
        &self,
        _: Request<BatchUpsertCustomersRequest>,
    ) -> Result<Response<BatchUpsertCustomersResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }
}
