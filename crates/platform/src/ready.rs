//! Whether a service is ready for requests: migrated, connected, and once caught up with what it follows.
//!
//! A service becomes ready once its schema has every migration that it needs (further ones, of a newer version, do no
//! harm), the bus has answered, and its consumers have applied what their sources had written when it began. From then on
//! only its database counts: neither load nor the trouble of others takes a replica away from its callers. It is asked
//! over a connection of its own, for those of requests may all be taken.
//!
//! Nothing is waited for without end. A bus or a source that is away holds a start up for [`Patience::away`], else
//! services that follow each other would never start; a backlog for [`Patience::behind`], since answers that are behind say
//! so and are better than none. What is wrong for good, a missing migration or a refusal, is waited for until it is mended:
//! so a rollout stops at its first replica.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_kernel::{Error, Partition};
use futures::future::join_all;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::bus::Bus;
use crate::feed::FeedReader;
use crate::postgres::{self, Database, Error as StorageError};

/// How long the database may take to answer a probe.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often a step that is waited for is looked at again.
const LOOK: Duration = Duration::from_millis(250);
/// How often gRPC health is brought up to date.
const REFRESH: Duration = Duration::from_secs(2);

/// How long a start waits for what may not come.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a bus or a source that does not answer.
    pub away: Duration,
    /// For events to be applied.
    pub behind: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { away: Duration::from_secs(10), behind: Duration::from_mins(5) }
    }
}

/// A consumer as its readiness sees it.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Its name, under which its cursors are kept.
    pub name: &'static str,
    /// The feed it follows.
    pub feed: FeedReader,
}

/// What a service waits for before it is ready.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Its schema.
    pub db: Database,
    /// The migrations it knows of its own tables.
    pub migrations: &'static Migrator,
    /// What carries its events.
    pub bus: Arc<dyn Bus>,
    /// What it follows.
    pub consumers: Vec<Followed>,
    /// How long it waits for what may not come.
    pub patience: Patience,
}

/// The readiness of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    db: Database,
    /// One connection to the same database that no request takes.
    probe: PgPool,
    /// What is still waited for, and how it stands; empty from the moment it is ready for the first time.
    awaited: Arc<Mutex<BTreeMap<&'static str, String>>>,
    health: HealthReporter,
    stop: CancellationToken,
}

const SCHEMA: &str = "schema";
const BUS: &str = "bus";

impl Readiness {
    /// The readiness of a service that begins now. It is found out by [`Readiness::follow`].
    pub async fn new(watched: &Watched, stop: CancellationToken) -> Self {
        let consumers = watched.consumers.iter().map(|consumer| consumer.name);
        let awaited = [SCHEMA, BUS].into_iter().chain(consumers).map(|name| (name, "not looked at yet".to_owned()));
        let health = HealthReporter::new();
        health.set_service_status("", ServingStatus::NotServing).await;
        let probe = probe(watched.db.pool());
        Self { db: watched.db.clone(), probe, awaited: Arc::new(Mutex::new(awaited.collect())), health, stop }
    }

    /// What gRPC health says: `SERVING` while ready.
    pub fn health(&self) -> HealthReporter {
        self.health.clone()
    }

