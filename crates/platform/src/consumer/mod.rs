//! Consumers: apply another context's events, each exactly once in effect.
//!
//! A consumer has a cursor for each partition. The replicas share the partitions among them by leases; the one that
//! holds a partition applies the event that follows the cursor and moves the cursor in the same transaction, fenced by
//! the lease's epoch. Events come over the bus; whenever one is missing, they are read from the feed.
//!
//! - [`lease`](self): who works on which partition
//! - [`worker`](self): one partition's events, in order
//! - [`group`](self): what several workers have at the same moment, in one transaction
//! - [`parked`]: events that cannot be applied

mod apply;
mod group;
mod operations;
pub mod parked;
mod partitions;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Error, Partition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::partitions::{Held, Partitions};
use self::worker::{Shared, Worker};
use crate::bus::{Bus, Delivery, Subscription};
use crate::feed::FeedReader;
use crate::postgres::{Database, UnitOfWork};
use crate::telemetry::Metrics;

/// What a service does with another context's events.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Applies events, each for the first time: of one partition or of several, one partition after the other, those of
    /// each contiguous and in order. Effects go through the unit of work alone, which commits together with the cursors; an
    /// error rolls all of it back. Types the handler does not know are passed over.
    ///
    /// An aggregate that got its customer late has events in two partitions, which may come in either order: a handler
    /// of such aggregates takes a higher `aggregate_version` only. Those two are never in one call.
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error>;

    /// Forgets whatever follows from events, for all of them are about to be applied once more: the journal they came from
    /// was restored from a backup to a moment before the last of them. The cursors stand where they stood, but never beyond
    /// the journal's present end, and go back to the beginning in the same unit of work.
    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error>;
}

/// One consumer of one context's events.
#[derive(Clone)]
pub struct Consumer {
    /// Its name, for instance `analytics.orders`; the cursor is kept under it.
    pub name: &'static str,
    /// The context whose events it follows.
    pub source: &'static str,
    /// What it does with them.
    pub handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).field("source", &self.source).finish_non_exhaustive()
    }
}

/// How often leases are renewed and shares evened out.
const TICK: Duration = Duration::from_secs(2);
/// Events waiting for a partition's worker; what does not fit is read from the feed.
const WAITING: usize = 512;

/// A consumer with what it runs on.
#[derive(Clone)]
pub struct Follower {
    /// Where cursor and effects are.
    pub db: Database,
    /// What brings events fast.
    pub bus: Arc<dyn Bus>,
    /// What brings every event.
    pub feed: FeedReader,
    /// What to do with them.
    pub consumer: Consumer,
    /// Where lag is told.
    pub metrics: Metrics,
}

