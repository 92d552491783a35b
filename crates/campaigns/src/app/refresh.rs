//! Asks customers for facts. What rules may ask for and no event carries is personal: it is fetched, outside of any
//! transaction, after the event has told that it changed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::customers::v1::{BatchGetCustomersRequest, Customer, CustomerKind};
use clientele_kernel::{CustomerId, Error as KernelError, StoreId, UserId};
use clientele_platform::{Caller, grpc, proto};

use super::App;
use crate::domain::person::{Facts, Kind};
use crate::store::refresh::Wanted;
use crate::{Error, store};

/// How many customers are asked for in one call.
const BATCH: i64 = 500;
/// How long the call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// After so long another replica asks for what this one took: it must be dead.
const CLAIM: TimeDelta = TimeDelta::seconds(30);

impl App {
    /// Asks for the facts of some customers of whom they are wanted. True when there were any.
    pub(crate) async fn refresh_some(&self) -> Result<bool, Error> {
        let now = self.db.clock().now();
        let wanted = store::refresh::claim(self.db.pool(), now, now + CLAIM, BATCH).await?;
        if wanted.is_empty() {
            return Ok(false);
        }
        let learned = self.ask_and_learn(&wanted).await;
        if learned.is_err() {
            store::refresh::give_back(self.db.pool(), &wanted, now).await?;
        }
        learned.map(|()| true)
    }

    async fn ask_and_learn(&self, wanted: &[Wanted]) -> Result<(), Error> {
        let request = BatchGetCustomersRequest { ids: wanted.iter().map(|w| w.customer.to_string()).collect() };
        let answer = tokio::time::timeout(DEADLINE, self.customers.clone().batch_get_customers(request))
            .await
            .map_err(|_| KernelError::unavailable("customers did not answer in time"))?
            .map_err(grpc::error)?;
        let mut learned: HashMap<CustomerId, (Facts, DateTime<Utc>)> = HashMap::new();
        let mut unclear: HashSet<String> = HashSet::new();
        for customer in answer.into_inner().customers {
            match facts(&customer) {
                Ok((id, facts, at)) => {
                    learned.insert(id, (facts, at));
                }
                Err(error) => {
                    // It must not keep the others waiting; it is asked for again when its time has run out.
                    tracing::error!(customer = customer.id, %error, "facts of a customer make no sense");
                    unclear.insert(customer.id);
                }
            }
        }
        let clear: Vec<Wanted> =
            wanted.iter().filter(|wanted| !unclear.contains(&wanted.customer.to_string())).copied().collect();
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        self.learn_facts(&mut work, &clear, learned).await?;
        Ok(work.commit().await?)
    }
}

/// Facts of a customer, and when they became so.
fn facts(customer: &Customer) -> Result<(CustomerId, Facts, DateTime<Utc>), KernelError> {
    let kind = match customer.kind() {
        CustomerKind::Person => Kind::Person,
        CustomerKind::Company => Kind::Company,
        CustomerKind::Unspecified => return Err(KernelError::invalid("kind", "is missing")),
    };
    let facts = Facts {
        kind,
        country: Some(customer.country.clone()).filter(|country| !country.is_empty()),
        store: StoreId::parse_optional(&customer.store_id, "store_id")?,
        manager: UserId::parse_optional(&customer.manager_id, "manager_id")?,
        registered_at: proto::required_instant(customer.registered_at, "registered_at")?,
        has_phone: !customer.phones.is_empty(),
        has_email: !customer.emails.is_empty(),
    };
    let at = proto::required_instant(customer.updated_at, "updated_at")?;
    Ok((CustomerId::parse(&customer.id, "id")?, facts, at))
}