    /// Whether the service is ready now; if it is not, why.
    pub async fn check(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("stopping".to_owned());
        }
        let awaited = self.awaited(|awaited| {
            awaited.iter().map(|(name, state)| format!("{name}: {state}")).collect::<Vec<_>>().join("; ")
        });
        if !awaited.is_empty() {
            return Err(awaited);
        }
        let asked = sqlx::query("select 1 from journal_head where partition = 0").fetch_one(&self.probe);
        match tokio::time::timeout(DEADLINE, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err("the database does not answer".to_owned()),
            Err(_) => Err("the database does not answer in time".to_owned()),
        }
    }

    /// Finds out when the service is ready, and keeps gRPC health up to date, until stopped.
    pub async fn follow(self, watched: Watched) -> Result<(), Error> {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wait_then_refresh(&watched) => {}
        }
        // Whoever asks while running requests end learns to go elsewhere.
        self.health.set_service_status("", ServingStatus::NotServing).await;
        Ok(())
    }

    async fn wait_then_refresh(&self, watched: &Watched) {
        let begun = Instant::now();
        self.schema(watched).await;
        let consumers = watched.consumers.iter().map(|consumer| self.caught_up(watched, consumer, begun));
        tokio::join!(self.bus(watched), join_all(consumers));
        tracing::info!(service = self.db.context(), "ready for requests");
        loop {
            let status = match self.check().await {
                Ok(()) => ServingStatus::Serving,
                Err(_) => ServingStatus::NotServing,
            };
            self.health.set_service_status("", status).await;
            tokio::time::sleep(REFRESH).await;
        }
    }

    async fn schema(&self, watched: &Watched) {
        loop {
            match postgres::missing_migrations(&self.db, watched.migrations).await {
                Ok(missing) if missing.is_empty() => return self.done(SCHEMA),
                Ok(missing) => {
                    let first = missing.first().copied().unwrap_or_default();
                    self.note(
                        SCHEMA,
                        format!("{} migrations are missing, {first} first: run `clientele migrate`", missing.len()),
                    );
                }
                Err(_) => self.note(SCHEMA, "the database does not answer, or was never migrated".to_owned()),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn bus(&self, watched: &Watched) {
        let until = Instant::now() + watched.patience.away;
        loop {
            match tokio::time::timeout(watched.patience.away, watched.bus.reach()).await {
                Ok(Ok(())) => return self.done(BUS),
                Ok(Err(error)) => {
                    self.note(BUS, error.message.clone());
                    if !error.is_transient() {
                        tokio::time::sleep(LOOK).await;
                        continue;
                    }
                }
                Err(_) => self.note(BUS, "it does not answer".to_owned()),
            }
            if Instant::now() >= until {
                tracing::warn!(service = self.db.context(), "the bus is away: events go by the feeds until it is back");
                return self.done(BUS);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the events that the source had when it first answered are applied, by whichever replica. Those that come
    /// meanwhile do not count, nor those that are parked: their cursors have gone past them.
    async fn caught_up(&self, watched: &Watched, consumer: &Followed, begun: Instant) {
        let Some(goals) = self.heads(consumer, watched.patience.away).await else { return self.done(consumer.name) };
        loop {
            match behind(&self.db, consumer.name, &goals).await {
                Ok(0) => return self.done(consumer.name),
                Ok(events) => self.note(consumer.name, format!("{events} events are to be applied first")),
                Err(_) => self.note(consumer.name, "the database does not answer".to_owned()),
            }
            if begun.elapsed() >= watched.patience.behind {
                tracing::warn!(consumer = consumer.name, "serving although what it follows is not applied yet");
                return self.done(consumer.name);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The last position of each partition of a source; none where the source is away for too long.
    async fn heads(&self, consumer: &Followed, away: Duration) -> Option<BTreeMap<i16, i64>> {
        let until = Instant::now() + away;
        loop {
            let wrong = match tokio::time::timeout(away, heads(&consumer.feed)).await {
                Ok(Ok(heads)) => return Some(heads),
                Ok(Err(error)) => {
                    self.note(consumer.name, format!("the feed it follows cannot be read: {}", error.message));
                    !error.is_transient()
                }
                Err(_) => false,
            };
            if !wrong && Instant::now() >= until {
                tracing::warn!(consumer = consumer.name, "what it follows is away: serving without having caught up");
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn note(&self, name: &'static str, state: String) {
        self.awaited(|awaited| awaited.insert(name, state));
    }

    fn done(&self, name: &'static str) {
        self.awaited(|awaited| awaited.remove(name));
    }

    fn awaited<T>(&self, work: impl FnOnce(&mut BTreeMap<&'static str, String>) -> T) -> T {
        work(&mut self.awaited.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A pool like this one, of a single connection, made when it is first used.
fn probe(pool: &PgPool) -> PgPool {
    let options = pool.options().clone().min_connections(0).max_connections(1).acquire_timeout(DEADLINE);
    options.connect_lazy_with((*pool.connect_options()).clone())
}

async fn heads(feed: &FeedReader) -> Result<BTreeMap<i16, i64>, Error> {
    let read = Partition::all().map(|partition| async move {
        let page = feed.read(partition, 0, None, 1).await?;
        Ok((partition.number(), page.head))
    });
    join_all(read).await.into_iter().collect()
}

async fn behind(db: &Database, consumer: &str, goals: &BTreeMap<i16, i64>) -> Result<i64, StorageError> {
    let cursors: Vec<(i16, i64)> = sqlx::query_as("select partition, position from cursor where consumer = $1")
        .bind(consumer)
        .fetch_all(db.pool())
        .await?;
    let applied: BTreeMap<i16, i64> = cursors.into_iter().collect();
    Ok(goals.iter().map(|(partition, goal)| (goal - applied.get(partition).unwrap_or(&0)).max(0)).sum())
}