/// Runs a consumer until stopped.
pub async fn run(follower: Follower, stop: CancellationToken) -> Result<(), Error> {
    let Follower { db, bus, consumer, .. } = &follower;
    let partitions = Partitions::new(db.clone(), consumer.name);
    let mut running: HashMap<Partition, Running> = HashMap::new();
    let mut deliveries = None;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (ended, mut ends) = mpsc::unbounded_channel();
    let mut registered = false;
    let forgetting = Arc::new(tokio::sync::Mutex::new(()));
    let (group, applying) = group::group(db.clone(), consumer.clone());
    let _applying = AbortOnDropHandle::new(tokio::spawn(applying));

    loop {
        if deliveries.is_none() {
            deliveries = subscribe(bus.as_ref(), consumer.source).await;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick() => {
                let held = async {
                    if !registered {
                        partitions.register().await?;
                        registered = true;
                    }
                    partitions.rebalance().await
                };
                match held.await {
                    Ok(held) => {
                        let spawn = |held: Held| {
                            let (sender, receiver) = mpsc::channel(WAITING);
                            let missed = Arc::new(AtomicBool::new(false));
                            let stop = stop.child_token();
                            let shared = Shared { group: group.clone(), forgetting: forgetting.clone() };
                            let worker = Worker::new(&follower, held, receiver, missed.clone(), shared, stop.clone());
                            let ended = ended.clone();
                            let task = tokio::spawn(async move {
                                worker.run().await;
                                let _ = ended.send((held.partition, held.epoch));
                            });
                            Running { epoch: held.epoch, sender, missed, stop, task }
                        };
                        settle(&mut running, held, spawn);
                        partitions.give_back(&stopped(&mut running).await).await;
                    }
                    Err(error) => {
                        follower.metrics.task_failed(db.context(), consumer.name);
                        tracing::warn!(consumer = consumer.name, %error, "leases could not be renewed; trying again");
                    }
                }
            }
            Some((partition, epoch)) = ends.recv() => {
                if running.get(&partition).is_some_and(|r| r.epoch == epoch) {
                    running.remove(&partition);
                    // The lease went with the worker's trouble: the next tick takes the partition up again, or finds
                    // another replica at it.
                    partitions.give_back(&[(partition, epoch)]).await;
                }
            }
            delivery = next(&mut deliveries) => match delivery {
                Some(Delivery::Event(event)) => route(&running, event),
                Some(Delivery::Gap) => {
                    for worker in running.values() {
                        worker.tell(Signal::Look);
                    }
                }
                None => deliveries = None,
            }
        }
    }

    let mut given_back = Vec::new();
    for (partition, worker) in running.drain() {
        worker.stop.cancel();
        let _ = worker.task.await;
        given_back.push((partition, worker.epoch));
    }
    partitions.give_back(&given_back).await;
    partitions.leave().await;
    Ok(())
}

struct Running {
    epoch: i64,
    sender: mpsc::Sender<Signal>,
    /// Something did not fit into the queue: the worker looks at the feed once it has emptied it.
    missed: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Tells the worker. One that does not keep up finds the event in the feed: never block the others.
    fn tell(&self, signal: Signal) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(signal) {
            self.missed.store(true, Ordering::Release);
        }
    }
}

/// What a worker is told.
enum Signal {
    /// An event from the bus.
    Event(Box<Event>),
    /// Something may have been missed: look at the feed.
    Look,
}

/// Starts workers for partitions newly held, stops those of partitions lost or to be given away.
fn settle(running: &mut HashMap<Partition, Running>, held: Vec<Held>, spawn: impl Fn(Held) -> Running) {
    for worker in
        running.iter().filter(|(p, r)| !held.iter().any(|h| h.partition == **p && h.epoch == r.epoch)).map(|(_, r)| r)
    {
        worker.stop.cancel();
    }
    for held in held {
        running.entry(held.partition).or_insert_with(|| spawn(held));
    }
}

/// Takes out the workers that were told to stop, once they have, with their epochs.
async fn stopped(running: &mut HashMap<Partition, Running>) -> Vec<(Partition, i64)> {
    let told: Vec<Partition> = running.iter().filter(|(_, r)| r.stop.is_cancelled()).map(|(p, _)| *p).collect();
    let mut out = Vec::new();
    for partition in told {
        if let Some(worker) = running.remove(&partition) {
            let _ = worker.task.await;
            out.push((partition, worker.epoch));
        }
    }
    out
}

fn route(running: &HashMap<Partition, Running>, event: Event) {
    let worker = crate::event::partition(&event).and_then(|partition| running.get(&partition));
    if let Some(worker) = worker {
        worker.tell(Signal::Event(Box::new(event)));
    }
}

async fn subscribe(bus: &dyn Bus, source: &str) -> Option<Subscription> {
    match bus.subscribe(source).await {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::warn!(source, %error, "the bus cannot be reached; events come from the feed meanwhile");
            None
        }
    }
}

async fn next(deliveries: &mut Option<Subscription>) -> Option<Delivery> {
    match deliveries {
        Some(subscription) => subscription.next().await,
        // Subscribing is tried again at the next turn of the loop, which the tick brings.
        None => std::future::pending().await,
    }
}
