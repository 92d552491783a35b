//! The journal of a context that is not under test: events as its feed gives them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use clientele_contracts::platform::v1::{
    Actor, ActorKind, ConsumerPartition, Event, GetConsumerStatusResponse, Origin, ReadFeedRequest, ReadFeedResponse,
};
use clientele_kernel::{Ids, Partition, SystemClock, SystemEntropy};
use clientele_platform::proto;
use prost::{Message, Name};
use prost_types::Any;
use uuid::Uuid;

/// The user who did all that is told of.
pub const AUTHOR: Uuid = Uuid::from_u128(0x0193_a1f0_0000_7000_8000_0000_0000_0063);

/// Events by partition, dense and in order. The test serves it as the feed of its context.
#[derive(Debug)]
pub struct Journal {
    context: &'static str,
    ids: Ids,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    partitions: HashMap<i16, Vec<Event>>,
    versions: HashMap<Uuid, i64>,
}

impl Journal {
    /// The journal of a context in which nothing has happened yet.
    pub fn new(context: &'static str) -> Self {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
        Self { context, ids, state: Mutex::default() }
    }

    /// Name of the context.
    pub fn context(&self) -> &'static str {
        self.context
    }

    /// Writes an event: the aggregate's next version, in the partition of the customer or else of the aggregate.
    pub fn record<M: Message + Name>(
        &self,
        aggregate: Uuid,
        customer: Option<Uuid>,
        occurred_at: DateTime<Utc>,
        recorded_at: DateTime<Utc>,
        message: &M,
    ) -> Event {
        let mut state = self.state();
        let version = state.versions.entry(aggregate).or_default();
        *version += 1;
        let version = *version;
        let partition = Partition::of(customer.unwrap_or(aggregate)).number();
        let events = state.partitions.entry(partition).or_default();
        let event = Event {
            id: self.ids.next::<Uuid>().to_string(),
            context: self.context.to_owned(),
            partition: partition.into(),
            position: position(events) + 1,
            aggregate_type: M::NAME.to_lowercase(),
            aggregate_id: aggregate.to_string(),
            aggregate_version: version,
            customer_id: customer.map(|id| id.to_string()).unwrap_or_default(),
            actor: Some(Actor { kind: ActorKind::User.into(), id: AUTHOR.to_string() }),
            origin: Origin::Web.into(),
            integration: String::new(),
            occurred_at: Some(proto::timestamp(occurred_at)),
            recorded_at: Some(proto::timestamp(recorded_at)),
            traceparent: String::new(),
            data: Some(Any {
                type_url: format!("type.googleapis.com/{}", M::full_name()),
                value: message.encode_to_vec(),
            }),
            incarnation: String::new(),
        };
        events.push(event.clone());
        event
    }

    /// Answers `Feed.Read`.
    pub fn read(&self, request: &ReadFeedRequest) -> ReadFeedResponse {
        let state = self.state();
        let partition = i16::try_from(request.partition).expect("a partition is a small number");
        let all = state.partitions.get(&partition).map_or(&[][..], Vec::as_slice);
        let after = usize::try_from(request.after).expect("a position is not negative").min(all.len());
        let size = usize::try_from(request.page_size).expect("a size is not negative");
        ReadFeedResponse {
            events: all[after..].iter().take(size).cloned().collect(),
            head: position(all),
            incarnation: String::new(),
        }
    }

    /// True when the consumer has come to the end of every partition, by what a service says of its consumers.
    pub fn is_followed(&self, consumer: &str, status: &GetConsumerStatusResponse) -> bool {
        self.state().partitions.iter().all(|(partition, events)| {
            let (partition, head) = (i32::from(*partition), position(events));
            let arrived =
                |p: &ConsumerPartition| p.consumer == consumer && p.partition == partition && p.position == head;
            status.partitions.iter().any(arrived)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn position(events: &[Event]) -> i64 {
    i64::try_from(events.len()).expect("a test has few events")
}
