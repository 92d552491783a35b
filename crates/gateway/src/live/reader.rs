//! What one reader is told: their topics, their rights, and not too often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::gateway::v1::live_message::Message;
use clientele_contracts::gateway::v1::{LiveChange, LiveMessage, LiveReset};
use tokio::time::Instant;

use super::change::{Change, Kind};
use super::hub::Entry;
use super::topic::Topic;

/// A topic about any record of a kind is told of at most twice a second.
const PAUSE: Duration = Duration::from_millis(500);
/// A reader is told to read everything again at most this often: what misses changes is mostly the bus, and then each
/// context has a gap of its own.
const RESET_PAUSE: Duration = Duration::from_secs(5);

/// What a reader follows, and how far they have come.
#[derive(Debug)]
pub(super) struct Reader {
    topics: Vec<Topic>,
    /// Number of the last entry that has been looked at.
    seen: u64,
    /// What is to be told, by kind.
    owed: BTreeMap<Kind, Owed>,
    /// When a kind was last told of.
    told: BTreeMap<Kind, Instant>,
    /// Number of the first entry since the last reset that may stand for missed changes: a reset is owed.
    missed: Option<u64>,
    /// When they were last told to read everything again.
    reset_told: Option<Instant>,
}

#[derive(Debug)]
struct Owed {
    /// Number of the first change.
    first: u64,
    /// The change, as long as it is the only one.
    only: Option<Arc<Change>>,
}

impl Reader {
    /// A reader who has seen everything up to a number.
    pub(super) fn new(topics: Vec<Topic>, seen: u64) -> Self {
        Self { topics, seen, owed: BTreeMap::new(), told: BTreeMap::new(), missed: None, reset_told: None }
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The number up to which everything has been told. It stays before what is owed, so that a stream which is resumed
    /// there lacks nothing.
    pub(super) fn told_up_to(&self) -> u64 {
        self.owed.values().map(|owed| owed.first).chain(self.missed).min().map_or(self.seen, |first| first - 1)
    }

    /// Has the reader read everything again, which leaves nothing owed.
    pub(super) fn reset(&mut self, now: Instant) -> LiveMessage {
        self.owed.clear();
        self.missed = None;
        self.reset_told = Some(now);
        LiveMessage { message: Some(Message::Reset(LiveReset {})) }
    }

    /// Goes on after a number, because entries before it are gone.
    pub(super) fn skip_to(&mut self, seen: u64) {
        self.missed.get_or_insert(self.seen + 1);
        self.seen = seen;
    }

    /// Looks at further entries: what is to be told of them at once.
    pub(super) fn look(
        &mut self,
        entries: Vec<(u64, Entry)>,
        now: Instant,
        may: impl Fn(&Change) -> bool,
    ) -> Vec<LiveMessage> {
        let mut messages = Vec::new();
        for (number, entry) in entries {
            self.seen = number;
            match entry {
                Entry::Gap(context) => {
                    if self.topics.iter().any(|topic| topic.depends_on(context)) {
                        self.missed.get_or_insert(number);
                    }
                }
                Entry::Change(change) => {
                    let covering: Vec<_> = self.topics.iter().filter(|topic| topic.covers(&change)).collect();
                    if covering.is_empty() || !may(&change) {
                        continue;
                    }
                    let narrow: Vec<_> =
                        covering.iter().filter(|topic| topic.broad().is_none()).map(|topic| topic.text()).collect();
                    let broad = covering.iter().find_map(|topic| topic.broad());
                    if !narrow.is_empty() {
                        messages.push(told(narrow, Some(&change)));
                    }
                    if let Some(kind) = broad {
                        self.owe(kind, number, change);
                    }
                }
            }
        }
        // Whoever reads everything again needs nothing else of what is known by now.
        if self.reset_is_due(now) { vec![self.reset(now)] } else { messages }
    }

    fn reset_is_due(&self, now: Instant) -> bool {
        self.missed.is_some() && self.reset_told.is_none_or(|told| told + RESET_PAUSE <= now)
    }

    fn owe(&mut self, kind: Kind, number: u64, change: Arc<Change>) {
        self.owed
            .entry(kind)
            .and_modify(|owed| {
                let same = owed.only.as_ref().is_some_and(|only| only.aggregate_id == change.aggregate_id);
                // Of several changes of one record the newest says all.
                owed.only = same.then(|| change.clone());
            })
            .or_insert(Owed { first: number, only: Some(change) });
    }

    /// When something will be due, if anything is owed.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let after = |told: Option<&Instant>, pause| told.map_or_else(Instant::now, |told| *told + pause);
        let lists = self.owed.keys().map(|kind| after(self.told.get(kind), PAUSE));
        lists.chain(self.missed.map(|_| after(self.reset_told.as_ref(), RESET_PAUSE))).min()
    }

