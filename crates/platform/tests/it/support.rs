//! A context that writes events and one that applies them, with the means to break the way between them.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use clientele_contracts::orders::v1::ProductRecorded;
use clientele_contracts::orders::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_embedded::{NatsOptions, NatsServer, ensure_nats_server};
use clientele_kernel::Error;
use clientele_platform::bus::{Bus, Subscription};
use clientele_platform::config::{self, Common, Loader};
use clientele_platform::consumer::{self, Consumer, Follower, Handler};
use clientele_platform::feed::{self, FeedReader};
use clientele_platform::postgres::{Database, Entry, UnitOfWork};
use clientele_platform::telemetry::Metrics;
use clientele_platform::{Caller, Service, bus, grpc, relay};
use clientele_testkit::{Harness, TestDatabase, eventually_within};
use sqlx::migrate::Migrator;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) static NONE: Migrator = Migrator::DEFAULT;
pub(crate) static APPLIED: Migrator = sqlx::migrate!("tests/it/migrations");
/// Longer than any of these tests should take, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// What carries events in a test.
pub(crate) struct Wire {
    pub(crate) bus: Arc<dyn Bus>,
    nats: Option<(NatsServer, tempfile::TempDir)>,
}

impl Wire {
    pub(crate) async fn in_process() -> Self {
        Self { bus: bus::open(&bus_config(&[])).await.unwrap(), nats: None }
    }

    pub(crate) async fn jetstream() -> Self {
        clientele_platform::install_crypto();
        ensure_nats_server(&clientele_embedded::cache_dir()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let server = NatsServer::start(NatsOptions::new(folder.path())).await.unwrap();
        let bus = bus::open(&bus_config(&[("KIND", "jetstream"), ("URL", &server.url())])).await.unwrap();
        Self { bus, nats: Some((server, folder)) }
    }

    /// Kills the bus as a power cut would and throws away what it kept; nothing happens to a bus within the process,
    /// which ends with it.
    pub(crate) async fn lose_everything(&mut self) {
        if let Some((server, folder)) = self.nats.take() {
            let port = server.port();
            server.kill9().await;
            drop(folder);
            let folder = tempfile::tempdir().unwrap();
            let options = NatsOptions { port, ..NatsOptions::new(folder.path()) };
            let server = NatsServer::start(options).await.unwrap();
            self.nats = Some((server, folder));
        }
    }
}

pub(crate) fn bus_config(keys: &[(&str, &str)]) -> config::Bus {
    let environment = keys.iter().map(|(key, value)| (format!("CLIENTELE_BUS__{key}"), (*value).to_owned()));
    let common: Common =
        Loader::new().defaults(config::DEFAULT).environment(environment).read().unwrap().common().unwrap();
    common.bus
}

/// A context that writes events.
pub(crate) struct Source {
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
}

impl Source {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new("orders", &NONE).await;
        let harness = Harness::new(database.clock.clone());
        let source = Self { database, harness };
        source.answer();
        source
    }

    /// Serves the feed.
    pub(crate) fn answer(&self) {
        let routes = Routes::new(FeedServer::new(FeedApi(self.database.db.clone())));
        let service = Service { name: "orders", migrations: &NONE, routes, consumers: Vec::new(), tasks: Vec::new() };
        let verifier =
            grpc::Verifier::new(self.harness.host.network.transport("identity"), self.harness.host.clock.clone());
        let guard = grpc::Guard::new(verifier, LONG, 512, Metrics::unread());
        self.harness.host.network.serve(service.name, guard.protect(service.routes));
    }

    /// Serves nothing any more.
    pub(crate) fn fall_silent(&self) {
        self.harness.host.network.remove("orders");
    }

    /// Writes the next versions of an aggregate, one transaction each.
    pub(crate) async fn write(&self, aggregate: Uuid, versions: impl IntoIterator<Item = i64>) {
        for version in versions {
            write_one(&self.database.db, aggregate, version).await;
        }
    }

    /// New aggregates.
    pub(crate) fn aggregates(&self, count: usize) -> Vec<Uuid> {
        (0..count).map(|_| self.database.ids.next()).collect()
    }

    /// Starts the relay; aborting it is as sudden as a kill.
    pub(crate) fn relay(&self, bus: Arc<dyn Bus>) -> JoinHandle<()> {
        let db = self.database.replica();
        tokio::spawn(async move {
            relay::run(db, bus, Metrics::unread(), CancellationToken::new()).await.unwrap();
        })
    }
}

pub(crate) async fn write_one(db: &Database, aggregate: Uuid, version: i64) {
    let mut work = db.begin(&Caller::service("test")).await.unwrap();
    let event =
        ProductRecorded { product_id: aggregate.to_string(), name: format!("version {version}"), ..Default::default() };
    work.record(Entry::new("product", aggregate, version, &event).image(&event));
    work.commit().await.unwrap();
}

struct FeedApi(Database);

#[tonic::async_trait]
impl Feed for FeedApi {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        feed::read(&self.0, request.into_inner()).await.map(Response::new).map_err(grpc::status)
    }
}

/// What a handler does besides its work.
#[derive(Default)]
pub(crate) struct Mood {
    /// The aggregate it cannot take.
    pub(crate) poison: Mutex<Option<Uuid>>,
    /// Whether it panics at it rather than failing.
    pub(crate) panics: AtomicBool,
    /// How long it lingers between effect and commit, in milliseconds.
    pub(crate) lingers_ms: AtomicUsize,
    /// How many batches it has begun.
    pub(crate) begun: AtomicUsize,
    /// Whether it fails at forgetting.
    pub(crate) forgets_nothing: AtomicBool,
}

struct Recorder(Arc<Mood>);

