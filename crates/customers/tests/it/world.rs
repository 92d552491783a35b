//! The service on a fresh database, and short ways to speak to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::customers::v1::duplicates_client::DuplicatesClient;
use clientele_contracts::customers::v1::history_client::HistoryClient;
use clientele_contracts::customers::v1::{
    BatchUpsertCustomersRequest, CreateCustomerRequest, Customer, Email, GetCustomerRequest, ListCustomersRequest,
    ListCustomersResponse, Phone, UpdateCustomerRequest, UpsertCustomer, UpsertCustomerResult,
};
use clientele_contracts::platform::v1::{Event, ExternalReference};
use clientele_customers::{Config, MIGRATIONS, build};
use clientele_kernel::SystemEntropy;
use clientele_platform::Service;
use clientele_platform::grpc::Transport;
use clientele_platform::postgres::Database;
use clientele_testkit::database::keyring;
use clientele_testkit::{Harness, TestDatabase};
use prost_types::FieldMask;
use sqlx::postgres::PgPoolOptions;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::identity::Identity;
use crate::neighbours::Neighbours;

pub(crate) struct World {
    pub(crate) harness: Harness,
    pub(crate) database: TestDatabase,
    pub(crate) neighbours: Neighbours,
    pub(crate) identity: Identity,
    background: Mutex<Vec<AbortHandle>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_statement_timeout(None).await
    }

    /// The service on connections whose statements may take no longer than this.
    pub(crate) async fn with_statement_timeout(timeout: Option<Duration>) -> Self {
        let mut database = TestDatabase::new("customers", &MIGRATIONS).await;
        if let Some(timeout) = timeout {
            let options = database.db.pool().connect_options().as_ref().clone();
            let options = options.options([("statement_timeout", timeout.as_millis().to_string())]);
            let pool = PgPoolOptions::new().connect_lazy_with(options);
            database.db = Database::new(pool, "customers", database.clock.clone(), Arc::new(SystemEntropy), keyring());
        }
        let harness = Harness::new(database.clock.clone());
        let neighbours = Neighbours::default();
        harness.host.network.serve("orders", neighbours.orders());
        harness.host.network.serve("messaging", neighbours.messaging());
        let identity = Identity::default();
        harness.host.network.serve("identity", identity.routes(harness.issuer.routes()));
        let world = Self { harness, database, neighbours, identity, background: Mutex::default() };
        let service = world.start_again().await;
        let deps = world.harness.deps(&world.database);
        world.harness.start(service, &deps);
        world
    }

    /// Begins the work in the background anew, as another replica does; gives the service without that work.
    pub(crate) async fn start_again(&self) -> Service {
        let deps = self.harness.deps(&self.database);
        let config = Config { default_region: "ES".to_owned() };
        let mut service = build(config, deps).await.unwrap();
        let stop = CancellationToken::new();
        for task in std::mem::take(&mut service.tasks) {
            let running = tokio::spawn((task.work)(stop.clone()));
            self.background.lock().unwrap().push(running.abort_handle());
        }
        service
    }

    /// Ends the work in the background at whatever it is at, as a kill does.
    pub(crate) fn kill_importers(&self) {
        self.background.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    pub(crate) fn transport(&self) -> Transport {
        self.harness.client("customers", &["*"])
    }

    pub(crate) fn customers(&self) -> CustomersClient<Transport> {
        CustomersClient::new(self.transport())
    }

    pub(crate) fn duplicates(&self) -> DuplicatesClient<Transport> {
        DuplicatesClient::new(self.transport())
    }

    pub(crate) fn history(&self) -> HistoryClient<Transport> {
        HistoryClient::new(self.transport())
    }

    pub(crate) async fn create(&self, customer: Customer) -> Customer {
        self.try_create(customer).await.unwrap()
    }

    pub(crate) async fn try_create(&self, customer: Customer) -> Result<Customer, Status> {
        let request = CreateCustomerRequest { customer: Some(customer), request_id: String::new() };
        self.customers().create_customer(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn get(&self, id: &str) -> Customer {
        let request = GetCustomerRequest { id: id.to_owned(), ..GetCustomerRequest::default() };
        self.customers().get_customer(request).await.unwrap().into_inner()
    }

    pub(crate) async fn update(&self, customer: Customer, mask: &[&str]) -> Customer {
        self.try_update(customer, mask).await.unwrap()
    }

    pub(crate) async fn try_update(&self, customer: Customer, mask: &[&str]) -> Result<Customer, Status> {
        self.customers().update_customer(update_request(customer, mask)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn upsert(&self, entries: Vec<UpsertCustomer>) -> Vec<UpsertCustomerResult> {
        let request = BatchUpsertCustomersRequest { entries, request_id: String::new() };
        self.customers().batch_upsert_customers(request).await.unwrap().into_inner().results
    }

    pub(crate) async fn list(&self, request: ListCustomersRequest) -> ListCustomersResponse {
        self.try_list(request).await.unwrap()
    }

    pub(crate) async fn try_list(&self, request: ListCustomersRequest) -> Result<ListCustomersResponse, Status> {
        self.customers().list_customers(request).await.map(tonic::Response::into_inner)
    }

    /// The names a search finds, sorted.
    pub(crate) async fn search(&self, query: &str) -> Vec<String> {
        let request = ListCustomersRequest { query: query.to_owned(), ..ListCustomersRequest::default() };
        let mut names: Vec<String> = self.list(request).await.customers.into_iter().map(|c| c.display_name).collect();
        names.sort();
        names
    }

    /// Every event of the journal, by partition and position.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.harness.events("customers").await
    }
}

pub(crate) fn named(name: &str) -> Customer {
    Customer { display_name: name.to_owned(), ..Customer::default() }
}

pub(crate) fn phone(number: &str) -> Phone {
    Phone { number: number.to_owned(), ..Phone::default() }
}

pub(crate) fn email(address: &str) -> Email {
    Email { address: address.to_owned(), ..Email::default() }
}

pub(crate) fn reference(external_id: &str) -> ExternalReference {
    ExternalReference { source: "shop".to_owned(), external_id: external_id.to_owned() }
}

pub(crate) fn entry(external_id: &str, customer: Customer) -> UpsertCustomer {
    UpsertCustomer { reference: Some(reference(external_id)), customer: Some(customer), consents: Vec::new() }
}

pub(crate) fn update_request(customer: Customer, mask: &[&str]) -> UpdateCustomerRequest {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    UpdateCustomerRequest {
        customer: Some(customer),
        update_mask: Some(FieldMask { paths }),
        request_id: String::new(),
    }
}

/// The reason a status gives to programs.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The fields a status finds wrong.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    details.bad_request().map(|bad| bad.field_violations.iter().map(|v| v.field.clone()).collect()).unwrap_or_default()
}

/// Asserts that a request was refused for one field.
#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(answer: Result<T, Status>, field: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec![field.to_owned()]), "{status:?}");
}
