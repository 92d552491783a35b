//! Analytics running beside feeds of orders and customers.

use std::sync::Arc;

use clientele_analytics::{Config, MIGRATIONS, build};
use clientele_contracts::analytics::v1::metrics_client::MetricsClient;
use clientele_contracts::analytics::v1::operations_client::OperationsClient;
use clientele_contracts::analytics::v1::reports_client::ReportsClient;
use clientele_contracts::analytics::v1::timeline_client::TimelineClient;
use clientele_contracts::analytics::v1::{
    CurrencyMetrics, CustomerMetrics, CustomerMetricsRecorded, GetCustomerMetricsRequest, GetSalesSummaryRequest,
    ListTimelineRequest, SalesSummary, TimelineEntry,
};
use clientele_contracts::platform::v1::{Event, GetConsumerStatusRequest};
use clientele_platform::consumer::Handler;
use clientele_platform::grpc::Transport;
use clientele_platform::{Caller, Deps, event};
use clientele_testkit::{Harness, TestDatabase, eventually};
use uuid::Uuid;

use crate::source::Source;

pub(crate) struct World {
    pub(crate) orders: Arc<Source>,
    pub(crate) customers: Arc<Source>,
    pub(crate) messaging: Arc<Source>,
    pub(crate) campaigns: Arc<Source>,
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) messaging_handler: Arc<dyn Handler>,
    pub(crate) deps: Deps,
}

impl World {
    /// Analytics with months in UTC, following its sources.
    pub(crate) async fn new() -> Self {
        Self::in_zone("UTC").await
    }

    /// Analytics with months in a zone, following its sources.
    pub(crate) async fn in_zone(zone: &str) -> Self {
        let world = Self::still(zone).await;
        world.start(zone).await;
        world
    }

    /// Analytics whose consumers do not run: events come to the handler by hand.
    pub(crate) async fn still(zone: &str) -> Self {
        let database = TestDatabase::new("analytics", &MIGRATIONS).await;
        let harness = Harness::new(database.clock.clone());
        let deps = harness.deps(&database);
        let [orders, customers, messaging, campaigns] =
            ["orders", "customers", "messaging", "campaigns"].map(Source::new);
        harness.host.network.serve("orders", orders.routes());
        harness.host.network.serve("customers", customers.routes());
        harness.host.network.serve("messaging", messaging.routes());
        harness.host.network.serve("campaigns", campaigns.routes());
        let mut service = build(config(zone), deps.clone()).await.unwrap();
        let [handler, messaging_handler] = [0, 2].map(|place: usize| service.consumers[place].handler.clone());
        service.consumers.clear();
        service.tasks.clear();
        harness.start(service, &deps);
        Self { orders, customers, messaging, campaigns, database, harness, handler, messaging_handler, deps }
    }

    /// Starts analytics as a process would.
    pub(crate) async fn start(&self, zone: &str) {
        let service = build(config(zone), self.deps.clone()).await.unwrap();
        self.harness.start(service, &self.deps);
        eventually("the zone's being settled", async || {
            let mut conn = self.database.superuser().await;
            let kept: Option<String> =
                sqlx::query_scalar("select zone from analytics.report_zone").fetch_optional(&mut conn).await.unwrap();
            (kept.as_deref() == Some(zone)).then_some(())
        })
        .await;
    }

    /// Tells of events on the bus, and waits until all of both sources have been applied or parked.
    pub(crate) async fn tell(&self, events: &[Event]) {
        self.harness.host.bus.publish(events).await.unwrap();
        self.settled().await;
    }

    /// Waits until the consumers have come to the end of both sources.
    pub(crate) async fn settled(&self) {
        eventually("the consumers' coming to the end", async || {
            let status = self.operations().get_consumer_status(GetConsumerStatusRequest {}).await.ok()?.into_inner();
            let arrived = |consumer: &str, source: &Source| source.journal.is_followed(consumer, &status);
            let all = [
                ("analytics.orders", &self.orders),
                ("analytics.customers", &self.customers),
                ("analytics.messaging", &self.messaging),
                ("analytics.campaigns", &self.campaigns),
            ];
            all.into_iter().all(|(consumer, source)| arrived(consumer, source)).then_some(())
        })
        .await;
    }

    /// Gives events of one partition to the handler of orders, in a unit of work of their own.
    pub(crate) async fn apply(&self, events: &[Event]) {
        let mut work = self.database.db.begin(&Caller::service("analytics.orders")).await.unwrap();
        self.handler.apply(&mut work, events).await.unwrap();
        work.commit().await.unwrap();
    }

    /// The same, for messaging.
    pub(crate) async fn apply_messaging(&self, events: &[Event]) {
        let mut work = self.database.db.begin(&Caller::service("analytics.messaging")).await.unwrap();
        self.messaging_handler.apply(&mut work, events).await.unwrap();
        work.commit().await.unwrap();
    }

    fn client(&self) -> Transport {
        self.harness.client("analytics", &["*"])
    }

    pub(crate) fn metrics(&self) -> MetricsClient<Transport> {
        MetricsClient::new(self.client())
    }

    pub(crate) fn operations(&self) -> OperationsClient<Transport> {
        OperationsClient::new(self.client())
    }

    pub(crate) fn timelines(&self) -> TimelineClient<Transport> {
        TimelineClient::new(self.client())
    }

    /// The figures of a customer.
    pub(crate) async fn customer(&self, customer: Uuid) -> CustomerMetrics {
        let request = GetCustomerMetricsRequest { customer_id: customer.to_string() };
        self.metrics().get_customer_metrics(request).await.unwrap().into_inner()
    }

    /// The figures of a customer who bought in one currency.
    pub(crate) async fn only(&self, customer: Uuid) -> CurrencyMetrics {
        let mut metrics = self.customer(customer).await;
        assert_eq!(metrics.currencies.len(), 1, "{metrics:?}");
        metrics.currencies.remove(0)
    }

    pub(crate) async fn summary(&self) -> SalesSummary {
        ReportsClient::new(self.client()).get_sales_summary(GetSalesSummaryRequest {}).await.unwrap().into_inner()
    }

    /// What analytics has told of a customer: versions and figures, oldest first.
    pub(crate) async fn told(&self, customer: Uuid) -> Vec<(i64, CustomerMetricsRecorded)> {
        let events = self.harness.events("analytics").await;
        let of = |event: &Event| event.customer_id == customer.to_string();
        let read = |event: Event| (event.aggregate_version, event::decode(&event).unwrap().unwrap());
        events.into_iter().filter(of).map(read).collect()
    }

    /// The whole timeline of a customer, newest first.
    pub(crate) async fn timeline(&self, customer: Uuid) -> Vec<TimelineEntry> {
        let request = ListTimelineRequest { customer_id: customer.to_string(), ..ListTimelineRequest::default() };
        self.timelines().list_timeline(request).await.unwrap().into_inner().entries
    }
}

pub(crate) fn config(zone: &str) -> Config {
    Config { report_zone: zone.parse().unwrap() }
}

/// Orders, gross, refunds, net.
pub(crate) fn totals(metrics: &CurrencyMetrics) -> (i64, i64, i64, i64) {
    let figures = metrics.figures.as_ref().unwrap();
    let minor = |money: &Option<clientele_contracts::platform::v1::Money>| money.as_ref().unwrap().minor;
    (figures.orders, minor(&figures.gross), minor(&figures.refunds), minor(&figures.net))
}
