//! The newest changes of all contexts, and what fills them in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_kernel::{Entropy, Error};
use clientele_platform::bus::{Bus, Delivery, Subscription};
use futures::future::try_join_all;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::change::{Change, SOURCES};

/// Gaps of a context closer together than this are told as one: with the bus away there is one every few seconds, and each
/// has every open screen read again.
const GAP_INTERVAL: Duration = Duration::from_secs(5);

/// The newest changes, numbered from 1 in the order they arrived in this process.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Tells the numbers of this process from those of others.
    epoch: String,
    capacity: usize,
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    newest: u64,
}

/// An entry of the ring.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// A record has changed.
    Change(Arc<Change>),
    /// Changes of this context may have been missed.
    Gap(&'static str),
}

impl Hub {
    /// A hub that keeps so many changes.
    pub(crate) fn new(capacity: usize, entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        Self { epoch: hex::encode(bytes), capacity, ring: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Follows the bus until stopped.
    pub(crate) async fn fill(&self, bus: Arc<dyn Bus>, stop: CancellationToken) -> Result<(), Error> {
        let followers = SOURCES.map(|source| {
            let bus = bus.clone();
            async move { self.follow(source, bus.subscribe(source).await?).await }
        });
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = try_join_all(followers) => ended.map(|_| ()),
        }
    }

    async fn follow(&self, source: &'static str, mut subscription: Subscription) -> Result<(), Error> {
        let mut told: Option<Instant> = None;
        let mut owed = false;
        loop {
            let soonest = told.map_or_else(Instant::now, |told| told + GAP_INTERVAL);
            let delivery = tokio::select! {
                delivery = subscription.next() => delivery,
                () = tokio::time::sleep_until(soonest), if owed => Some(Delivery::Gap),
            };
            match delivery {
                Some(Delivery::Gap) => {
                    owed = Instant::now() < soonest;
                    if !owed {
                        told = Some(Instant::now());
                        self.push(Entry::Gap(source));
                    }
                }
                Some(Delivery::Event(event)) => {
                    // Events flow again: what is owed is told before they are.
                    if std::mem::take(&mut owed) {
                        told = Some(Instant::now());
                        self.push(Entry::Gap(source));
                    }
                    if let Some(change) = Change::of(&event) {
                        self.push(Entry::Change(Arc::new(change)));
                    }
                }
                None => return Err(Error::unavailable(format!("the bus delivers nothing of {source} any more"))),
            }
        }
    }

    pub(super) fn push(&self, entry: Entry) {
        let newest = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.entries.len() == self.capacity {
                ring.entries.pop_front();
            }
            ring.entries.push_back(entry);
            ring.newest += 1;
            ring.newest
        };
        self.newest.send_replace(newest);
    }

    /// Number of the newest entry, and its changes.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The entries after a number, with theirs; `None` where some of them are gone.
    pub(super) fn after(&self, seen: u64) -> Option<Vec<(u64, Entry)>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.newest - ring.entries.len() as u64 + 1;
        if seen + 1 < first || seen > ring.newest {
            return None;
        }
        let skip = usize::try_from(seen + 1 - first).unwrap_or(usize::MAX);
        Some((seen + 1..).zip(ring.entries.iter().skip(skip).cloned()).collect())
    }

    /// A number as an event's id.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.epoch)
    }

    /// The number in an id; `None` for one of another process.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let number = id.strip_prefix(&self.epoch)?.strip_prefix('-')?.parse().ok()?;
        (number <= *self.newest.borrow()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use clientele_kernel::SystemEntropy;

    #[test]
    fn what_is_still_there_can_be_told_and_what_is_gone_cannot() {
        let hub = Hub::new(3, &SystemEntropy);
        assert!(hub.after(0).unwrap().is_empty());
        for _ in 0..5 {
            hub.push(Entry::Gap("orders"));
        }
        assert!(hub.after(1).is_none(), "2 is gone");
        let numbers = |seen| hub.after(seen).unwrap().into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!((numbers(2), numbers(4), numbers(5)), (vec![3, 4, 5], vec![5], vec![]));
        assert!(hub.after(6).is_none(), "6 has not been");
    }

    #[test]
    fn an_id_of_another_process_says_nothing() {
        let (one, other) = (Hub::new(3, &SystemEntropy), Hub::new(3, &SystemEntropy));
        one.push(Entry::Gap("orders"));
        assert_eq!(one.number(&one.id(1)), Some(1));
        assert_eq!(one.number(&one.id(2)), None, "it has not been");
        for id in [other.id(0).as_str(), "", "-1", &one.epoch, &format!("{}-x", one.epoch)] {
            assert_eq!(one.number(id), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn any_last_event_id_is_one_that_was_given_or_says_nothing(text in "\\PC{0,40}", number in "[-+ 0-9]{0,22}") {
            let hub = Hub::new(3, &SystemEntropy);
            hub.push(Entry::Gap("orders"));
            prop_assert_eq!(hub.number(&text), None);
            if let Some(known) = hub.number(&format!("{}-{number}", hub.epoch)) {
                prop_assert!(known <= 1);
            }
        }
    }
}
