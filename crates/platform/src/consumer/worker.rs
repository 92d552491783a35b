//! One partition's events, in order: from the bus as they come, from the feed whenever one is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Partition;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::apply::{self, Batch, Failure, Place};
use super::group::Group;
use super::partitions::Held;
use super::{Consumer, Follower, Signal};
use crate::backoff::Backoff;
use crate::feed::{self, FeedReader};
use crate::postgres::Database;
use crate::telemetry::Metrics;

const BATCH: u32 = 200;
/// Without news from the bus the feed is looked at after so long: the bus may lose the last event of all. A look that finds
/// nothing doubles it, up to the longest; each consumer has 32 partitions to look at, and a bus that has lost nothing so
/// far is believed.
const FIRST_LOOK: Duration = Duration::from_secs(15);
const LONGEST_LOOK: Duration = Duration::from_mins(1);
const SHORTEST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// An event the handler cannot take is tried this often before it is parked.
const ATTEMPTS: i32 = 5;

pub(super) struct Worker {
    db: Database,
    feed: FeedReader,
    consumer: Consumer,
    place: Place,
    /// Nothing is applied before the source tells what became of its journal.
    halted: bool,
    signals: mpsc::Receiver<Signal>,
    missed: Arc<AtomicBool>,
    shared: Shared,
    /// How long it may be quiet before the feed is looked at.
    look: Duration,
    metrics: Metrics,
    stop: CancellationToken,
}

/// What the workers of a consumer have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) group: Group,
    /// Held by the one worker of the consumer that forgets: all notice a restore at once, and those who wait take no connection.
    pub(super) forgetting: Arc<Mutex<()>>,
}

impl Worker {
    pub(super) fn new(
        follower: &Follower,
        held: Held,
        signals: mpsc::Receiver<Signal>,
        missed: Arc<AtomicBool>,
        shared: Shared,
        stop: CancellationToken,
    ) -> Self {
        let Follower { db, feed, consumer, metrics, .. } = follower.clone();
        let Held { partition, epoch, position, incarnation, halted } = held;
        let place = Place { partition, epoch, position, incarnation };
        Self { db, feed, consumer, place, halted, signals, missed, shared, look: FIRST_LOOK, metrics, stop }
    }

