//! One handler for each context that campaigns follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clientele_contracts::analytics::v1::CustomerMetricsRecorded;
use clientele_contracts::customers::v1::{CustomerCreated, CustomerDeleted, CustomerUpdated};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Currency, CustomerId, Error};
use clientele_platform::consumer::{Consumer, Handler};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{event, proto};

use crate::app::App;
use crate::domain::person::Figure;
use crate::store::person::NewFigures;
use crate::store::refresh::Wanted;
use crate::{ANALYTICS_CONSUMER, CUSTOMERS_CONSUMER};

/// What campaigns follows.
pub(crate) fn consumers(app: &App) -> Vec<Consumer> {
    vec![
        Consumer { name: ANALYTICS_CONSUMER, source: "analytics", handler: Arc::new(Analytics(app.clone())) },
        Consumer { name: CUSTOMERS_CONSUMER, source: "customers", handler: Arc::new(Customers(app.clone())) },
    ]
}

/// Follows analytics: the figures of customers.
struct Analytics(App);

#[async_trait]
impl Handler for Analytics {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let mut new = Vec::new();
        for event in events {
            let Some(recorded) = event::decode::<CustomerMetricsRecorded>(event)? else { continue };
            new.push(figures(event, &recorded)?);
        }
        Ok(self.0.learn_figures(work, new).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(self.0.forget_figures(work).await?)
    }
}

fn figures(event: &Event, recorded: &CustomerMetricsRecorded) -> Result<NewFigures, Error> {
    let mut figures = BTreeMap::new();
    for fact in &recorded.figures {
        let figure = Figure {
            orders: fact.orders,
            gross_minor: fact.gross_minor,
            refund_minor: fact.refunds_minor,
            first_purchase_at: proto::instant(fact.first_purchase_at, "figures.first_purchase_at")?,
            last_purchase_at: proto::instant(fact.last_purchase_at, "figures.last_purchase_at")?,
        };
        figure.check()?;
        figures.insert(Currency::parse(&fact.currency, "figures.currency")?, figure);
    }
    Ok(NewFigures {
        customer: CustomerId::parse(&recorded.customer_id, "customer_id")?,
        version: version(event)?,
        figures,
        at: recorded_at(event)?,
    })
}

/// Follows customers: whose facts have to be asked for, and who is gone.
struct Customers(App);

#[async_trait]
impl Handler for Customers {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let (mut wanted, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for event in events {
            let changed = if let Some(created) = event::decode::<CustomerCreated>(event)? {
                created.customer_id
            } else if let Some(updated) = event::decode::<CustomerUpdated>(event)? {
                updated.customer_id
            } else if let Some(deleted) = event::decode::<CustomerDeleted>(event)? {
                let customer = CustomerId::parse(&deleted.customer_id, "customer_id")?;
                wanted.remove(&customer);
                gone.insert(customer, recorded_at(event)?);
                continue;
            } else {
                continue;
            };
            let customer = CustomerId::parse(&changed, "customer_id")?;
            wanted.insert(customer, version(event)?);
        }
        let wanted: Vec<Wanted> = wanted.into_iter().map(|(customer, version)| Wanted { customer, version }).collect();
        Ok(self.0.follow_customers(work, &wanted, &gone).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(self.0.forget_facts(work).await?)
    }
}

fn recorded_at(event: &Event) -> Result<DateTime<Utc>, Error> {
    proto::required_instant(event.recorded_at, "recorded_at")
}

fn version(event: &Event) -> Result<i64, Error> {
    match event.aggregate_version {
        version if version > 0 => Ok(version),
        version => Err(Error::invalid("aggregate_version", format!("`{version}` is no version: 1 or more is wanted"))),
    }
}
