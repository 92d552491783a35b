//! When a service says that it is ready.

use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::orders::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::Error;
use clientele_platform::bus::{Bus, Subscription};
use clientele_platform::consumer::parked;
use clientele_platform::feed::FeedReader;
use clientele_platform::grpc;
use clientele_platform::ready::{Followed, Patience, Readiness, Watched};
use clientele_testkit::{eventually, eventually_within};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{APPLIED, LONG, Sink, Source, Wire};

/// Longer than any test lasts, so that what is waited for has come and was not given up.
const PATIENT: Patience = Patience { away: Duration::from_mins(10), behind: Duration::from_mins(10) };
/// What is given up at once.
const IMPATIENT: Duration = Duration::from_millis(50);

fn watched(source: &Source, sink: &Sink, bus: Arc<dyn Bus>, patience: Patience) -> Watched {
    let deps = source.harness.deps(&sink.database);
    let feed = FeedReader::new(&deps.clients, "orders").unwrap();
    Watched {
        db: sink.database.replica(),
        migrations: &APPLIED,
        bus,
        consumers: vec![Followed { name: "analytics.orders", feed }],
        patience,
    }
}

struct Watch {
    readiness: Readiness,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watch {
    async fn over(watched: Watched) -> Self {
        let stop = CancellationToken::new();
        let readiness = Readiness::new(&watched, stop.clone()).await;
        let following = readiness.clone();
        let task = tokio::spawn(async move { following.follow(watched).await.unwrap() });
        Self { readiness, stop, task }
    }

    async fn gets_ready(&self) {
        eventually_within(LONG, "the service being ready", || async { self.readiness.check().await.ok() }).await;
    }

    async fn says(&self, text: &str) {
        eventually_within(LONG, &format!("a service that is not ready saying `{text}`"), || async {
            self.readiness.check().await.err().filter(|reason| reason.contains(text))
        })
        .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_ready_once_what_was_there_at_its_start_is_applied_and_stays_so_under_load() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let aggregates = source.aggregates(8);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=5).await;
    }
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), PATIENT)).await;
    watch.says("analytics.orders: 40 events are to be applied first").await;

    let replica = sink.follow(&source, wire.bus.clone());
    watch.gets_ready().await;
    assert_eq!(sink.count().await, 40);

    // What comes later, and is applied by nobody, takes it away from nobody.
    replica.stop().await;
    for aggregate in &aggregates {
        source.write(*aggregate, 6..=9).await;
    }
    assert_eq!(watch.readiness.check().await, Ok(()));
    watch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_keeps_no_service_from_being_ready() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let aggregates = source.aggregates(2);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=3).await;
    }
    *sink.mood.poison.lock().unwrap() = Some(aggregates[0]);
    let replica = sink.follow(&source, wire.bus.clone());
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), PATIENT)).await;
    watch.gets_ready().await;
    let status = parked::status(&sink.database.db).await.unwrap();
    assert_eq!(status.partitions.iter().map(|p| p.parked).sum::<i64>(), 3);
    replica.stop().await;
    watch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_is_waited_for_and_then_no_more() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    source.write(source.aggregates(1)[0], 1..=3).await;
    source.fall_silent();
    let patient = Watch::over(watched(&source, &sink, wire.bus.clone(), PATIENT)).await;
    patient.says("analytics.orders: the feed it follows cannot be read").await;
    let impatient = Patience { away: IMPATIENT, ..PATIENT };
    let starts = Watch::over(watched(&source, &sink, wire.bus.clone(), impatient)).await;
    starts.gets_ready().await;
    assert!(patient.readiness.check().await.is_err());

    source.answer();
    patient.says("3 events are to be applied first").await;
    patient.stop().await;
    starts.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_waited_for_and_then_no_more() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    source.write(source.aggregates(1)[0], 1..=3).await;
    let impatient = Patience { behind: IMPATIENT, ..PATIENT };
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), impatient)).await;
    watch.gets_ready().await;
    assert_eq!(sink.count().await, 0);
    watch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_take_all_connections_leave_a_service_ready_and_a_database_that_is_away_does_not() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let watched = watched(&source, &sink, wire.bus.clone(), PATIENT);
    let pool = watched.db.pool().clone();
    let watch = Watch::over(watched).await;
    watch.gets_ready().await;
    let mut taken = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        taken.push(pool.acquire().await.unwrap());
    }
    assert!(pool.try_acquire().is_none());
    assert_eq!(watch.readiness.check().await, Ok(()));
    drop(taken);

    let mut admin = sink.database.superuser().await;
    for statement in [
        "do $$ begin execute format('alter database %I connection limit 0', current_database()); end $$",
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    watch.says("the database does not answer").await;
    watch.stop().await;
}