    /// Works until stopped, or until another replica has taken the partition over.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            // A batch under way is rolled back, or applied yet where it was handed to the group; whoever comes next begins
            // where the cursor stands.
            () = stop.cancelled() => {}
            lost = self.follow() => {
                let Lost = lost;
                self.metrics.lease_lost(self.db.context(), self.consumer.name, 1);
                tracing::info!(consumer = self.consumer.name, partition = self.place.partition.number(), "the partition has moved to another replica");
            }
        }
    }

    async fn follow(&mut self) -> Lost {
        loop {
            let caught_up = if self.halted { self.await_word().await } else { self.catch_up().await };
            if let Err(lost) = caught_up {
                return lost;
            }
            if let Err(lost) = self.listen().await {
                return lost;
            }
        }
    }

    /// Reads the feed until it has nothing more.
    async fn catch_up(&mut self) -> Result<(), Lost> {
        let mut backoff = backoff();
        loop {
            let Place { partition, position, incarnation, .. } = self.place;
            match self.feed.read(partition, position, incarnation, BATCH).await {
                // Positions never go back but by a restore of which the journal was not told.
                Ok(page) if page.head < position => {
                    // What the source is now known by is no word of a restore later on.
                    self.adopt(&page.incarnation);
                    tracing::error!(
                        consumer = self.consumer.name,
                        partition = partition.number(),
                        position,
                        head = page.head,
                        "the journal that is followed ends before what was applied of it, which is followed no further: \
                         if it was restored, run `clientele restored`"
                    );
                    self.halt().await?;
                    return self.await_word().await;
                }
                Err(error) if feed::was_restored(&error) => return self.restored().await,
                Ok(page) if page.events.is_empty() => {
                    self.adopt(&page.incarnation);
                    return Ok(());
                }
                Ok(page) => {
                    self.adopt(&page.incarnation);
                    backoff.reset();
                    self.look = FIRST_LOOK;
                    self.apply(page.events).await?;
                }
                Err(error) => {
                    tracing::debug!(consumer = self.consumer.name, %error, "the feed cannot be read; trying again");
                    backoff.pause().await;
                }
            }
        }
    }

    /// Follows the source's present incarnation from here on: up to here it has its events in common with the one before.
    /// The cursor learns of it with the next event. A source of a release that knows no incarnations names none: what is
    /// known stays known.
    fn adopt(&mut self, incarnation: &str) {
        let told = feed::incarnation(incarnation).ok().flatten();
        self.place.incarnation = told.or(self.place.incarnation);
    }

    /// Follows the partition no further, whichever replica has it: what was built may be right and the journal wrong, and
    /// soon other events may stand at the positions that were applied.
    async fn halt(&mut self) -> Result<(), Lost> {
        let mut backoff = backoff();
        loop {
            match apply::halt(&self.db, &self.consumer, self.place).await {
                Ok(()) => {
                    self.halted = true;
                    return Ok(());
                }
                Err(Failure::Lost) => return Err(Lost),
                Err(Failure::Transient(error) | Failure::Poison(error)) => {
                    tracing::debug!(consumer = self.consumer.name, %error, "a halt could not be noted; trying again");
                    backoff.pause().await;
                }
            }
        }
    }

    /// Waits until the source has begun a new incarnation: then what was built of its journal is to be built anew, even where
    /// the journal has grown beyond the position meanwhile.
    async fn await_word(&mut self) -> Result<(), Lost> {
        let mut backoff = backoff();
        loop {
            backoff.pause().await;
            let Place { partition, position, incarnation, .. } = self.place;
            match self.feed.read(partition, position, incarnation, 1).await {
                Ok(page) => {
                    let told = feed::incarnation(&page.incarnation).ok().flatten();
                    if told.is_some() && told != incarnation {
                        return self.restored().await;
                    }
                }
                Err(error) if feed::was_restored(&error) => return self.restored().await,
                Err(error) => {
                    tracing::debug!(consumer = self.consumer.name, %error, "the feed cannot be read; trying again");
                }
            }
        }
    }

    async fn restored(&mut self) -> Result<(), Lost> {
        tracing::warn!(
            consumer = self.consumer.name,
            partition = self.place.partition.number(),
            position = self.place.position,
            "the journal that is followed was restored from a backup to a moment before what was applied of it"
        );
        self.begin_anew().await
    }

    /// Forgets what was built of events that are no longer so. The partition is then taken up anew, as all others are.
    async fn begin_anew(&mut self) -> Result<(), Lost> {
        let forgetting = self.shared.forgetting.clone();
        let _forgetting = forgetting.lock().await;
        let mut backoff = backoff();
        let mut failing = None;
        loop {
            let begun = self.forget().await;
            match begun {
                Ok(()) => {
                    tracing::warn!(
                        consumer = self.consumer.name,
                        "what was built of the journal is built again from its first event"
                    );
                    return Err(Lost);
                }
                Err(Failure::Lost) => return Err(Lost),
                Err(Failure::Transient(error) | Failure::Poison(error)) => {
                    self.metrics.task_failed(self.db.context(), self.consumer.name);
                    failing.get_or_insert_with(|| Unforgotten::new(&self.metrics, &self.consumer));
                    tracing::warn!(consumer = self.consumer.name, %error, "what was built could not be forgotten; trying again");
                    backoff.pause().await;
                }
            }
        }
    }

    async fn forget(&self) -> Result<(), Failure> {
        // Another worker may have done it meanwhile.
        apply::still_held(&self.db, &self.consumer, self.place).await?;
        let heads = self.heads().await.map_err(Failure::Transient)?;
        apply::begin_anew(&self.db, &self.consumer, self.place, &heads).await
    }

    /// Where the partitions of the source end.
    async fn heads(&self) -> Result<Vec<(Partition, i64)>, clientele_kernel::Error> {
        let mut heads = Vec::new();
        for partition in Partition::all() {
            heads.push((partition, self.feed.read(partition, 0, None, 1).await?.head));
        }
        Ok(heads)
    }

    /// Applies what the bus brings; returns when the feed is to be looked at.
    async fn listen(&mut self) -> Result<(), Lost> {
        loop {
            // The queue ran over. Nothing more may come that would show the gap, so it is not waited for.
            if self.signals.is_empty() && self.missed.swap(false, Ordering::AcqRel) {
                return Ok(());
            }
            let signal = match tokio::time::timeout(self.look, self.signals.recv()).await {
                Ok(Some(signal)) => signal,
                // The channel is closed by the one who stops this worker.
                Ok(None) => std::future::pending().await,
                Err(_quiet) => {
                    // Back to the first as soon as a look finds something.
                    self.look = (self.look * 2).min(LONGEST_LOOK);
                    return Ok(());
                }
            };
            let mut batch = Vec::new();
            let mut look = self.take(signal, &mut batch);
            while !look && batch.len() < BATCH as usize {
                match self.signals.try_recv() {
                    Ok(signal) => look = self.take(signal, &mut batch),
                    Err(_) => break,
                }
            }
            if !batch.is_empty() {
                // What moves again is looked at soon again.
                self.look = FIRST_LOOK;
                self.apply_together(batch).await?;
            }
            if look {
                return Ok(());
            }
        }
    }

    /// Adds an event that follows; passes over one already applied. True when something is missing.
    fn take(&self, signal: Signal, batch: &mut Vec<Event>) -> bool {
        match signal {
            Signal::Look => true,
            // From a journal before its restore, or from the restored one before its feed was looked at.
            Signal::Event(event) if feed::incarnation(&event.incarnation) != Ok(self.place.incarnation) => true,
            Signal::Event(event) => {
                let next = batch.last().map_or(self.place.position, |last| last.position) + 1;
                let missing = event.position > next;
                if event.position == next {
                    batch.push(*event);
                }
                missing
            }
        }
    }

    /// Applies events that follow the cursor together with what other partitions have at the moment.
    async fn apply_together(&mut self, events: Vec<Event>) -> Result<(), Lost> {
        let events: Arc<[Event]> = events.into();
        let tried = {
            let _at_work = AtWork::new(&self.metrics, self.consumer.name, self.place, crate::event::oldest(&events));
            self.shared.group.apply(self.place, events.clone()).await
        };
        match tried {
            Some(Ok(())) => {
                self.applied(&events);
                Ok(())
            }
            Some(Err(Failure::Lost)) => Err(Lost),
            // What stood in the way is seen again, and dealt with.
            Some(Err(_)) | None => self.apply(events.to_vec()).await,
        }
    }

    /// Applies events that follow the cursor, whatever it takes: a transient failure is tried again until it passes, an
    /// event the handler cannot take is parked.
    async fn apply(&mut self, events: Vec<Event>) -> Result<(), Lost> {
        match self.persist(&events).await? {
            Ok(()) => Ok(()),
            Err(_) if events.len() > 1 => {
                // One of them is at fault: one by one shows which.
                for event in events {
                    Box::pin(self.apply_one(event)).await?;
                }
                Ok(())
            }
            Err(error) => self.retry_then_park(&events[0], error).await,
        }
    }

    async fn apply_one(&mut self, event: Event) -> Result<(), Lost> {
        match self.persist(std::slice::from_ref(&event)).await? {
            Ok(()) => Ok(()),
            Err(error) => self.retry_then_park(&event, error).await,
        }
    }

    async fn retry_then_park(&mut self, event: &Event, first: clientele_kernel::Error) -> Result<(), Lost> {
        let mut error = first;
        let mut delays = backoff();
        for _ in 1..ATTEMPTS {
            delays.pause().await;
            match self.persist(std::slice::from_ref(event)).await? {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        tracing::error!(
            consumer = self.consumer.name,
            event = event.id,
            kind = crate::event::type_name(event),
            reason = apply::reason(&error),
            "an event cannot be applied and is parked; later events of its aggregate wait"
        );
        let mut backoff = backoff();
        loop {
            match apply::park(&self.db, &self.consumer, self.place, event, &error, ATTEMPTS).await {
                Ok(position) => {
                    self.place.position = position;
                    return Ok(());
                }
                Err(Failure::Lost) => return Err(Lost),
                Err(Failure::Transient(error) | Failure::Poison(error)) => {
                    tracing::warn!(consumer = self.consumer.name, %error, "an event could not be parked; trying again");
                    backoff.pause().await;
                }
            }
        }
    }

    /// Goes on behind these events.
    fn applied(&mut self, events: &[Event]) {
        self.place.position = events.last().map_or(self.place.position, |last| last.position);
        let delay = crate::event::oldest(events).and_then(|moment| (self.db.clock().now() - moment).to_std().ok());
        self.metrics.applied(self.consumer.name, self.consumer.source, events.len() as u64, delay);
    }

    /// Tries until it is applied or found to be poison.
    async fn persist(&mut self, events: &[Event]) -> Result<Result<(), clientele_kernel::Error>, Lost> {
        let recorded_at = crate::event::oldest(events);
        let _at_work = AtWork::new(&self.metrics, self.consumer.name, self.place, recorded_at);
        let mut backoff = backoff();
        loop {
            match apply::apply(&self.db, &self.consumer, &[Batch { place: self.place, events }]).await {
                Ok(()) => {
                    self.applied(events);
                    return Ok(Ok(()));
                }
                Err(Failure::Lost) => return Err(Lost),
                Err(Failure::Poison(error)) => return Ok(Err(error)),
                Err(Failure::Transient(error)) => {
                    self.metrics.retried(self.consumer.name, self.consumer.source);
                    tracing::warn!(consumer = self.consumer.name, %error, "events could not be applied; trying again");
                    backoff.pause().await;
                }
            }
        }
    }
}

fn backoff() -> Backoff {
    Backoff::new(SHORTEST_RETRY, LONGEST_RETRY)
}

/// Another replica works on the partition now.
struct Lost;

/// Shows that what was built cannot be forgotten, until dropped.
struct Unforgotten {
    metrics: Metrics,
    consumer: Consumer,
}

impl Unforgotten {
    fn new(metrics: &Metrics, consumer: &Consumer) -> Self {
        metrics.unforgotten(consumer.name, consumer.source, Partition::all().count());
        Self { metrics: metrics.clone(), consumer: consumer.clone() }
    }
}

impl Drop for Unforgotten {
    fn drop(&mut self) {
        self.metrics.unforgotten(self.consumer.name, self.consumer.source, 0);
    }
}

/// Shows since when the events are recorded that are being worked on, until dropped.
struct AtWork {
    metrics: Metrics,
    consumer: &'static str,
    partition: i16,
}

impl AtWork {
    fn new(metrics: &Metrics, consumer: &'static str, place: Place, since: Option<DateTime<Utc>>) -> Self {
        let partition = place.partition.number();
        metrics.works_on(consumer, partition, since);
        Self { metrics: metrics.clone(), consumer, partition }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.metrics.works_on(self.consumer, self.partition, None);
    }
}
