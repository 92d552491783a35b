//! Whether users and customers that a command names exist. Asking another service comes before a transaction begins.

use std::collections::{BTreeSet, HashSet};

use clientele_contracts::customers::v1::BatchGetCustomersRequest;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_contracts::identity::v1::{BatchGetUsersRequest, UserState};
use clientele_kernel::{CustomerId, Error, UserId};
use clientele_platform::grpc::{self, Clients, Transport};

/// How many customers are asked for in one call.
const ASKED_AT_ONCE: usize = 500;

/// Asks customers and identity, in the service's own name.
#[derive(Clone)]
pub(crate) struct Lookup {
    customers: Transport,
    identity: Transport,
}

impl Lookup {
    /// Calls end at the deadline that all calls of a service have.
    pub(crate) fn new(clients: &Clients) -> Self {
        Self { customers: clients.transport("customers"), identity: clients.transport("identity") }
    }

    /// Those of the customers that exist. UNAVAILABLE where customers cannot be asked.
    pub(crate) async fn customers(
        &self,
        ids: impl IntoIterator<Item = CustomerId>,
    ) -> Result<HashSet<CustomerId>, Error> {
        let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().iter().map(ToString::to_string).collect();
        let mut existing = HashSet::new();
        for part in ids.chunks(ASKED_AT_ONCE) {
            let request = BatchGetCustomersRequest { ids: part.to_vec() };
            let answer = CustomersClient::new(self.customers.clone())
                .batch_get_customers(request)
                .await
                .map_err(|status| unreachable_now("customers", "CUSTOMERS_UNAVAILABLE", status))?;
            for customer in answer.into_inner().customers {
                existing.insert(CustomerId::parse(&customer.id, "customer_id").map_err(Error::internal)?);
            }
        }
        Ok(existing)
    }

    /// True when there is such a user, and they may sign in. UNAVAILABLE where identity cannot be asked.
    pub(crate) async fn is_active_user(&self, id: UserId) -> Result<bool, Error> {
        let request = BatchGetUsersRequest { ids: vec![id.to_string()] };
        let answer = UsersClient::new(self.identity.clone())
            .batch_get_users(request)
            .await
            .map_err(|status| unreachable_now("identity", "IDENTITY_UNAVAILABLE", status))?;
        Ok(answer.into_inner().users.iter().any(|user| user.state() == UserState::Active))
    }
}

fn unreachable_now(service: &str, reason: &'static str, status: tonic::Status) -> Error {
    Error::unavailable(format!("the {service} service cannot be asked at the moment: try again"))
        .with_reason(reason)
        .with_source(grpc::error(status))
}