    /// What is due by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<LiveMessage> {
        if self.reset_is_due(now) {
            return vec![self.reset(now)];
        }
        let due: Vec<_> = self
            .owed
            .keys()
            .filter(|kind| self.told.get(kind).is_none_or(|told| *told + PAUSE <= now))
            .copied()
            .collect();
        due.into_iter()
            .filter_map(|kind| {
                let owed = self.owed.remove(&kind)?;
                self.told.insert(kind, now);
                Some(told(vec![Topic::Any(kind).text()], owed.only.as_deref()))
            })
            .collect()
    }
}

fn told(topics: Vec<String>, change: Option<&Change>) -> LiveMessage {
    let message = match change {
        Some(change) => LiveChange {
            topics,
            context: change.context.clone(),
            aggregate_type: change.aggregate_type.clone(),
            aggregate_id: change.aggregate_id.clone(),
            version: change.version,
            customer_id: change.customer_id.clone(),
        },
        None => LiveChange { topics, ..LiveChange::default() },
    };
    LiveMessage { message: Some(Message::Change(message)) }
}

#[cfg(test)]
mod tests {
    use super::super::change::tests::event;
    use super::*;

    const ONE: &str = "01900000-0000-7000-8000-0000000000c1";
    const TWO: &str = "01900000-0000-7000-8000-0000000000c2";

    fn reader(topics: &[&str]) -> Reader {
        let topics: Vec<_> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Reader::new(Topic::read(&topics).unwrap(), 0)
    }

    fn updated(customer: &str, version: i64) -> Entry {
        let mut event = event("customers.v1.CustomerUpdated", &());
        (event.aggregate_id, event.customer_id) = (customer.to_owned(), customer.to_owned());
        event.aggregate_version = version;
        Entry::Change(Arc::new(Change::of(&event).unwrap()))
    }

    fn numbered(entries: Vec<Entry>) -> Vec<(u64, Entry)> {
        (1..).zip(entries).collect()
    }

