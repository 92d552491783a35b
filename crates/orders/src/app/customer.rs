//! Which customers exist: learned from their events, and asked for where an order is faster than the event.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use clientele_contracts::customers::v1::BatchGetCustomersRequest;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_kernel::{CustomerId, Error};
use clientele_platform::grpc::{self, Clients, Transport};
use clientele_platform::postgres::{Database, UnitOfWork};

use crate::store;

/// How many customers are asked for in one call.
const ASKED_AT_ONCE: usize = 500;

/// Knows which customers exist.
#[derive(Clone)]
pub(crate) struct Customers {
    db: Database,
    transport: Transport,
    deadline: Duration,
}

/// Customers that exist.
#[derive(Debug, Default)]
pub(crate) struct Existing {
    all: HashSet<CustomerId>,
    /// Those that are not written down here yet.
    new: Vec<CustomerId>,
}

impl Existing {
    /// True where the customer exists, or none is named.
    pub(crate) fn allows(&self, id: Option<CustomerId>) -> bool {
        id.is_none_or(|id| self.all.contains(&id))
    }

    /// Writes down those that were asked for, so that they need not be asked for again.
    pub(crate) async fn remember(&self, uow: &mut UnitOfWork) -> Result<(), Error> {
        let now = uow.now();
        Ok(store::customer::remember(uow.conn(), &self.new, now).await?)
    }
}

impl Customers {
    /// Asks customers where the own projection does not know; waits for it no longer than `deadline`.
    pub(crate) fn new(db: Database, clients: &Clients, deadline: Duration) -> Self {
        Self { db, transport: clients.transport("customers"), deadline }
    }

    /// Those of the ids that exist. Ids that are not known here are asked for, which makes this a call to another
    /// service: it comes before a transaction begins. UNAVAILABLE where customers cannot be asked.
    pub(crate) async fn existing(&self, ids: impl IntoIterator<Item = CustomerId>) -> Result<Existing, Error> {
        let ids: BTreeSet<CustomerId> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(Existing::default());
        }
        let ids: Vec<CustomerId> = ids.into_iter().collect();
        let mut all: HashSet<CustomerId> = store::customer::known(self.db.pool(), &ids).await?.into_iter().collect();
        let unknown: Vec<CustomerId> = ids.into_iter().filter(|id| !all.contains(id)).collect();
        let mut new = Vec::new();
        for part in unknown.chunks(ASKED_AT_ONCE) {
            new.extend(self.ask(part).await?);
        }
        all.extend(&new);
        Ok(Existing { all, new })
    }

    async fn ask(&self, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
        let request = BatchGetCustomersRequest { ids: ids.iter().map(ToString::to_string).collect() };
        let mut client = CustomersClient::new(self.transport.clone());
        let answer = tokio::time::timeout(self.deadline, client.batch_get_customers(request))
            .await
            .map_err(|_| unreachable_now())?
            .map_err(|status| unreachable_now().with_source(grpc::error(status)))?;
        answer
            .into_inner()
            .customers
            .iter()
            .map(|customer| CustomerId::parse(&customer.id, "customer_id").map_err(Error::internal))
            .collect()
    }

    /// Forgets customers that were removed.
    pub(crate) async fn note_deleted(uow: &mut UnitOfWork, ids: &[CustomerId]) -> Result<(), Error> {
        Ok(store::customer::forget(uow.conn(), ids).await?)
    }

    /// Forgets who exists: whoever is not told again is asked for.
    pub(crate) async fn forget_all(uow: &mut UnitOfWork) -> Result<(), Error> {
        Ok(store::customer::forget_all(uow.conn()).await?)
    }

    /// Notes customers that were created.
    pub(crate) async fn note_created(uow: &mut UnitOfWork, ids: &[CustomerId]) -> Result<(), Error> {
        let now = uow.now();
        Ok(store::customer::remember(uow.conn(), ids, now).await?)
    }
}

fn unreachable_now() -> Error {
    Error::unavailable("the customers service cannot be reached, and a customer is named that is not known here yet")
        .with_reason("CUSTOMERS_UNAVAILABLE")
}

/// What to say of a customer who does not exist.
pub(crate) fn unknown(id: Option<CustomerId>) -> String {
    format!("there is no customer `{}`", id.map(|id| id.to_string()).unwrap_or_default())
}
