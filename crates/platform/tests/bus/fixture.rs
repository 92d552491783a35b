//! Buses to test, events to send, and waiting for what arrives.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::platform::v1::{Actor, ActorKind, Event, Origin};
use clientele_embedded::{NatsOptions, NatsServer, cache_dir, ensure_nats_server};
use clientele_platform::bus::{Bus, Delivery, InProcess, JetStream, Subscription};
use clientele_platform::config;
use prost_types::{Any, Timestamp};
use tempfile::TempDir;

/// Longer than anything here takes: reached only when a condition never comes true.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A bus seen from two processes, or from one.
pub struct Fixture {
    pub publisher: Arc<dyn Bus>,
    pub subscriber: Arc<dyn Bus>,
    /// How many gaps come before a subscription delivers.
    gaps: usize,
    _nats: Option<Nats>,
}

impl Fixture {
    pub fn in_process() -> Self {
        let bus = Arc::new(InProcess::new(NonZeroU16::new(512).unwrap()));
        Self { publisher: bus.clone(), subscriber: bus, gaps: 1, _nats: None }
    }

    pub async fn jetstream() -> Self {
        let nats = Nats::start().await;
        let (publisher, subscriber) = (Arc::new(nats.bus()), Arc::new(nats.bus()));
        Self { publisher, subscriber, gaps: 2, _nats: Some(nats) }
    }

    /// A subscription that has begun to deliver.
    pub async fn follow(&self, source: &str) -> Subscription {
        self.publisher.prepare(source).await.unwrap();
        let mut subscription = self.subscriber.subscribe(source).await.unwrap();
        for _ in 0..self.gaps {
            assert_eq!(next(&mut subscription).await, Delivery::Gap);
        }
        subscription
    }
}

/// A nats-server that can be stopped and started again at its address.
pub struct Nats {
    server: Option<NatsServer>,
    port: u16,
    folder: TempDir,
}

impl Nats {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = server(&folder, 0).await;
        Self { port: server.port(), server: Some(server), folder }
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub async fn kill9(&mut self) {
        self.server.take().unwrap().kill9().await;
    }

    pub async fn start_again(&mut self) {
        self.server = Some(server(&self.folder, self.port).await);
    }

    /// Starts again with nothing of what it had.
    pub async fn start_empty(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
        self.start_again().await;
    }

    pub fn config(&self) -> config::Bus {
        config(self.port)
    }

    pub fn bus(&self) -> JetStream {
        JetStream::try_new(self.config()).unwrap()
    }

    /// A client of no bus of ours.
    pub async fn outsider(&self) -> async_nats::jetstream::Context {
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", self.port)).await.unwrap();
        async_nats::jetstream::new(client)
    }
}

async fn server(folder: &TempDir, port: u16) -> NatsServer {
    let program = ensure_nats_server(&cache_dir()).await.unwrap();
    let options = NatsOptions { port, program: Some(program), ..NatsOptions::new(folder.path()) };
    NatsServer::start(options).await.unwrap()
}

/// The defaults, with streams so short that a test can overflow one.
pub fn config(port: u16) -> config::Bus {
    let variables = [
        ("CLIENTELE_BUS__URL", format!("nats://127.0.0.1:{port}")),
        ("CLIENTELE_BUS__PREFETCH", "64".to_owned()),
        ("CLIENTELE_BUS__MAX_BYTES", "1000000".to_owned()),
        ("CLIENTELE_BUS__PUBLISH_TIMEOUT", "5s".to_owned()),
    ];
    config::Loader::new()
        .defaults(config::DEFAULT)
        .environment(variables.map(|(name, value)| (name.to_owned(), value)))
        .read()
        .unwrap()
        .common()
        .unwrap()
        .bus
}

/// The event at a position of a partition.
pub fn event(context: &str, partition: i32, position: i64) -> Event {
    Event {
        id: format!("{context}-{partition}-{position}"),
        context: context.to_owned(),
        partition,
        position,
        aggregate_type: "order".to_owned(),
        aggregate_id: format!("order-{partition}"),
        aggregate_version: position,
        customer_id: format!("customer-{partition}"),
        actor: Some(Actor { kind: ActorKind::User.into(), id: "someone".to_owned() }),
        origin: Origin::Import.into(),
        integration: "shop.es".to_owned(),
        occurred_at: Some(Timestamp { seconds: 1_700_000_000 + position, nanos: 5 }),
        recorded_at: Some(Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        data: Some(Any { type_url: "/clientele.orders.v1.OrderPlaced".to_owned(), value: vec![7; 300] }),
        incarnation: String::new(),
    }
}

/// Events of one partition, from one position to another.
pub fn events(context: &str, partition: i32, positions: std::ops::RangeInclusive<i64>) -> Vec<Event> {
    positions.map(|position| event(context, partition, position)).collect()
}

/// The next delivery.
pub async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(DEADLINE, subscription.next()).await.expect("nothing was delivered").expect("the bus is gone")
}

/// Everything up to and including an event, and how many gaps were among it.
pub async fn up_to(subscription: &mut Subscription, last: &Event) -> (Vec<Event>, usize) {
    let (mut events, mut gaps) = (Vec::new(), 0);
    loop {
        match next(subscription).await {
            Delivery::Gap => gaps += 1,
            Delivery::Event(event) => {
                let done = event.id == last.id;
                events.push(event);
                if done {
                    return (events, gaps);
                }
            }
        }
    }
}
