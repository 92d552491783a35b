//! What orders learns from other contexts.

use std::sync::Arc;

use async_trait::async_trait;
use clientele_contracts::customers::v1::{CustomerCreated, CustomerDeleted};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{CustomerId, Error};
use clientele_platform::consumer::{Consumer, Handler};
use clientele_platform::event;
use clientele_platform::postgres::UnitOfWork;

use crate::app::customer::Customers;

/// What orders follows.
pub(crate) fn consumers() -> Vec<Consumer> {
    vec![Consumer { name: "orders.customers", source: "customers", handler: Arc::new(CustomerEvents) }]
}

/// Learns which customers exist.
struct CustomerEvents;

#[async_trait]
impl Handler for CustomerEvents {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let (mut created, mut deleted) = (Vec::new(), Vec::new());
        for event in events {
            if let Some(event) = event::decode::<CustomerCreated>(event)? {
                created.push(CustomerId::parse(&event.customer_id, "customer_id")?);
            } else if let Some(event) = event::decode::<CustomerDeleted>(event)? {
                deleted.push(CustomerId::parse(&event.customer_id, "customer_id")?);
            }
        }
        Customers::note_created(work, &created).await?;
        Customers::note_deleted(work, &deleted).await
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Customers::forget_all(work).await
    }
}
