//! `Customers`: who they are and how to reach them.

use std::collections::BTreeSet;

use clientele_contracts::customers::v1::customers_server::Customers;
use clientele_contracts::customers::v1::{
    BatchGetCustomersRequest, BatchGetCustomersResponse, BatchUpsertCustomersRequest, BatchUpsertCustomersResponse,
    CreateCustomerRequest, Customer, GetCustomerRequest, ListCustomersRequest, ListCustomersResponse,
    UpdateCustomerRequest, UpsertCustomer,
};
use clientele_kernel::{CustomerId, Error as KernelError, Etag, Violations};
use clientele_platform::grpc::status;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::upsert::UpsertStatement;
use crate::domain::customer::Field;
use crate::{Error, contract};

const CREATE: &str = "/clientele.customers.v1.Customers/CreateCustomer";
const UPDATE: &str = "/clientele.customers.v1.Customers/UpdateCustomer";
const BATCH_UPSERT: &str = "/clientele.customers.v1.Customers/BatchUpsertCustomers";
/// Most ids or entries of one request.
const LARGEST_BATCH: usize = 500;

/// Serves `Customers`.
#[derive(Debug)]
pub(crate) struct CustomersService(pub(crate) App);

#[async_trait::async_trait]
impl Customers for CustomersService {
    async fn get_customer(&self, request: Request<GetCustomerRequest>) -> Result<Response<Customer>, Status> {
        self.get(request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn batch_get_customers(
        &self,
        request: Request<BatchGetCustomersRequest>,
    ) -> Result<Response<BatchGetCustomersResponse>, Status> {
        self.batch_get(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn list_customers(
        &self,
        request: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn create_customer(&self, request: Request<CreateCustomerRequest>) -> Result<Response<Customer>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn update_customer(&self, request: Request<UpdateCustomerRequest>) -> Result<Response<Customer>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.update(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn batch_upsert_customers(
        &self,
        request: Request<BatchUpsertCustomersRequest>,
    ) -> Result<Response<BatchUpsertCustomersResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.batch_upsert(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl CustomersService {
    async fn get(&self, request: GetCustomerRequest) -> Result<Customer, Error> {
        let id = CustomerId::parse(&request.id, "id")?;
        match proto::instant(request.as_of, "as_of")? {
            Some(moment) => self.0.get_as_of(id, moment, request.all_phones).await,
            None => self.0.get(id, request.all_phones).await.map(|view| contract::customer(&view)),
        }
    }

    async fn batch_get(&self, request: &BatchGetCustomersRequest) -> Result<BatchGetCustomersResponse, Error> {
        require_batch("ids", request.ids.len())?;
        let mut violations = Violations::new();
        let ids: Vec<CustomerId> = request
            .ids
            .iter()
            .enumerate()
            .filter_map(|(i, id)| {
                let field = format!("ids[{i}]");
                violations.take(&field, CustomerId::parse(id, &field))
            })
            .collect();
        violations.into_result()?;
        let views = self.0.batch_get(&ids).await?;
        Ok(BatchGetCustomersResponse { customers: views.iter().map(contract::customer).collect() })
    }

    async fn list(&self, request: &ListCustomersRequest) -> Result<ListCustomersResponse, Error> {
        let page = self.0.list(request).await?;
        Ok(ListCustomersResponse {
            customers: page.views.iter().map(contract::customer).collect(),
            next_page_token: page.next_page_token,
            total_size: page.total.map_or(0, |total| total.size),
            total_size_estimated: page.total.is_some_and(|total| total.estimated),
        })
    }

    async fn create(&self, caller: &Caller, request: &CreateCustomerRequest) -> Result<Customer, Error> {
        let customer = request.customer.clone().ok_or_else(|| KernelError::invalid("customer", "is missing"))?;
        let statement = contract::statement(customer).map_err(|error| error.within("customer"))?;
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request };
        self.0.create(&command, statement).await
    }

    async fn update(&self, caller: &Caller, request: &UpdateCustomerRequest) -> Result<Customer, Error> {
        let customer = request.customer.clone().ok_or_else(|| KernelError::invalid("customer", "is missing"))?;
        let mut violations = Violations::new();
        let id = violations.take("customer.id", CustomerId::parse(&customer.id, "customer.id"));
        let etag = violations.take("customer.etag", Etag::parse(&customer.etag, "customer.etag"));
        let names = Field::UPDATABLE.map(Field::as_str);
        let mask = violations.take("update_mask", proto::mask(request.update_mask.clone(), &names));
        let statement =
            violations.take("customer", contract::statement(customer).map_err(|error| error.within("customer")));
        let (Some(id), Some(etag), Some(mask), Some(statement)) = (id, etag, mask, statement) else {
            return Err(KernelError::invalid_all(violations.into_inner()).into());
        };
        let fields: BTreeSet<Field> =
            Field::UPDATABLE.into_iter().filter(|field| mask.contains(&field.as_str())).collect();
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request };
        self.0.update(&command, id, etag, &fields, statement).await
    }

    async fn batch_upsert(
        &self,
        caller: &Caller,
        request: &BatchUpsertCustomersRequest,
    ) -> Result<BatchUpsertCustomersResponse, Error> {
        require_batch("entries", request.entries.len())?;
        let entries = request.entries.iter().cloned().map(entry).collect();
        let command = Command { caller, method: BATCH_UPSERT, request_id: &request.request_id, request };
        self.0.batch_upsert(&command, entries).await
    }
}

fn entry(UpsertCustomer { reference, customer, consents }: UpsertCustomer) -> UpsertStatement {
    let reference = reference.unwrap_or_default();
    UpsertStatement {
        source: reference.source,
        external_id: reference.external_id,
        statement: contract::statement(customer.unwrap_or_default()),
        consents: consents.into_iter().map(contract::consent::upsert_statement).collect(),
    }
}

pub(super) fn require_batch(field: &str, size: usize) -> Result<(), KernelError> {
    if size > LARGEST_BATCH {
        return Err(KernelError::invalid(field, format!("has {size} entries: at most {LARGEST_BATCH} are wanted")));
    }
    Ok(())
}