    /// Topics, id and version of each message; `reset` for a reset.
    fn shown(messages: Vec<LiveMessage>) -> Vec<String> {
        let show = |message: LiveMessage| match message.message.unwrap() {
            Message::Change(change) => {
                format!("{} {} {}", change.topics.join("+"), change.aggregate_id, change.version)
            }
            Message::Reset(_) => "reset".to_owned(),
        };
        messages.into_iter().map(show).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_record_is_told_of_at_once_and_a_list_at_most_twice_a_second() {
        let mut reader = reader(&["customers", &format!("customer/{ONE}")]);
        let entries = vec![updated(ONE, 1), updated(TWO, 1), updated(ONE, 2)];
        let now = shown(reader.look(numbered(entries), Instant::now(), |_| true));
        assert_eq!(now, [format!("customer/{ONE} {ONE} 1"), format!("customer/{ONE} {ONE} 2")]);
        assert_eq!(shown(reader.due(Instant::now())), ["customers  0"], "several have changed");

        reader.look(vec![(4, updated(TWO, 2)), (5, updated(TWO, 3))], Instant::now(), |_| true);
        assert!(reader.due(Instant::now()).is_empty(), "too soon");
        assert_eq!(reader.told_up_to(), 3, "what is owed is not yet told");
        tokio::time::sleep_until(reader.due_at().unwrap()).await;
        assert_eq!(shown(reader.due(Instant::now())), [format!("customers {TWO} 3")], "one record, its newest state");
        assert_eq!(reader.told_up_to(), 5);
        assert_eq!(reader.due_at(), None);
    }

    #[tokio::test]
    async fn what_the_reader_may_not_see_and_what_they_do_not_follow_is_not_told() {
        let mut reader = reader(&[&format!("customer/{ONE}"), "dialogs"]);
        let seen = reader.look(numbered(vec![updated(TWO, 1), updated(ONE, 1)]), Instant::now(), |_| false);
        assert!(seen.is_empty() && reader.due(Instant::now()).is_empty());
        assert_eq!(reader.told_up_to(), 2);
    }

    #[tokio::test]
    async fn after_a_gap_only_those_whom_it_concerns_read_again() {
        let entries = || numbered(vec![updated(ONE, 1), Entry::Gap("messaging"), updated(ONE, 2)]);
        let mut card = reader(&[&format!("customer/{ONE}")]);
        assert_eq!(shown(card.look(entries(), Instant::now(), |_| true)), ["reset"], "which says everything");
        assert_eq!(card.told_up_to(), 3);
        let mut list = reader(&["customers"]);
        assert!(shown(list.look(entries(), Instant::now(), |_| true)).is_empty());
        assert_eq!(shown(list.due(Instant::now())), [format!("customers {ONE} 2")]);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_gaps_there_are_a_reader_reads_again_at_most_every_five_seconds() {
        let contexts = ["customers", "orders", "analytics", "messaging", "campaigns", "identity"];
        let mut card = reader(&[&format!("customer/{ONE}")]);
        let (begun, mut number, mut resets) = (Instant::now(), 0, Vec::new());
        // A minute without the bus: each context has a gap every five seconds, one context after the other.
        for turn in 0..12 * contexts.len() {
            number += 1;
            let gap = vec![(number, Entry::Gap(contexts[turn % contexts.len()]))];
            let mut told = card.look(gap, Instant::now(), |_| true);
            told.extend(card.due(Instant::now()));
            resets.extend(told.iter().map(|_| begun.elapsed()));
            tokio::time::advance(Duration::from_secs(5) / 6).await;
        }
        assert!(resets.windows(2).all(|pair| pair[0] + RESET_PAUSE <= pair[1]), "{resets:?}");
        assert!((11..=12).contains(&resets.len()), "{resets:?}");

        // The last gap is not forgotten, and a stream that is resumed before its reset begins before the gap.
        assert!(card.told_up_to() < number);
        let change = vec![(number + 1, updated(ONE, 1))];
        let told = card.look(change, Instant::now(), |_| true);
        let told = if card.due_at().is_some() { shown(told) } else { panic!("no reset is owed") };
        assert_eq!(told, [format!("customer/{ONE} {ONE} 1")], "what changes meanwhile is told at once");
        tokio::time::sleep_until(card.due_at().unwrap()).await;
        assert_eq!(shown(card.due(Instant::now())), ["reset"]);
        assert_eq!((card.told_up_to(), card.due_at()), (number + 1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_is_too_slow_again_and_again_is_not_reset_each_time() {
        let mut card = reader(&[&format!("customer/{ONE}")]);
        card.skip_to(10);
        assert_eq!(shown(card.due(Instant::now())), ["reset"]);
        card.skip_to(20);
        assert!(card.due(Instant::now()).is_empty(), "too soon");
        assert_eq!((card.seen(), card.told_up_to()), (20, 10));
        tokio::time::sleep_until(card.due_at().unwrap()).await;
        assert_eq!(shown(card.due(Instant::now())), ["reset"]);
        assert_eq!(card.told_up_to(), 20);
    }
}