#[async_trait]
impl Handler for Recorder {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        for event in events {
            let aggregate: Uuid = event.aggregate_id.parse().map_err(Error::internal)?;
            if *self.0.poison.lock().unwrap() == Some(aggregate) {
                assert!(!self.0.panics.load(Ordering::SeqCst), "this handler panics");
                return Err(Error::internal("this handler cannot take it"));
            }
            let id: Uuid = event.id.parse().map_err(Error::internal)?;
            sqlx::query("insert into applied (event_id, aggregate_id, aggregate_version) values ($1, $2, $3)")
                .bind(id)
                .bind(aggregate)
                .bind(event.aggregate_version)
                .execute(work.conn())
                .await
                .map_err(|e| Error::from(clientele_platform::postgres::Error::from(e)))?;
        }
        let lingers = self.0.lingers_ms.load(Ordering::SeqCst);
        if lingers > 0 {
            tokio::time::sleep(Duration::from_millis(lingers as u64)).await;
        }
        Ok(())
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        if self.0.forgets_nothing.load(Ordering::SeqCst) {
            return Err(Error::internal("this handler cannot forget"));
        }
        let cleared = sqlx::query("delete from applied").execute(work.conn()).await;
        cleared.map(drop).map_err(|e| clientele_platform::postgres::Error::from(e).into())
    }
}

/// A context that applies events.
pub(crate) struct Sink {
    pub(crate) database: TestDatabase,
    pub(crate) mood: Arc<Mood>,
}

/// A running replica of a consumer.
pub(crate) struct Replica {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Replica {
    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends it at whatever it is doing, as a kill would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        // Its workers are tasks of their own and end with the token; what they had begun is rolled back.
        self.stop.cancel();
    }
}

impl Sink {
    pub(crate) async fn new() -> Self {
        Self { database: TestDatabase::new("analytics", &APPLIED).await, mood: Arc::default() }
    }

    pub(crate) fn consumer(&self) -> Consumer {
        Consumer { name: "analytics.orders", source: "orders", handler: Arc::new(Recorder(self.mood.clone())) }
    }

    /// Starts a replica that follows the source.
    pub(crate) fn follow(&self, source: &Source, bus: Arc<dyn Bus>) -> Replica {
        self.follow_measured(source, bus, Metrics::unread())
    }

    /// The same, with instruments that are read.
    pub(crate) fn follow_measured(&self, source: &Source, bus: Arc<dyn Bus>, metrics: Metrics) -> Replica {
        let deps = source.harness.deps(&self.database);
        let follower = Follower {
            db: self.database.replica(),
            bus,
            feed: FeedReader::new(&deps.clients, "orders").unwrap(),
            consumer: self.consumer(),
            metrics,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { consumer::run(follower, stop).await.unwrap() }
        });
        Replica { task, stop }
    }

    /// What was applied: versions of each aggregate in the order of application.
    pub(crate) async fn applied(&self) -> HashMap<Uuid, Vec<i64>> {
        let rows: Vec<(Uuid, i64)> =
            sqlx::query_as("select aggregate_id, aggregate_version from applied order by place")
                .fetch_all(self.database.db.pool())
                .await
                .unwrap();
        rows.into_iter().fold(HashMap::new(), |mut all, (aggregate, version)| {
            all.entry(aggregate).or_insert_with(Vec::new).push(version);
            all
        })
    }

    /// The partitions that are followed no further.
    pub(crate) async fn halted(&self) -> BTreeSet<i16> {
        let halted = sqlx::query_scalar("select partition from cursor where halted_at is not null")
            .fetch_all(self.database.db.pool())
            .await;
        halted.unwrap().into_iter().collect()
    }

    pub(crate) async fn count(&self) -> i64 {
        sqlx::query_scalar("select count(*) from applied").fetch_one(self.database.db.pool()).await.unwrap()
    }

    /// Waits until so many events are applied, then checks that each aggregate's are all there, once, in order.
    pub(crate) async fn settles(&self, aggregates: &[Uuid], versions: i64) {
        let expected = i64::try_from(aggregates.len()).unwrap() * versions;
        eventually_within(LONG, "all events being applied", || async {
            (self.count().await >= expected).then_some(())
        })
        .await;
        let applied = self.applied().await;
        for aggregate in aggregates {
            assert_eq!(applied[aggregate], (1..=versions).collect::<Vec<_>>(), "versions of {aggregate}");
        }
        assert_eq!(self.count().await, expected, "something was applied twice");
    }

    /// Lets all leases end, as time would after a kill.
    pub(crate) fn leases_end(&self) {
        self.database.clock.advance(chrono::TimeDelta::seconds(11));
    }
}

/// A bus on which something goes wrong.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Bus>,
    /// Swallows every so many-th batch after it has come to publish it: nobody gets it, and the relay believes it is out.
    pub(crate) lose_every: usize,
    /// Fails every so many-th batch after it was published, so that it is published again.
    pub(crate) repeat_every: usize,
    pub(crate) batches: AtomicUsize,
}

#[async_trait]
impl Bus for Faulty {
    async fn prepare(&self, context: &str) -> Result<(), Error> {
        self.inner.prepare(context).await
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let batch = self.batches.fetch_add(1, Ordering::SeqCst) + 1;
        if self.lose_every > 0 && batch.is_multiple_of(self.lose_every) {
            return Ok(());
        }
        self.inner.publish(events).await?;
        if self.repeat_every > 0 && batch.is_multiple_of(self.repeat_every) {
            return Err(Error::unavailable("the acknowledgement was lost"));
        }
        Ok(())
    }

    async fn subscribe(&self, source: &str) -> Result<Subscription, Error> {
        self.inner.subscribe(source).await
    }
}