struct Closed;

#[tonic::async_trait]
impl Feed for Closed {
    async fn read(&self, _: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        Err(Status::permission_denied("this feed is closed"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_refuses_us_is_waited_for_however_long_it_takes() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    source.fall_silent();
    source.harness.host.network.serve("orders", Routes::new(FeedServer::new(Closed)));
    let impatient = Patience { away: IMPATIENT, behind: IMPATIENT };
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), impatient)).await;
    watch.says("this feed is closed").await;
    // Another one's patience runs out meanwhile.
    let silent = Source::new().await;
    silent.fall_silent();
    let other = Watch::over(watched(&silent, &sink, wire.bus.clone(), impatient)).await;
    other.gets_ready().await;
    watch.says("this feed is closed").await;

    source.answer();
    watch.gets_ready().await;
    watch.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_the_migrations_it_needs_and_works_on_a_newer_schema() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let mut admin = sink.database.superuser().await;
    for statement in [
        "create table public.set_aside as select * from analytics._sqlx_migrations where version = 20261122000100",
        "delete from analytics._sqlx_migrations where version = 20261122000100",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), PATIENT)).await;
    watch.says("schema: 1 migrations are missing, 20261122000100 first").await;
    for statement in [
        "insert into analytics._sqlx_migrations select * from public.set_aside",
        "update public.set_aside set version = 99990101000000",
        "insert into analytics._sqlx_migrations select * from public.set_aside",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    watch.gets_ready().await;
    watch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_contracts_is_not_waited_for() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let sql = AssertSqlSafe("drop table applied".to_owned()).into_sql_str();
    let contract = Migration::new(99_990_101_000_000, "contract applied".into(), MigrationType::Simple, sql, false);
    let known = APPLIED.iter().cloned().chain([contract]).collect();
    let migrations: &'static Migrator = Box::leak(Box::new(Migrator::with_migrations(known)));
    let watched = Watched { migrations, ..watched(&source, &sink, wire.bus.clone(), PATIENT) };
    let watch = Watch::over(watched).await;
    watch.gets_ready().await;
    watch.stop().await;
}

/// A bus that nobody reaches.
#[derive(Debug)]
struct Unreachable {
    inner: Arc<dyn Bus>,
    refuses: bool,
}

#[async_trait::async_trait]
impl Bus for Unreachable {
    async fn reach(&self) -> Result<(), Error> {
        if self.refuses {
            Err(Error::failed_precondition("BUS_REFUSED", "the bus refuses us"))
        } else {
            Err(Error::unavailable("the bus is away"))
        }
    }

    async fn publish(&self, events: &[clientele_contracts::platform::v1::Event]) -> Result<(), Error> {
        self.inner.publish(events).await
    }

    async fn subscribe(&self, source: &str) -> Result<Subscription, Error> {
        self.inner.subscribe(source).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_away_is_not_waited_for_for_ever_but_one_that_refuses_is() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    let bus = |refuses| Arc::new(Unreachable { inner: wire.bus.clone(), refuses });
    let patient = Watch::over(watched(&source, &sink, bus(false), PATIENT)).await;
    patient.says("bus: the bus is away").await;
    let impatient = Patience { away: IMPATIENT, ..PATIENT };
    let refused = Watch::over(watched(&source, &sink, bus(true), impatient)).await;
    let starts = Watch::over(watched(&source, &sink, bus(false), impatient)).await;
    starts.gets_ready().await;
    refused.says("bus: the bus refuses us").await;
    for watch in [patient, refused, starts] {
        watch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_says_what_readiness_does() {
    let (source, sink, wire) = (Source::new().await, Sink::new().await, Wire::in_process().await);
    source.write(source.aggregates(1)[0], 1..=3).await;
    let watch = Watch::over(watched(&source, &sink, wire.bus.clone(), PATIENT)).await;
    let network = source.harness.host.network.clone();
    network.serve("analytics", grpc::infrastructure(Routes::default(), watch.readiness.health()).unwrap());
    let health = || async {
        let mut client = HealthClient::new(network.transport("analytics"));
        client.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
    };
    watch.says("3 events are to be applied first").await;
    assert_eq!(health().await, ServingStatus::NotServing);

    let replica = sink.follow(&source, wire.bus.clone());
    eventually("gRPC health being good", || async { (health().await == ServingStatus::Serving).then_some(()) }).await;
    replica.stop().await;
    watch.stop().await;
    assert_eq!(health().await, ServingStatus::NotServing);
}
