//! Whether users and customers that a command names exist. Asking another service comes before a transaction begins.

use std::collections::HashSet;

use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_contracts::identity::v1::{BatchGetUsersRequest, UserState};
use clientele_kernel::{CustomerId, Error, UserId};
use clientele_platform::grpc::{self, Clients, Transport};

use super::customer::Customers;

/// Asks customers and identity, in the service's own name.
#[derive(Clone)]
pub(crate) struct Lookup {
    customers: Customers,
    identity: Transport,
}

impl Lookup {
    /// Calls of identity end at the deadline that all calls of a service have.
    pub(crate) fn new(customers: Customers, clients: &Clients) -> Self {
        Self { customers, identity: clients.transport("identity") }
    }

    /// Those of the customers that exist. UNAVAILABLE where customers cannot be asked.
    pub(crate) async fn customers(
        &self,
        ids: impl IntoIterator<Item = CustomerId>,
    ) -> Result<HashSet<CustomerId>, Error> {
        Ok(self.customers.existing(ids).await?.into_keys().collect())
    }

    /// True when there is such a user, and they may sign in. UNAVAILABLE where identity cannot be asked.
    pub(crate) async fn is_active_user(&self, id: UserId) -> Result<bool, Error> {
        let request = BatchGetUsersRequest { ids: vec![id.to_string()] };
        let answer = UsersClient::new(self.identity.clone()).batch_get_users(request).await.map_err(unreachable_now)?;
        Ok(answer.into_inner().users.iter().any(|user| user.state() == UserState::Active))
    }
}

fn unreachable_now(status: tonic::Status) -> Error {
    Error::unavailable("the identity service cannot be asked at the moment: try again")
        .with_reason("IDENTITY_UNAVAILABLE")
        .with_source(grpc::error(status))
}
