//! What is counted and measured, and its Prometheus text.
//!
//! Names follow OpenTelemetry's conventions where there are some (`rpc`, `http`, `db.client`); what is of Clientele alone
//! is called `clientele.…`. Prometheus shows dots as underscores and adds the unit: `rpc.server.call.duration` is
//! `rpc_server_call_duration_seconds`. Attributes are names of methods, routes, contexts and tasks, of which there are
//! few; never ids, nor anything of a person.
//!
//! Counters whose attributes are known begin at zero when their owner starts, so that the first failure is a rise.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use sqlx::PgPool;

use super::level::{Behind, Level};

/// Bounds of the buckets durations are counted in, in seconds: from an in-process call to the longest deadline.
const SECONDS: [f64; 14] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// The same for what may wait as long as an outage lasts.
const LONG_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0];

/// The instruments of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    meter: Meter,
    served: Histogram<f64>,
    serving: UpDownCounter<i64>,
    called: Histogram<f64>,
    shed: Counter<u64>,
    refused: Counter<u64>,
    connections: Level,
    most_connections: Level,
    connection_waits: Histogram<f64>,
    connection_timeouts: Counter<u64>,
    journal: Level,
    published: Counter<u64>,
    unpublished: Level,
    relay_lag: Level,
    applied: Counter<u64>,
    position: Level,
    delay: Histogram<f64>,
    consumer_lag: Level,
    behind: Behind,
    parked: Level,
    halted: Level,
    retried: Counter<u64>,
    lost: Counter<u64>,
    failures: Counter<u64>,
    lines: Counter<u64>,
}

/// How far the journal of a context and its relay are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct JournalState {
    /// Events in all partitions.
    pub(crate) events: i64,
    /// Those not yet given to the bus.
    pub(crate) unpublished: i64,
    /// How old the oldest of these is.
    pub(crate) oldest: Duration,
}

/// How far a consumer is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConsumerState {
    /// Events applied or parked in all partitions.
    pub(crate) position: i64,
    /// Events set aside.
    pub(crate) parked: i64,
    /// Partitions that are followed no further: the journal ended before what was applied of it.
    pub(crate) halted: i64,
}

impl Metrics {
    /// The instruments of a provider.
    pub fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter("clientele");
        let level = |name, unit, description| Level::new(&meter, name, unit, description);
        let count = |name, unit, description| counter(&meter, name, unit, description);
        Self(Arc::new(Instruments {
            served: seconds(&meter, "rpc.server.call.duration", "time to answer a call", &SECONDS),
            serving: meter
                .i64_up_down_counter("rpc.server.active_requests")
                .with_unit("{request}")
                .with_description("calls being answered")
                .build(),
            called: seconds(
                &meter,
                "rpc.client.call.duration",
                "time until another service has begun its answer",
                &SECONDS,
            ),
            shed: count("clientele.requests.shed", "{request}", "requests turned away because too many were under way"),
            refused: count("clientele.token.refused", "{token}", "tokens that were not accepted"),
            connections: level(
                "db.client.connection.count",
                "{connection}",
                "connections to the database, idle or used",
            ),
            most_connections: level("db.client.connection.max", "{connection}", "connections to the database at most"),
            connection_waits: seconds(
                &meter,
                "db.client.connection.wait_time",
                "time until there was a connection to the database",
                &SECONDS,
            ),
            connection_timeouts: count(
                "db.client.connection.timeouts",
                "{timeout}",
                "waits for a connection to the database that were given up",
            ),
            journal: level("clientele.journal.position", "{event}", "events in the journal, of all partitions"),
            published: count("clientele.relay.published", "{event}", "events given to the bus"),
            unpublished: level("clientele.relay.waiting", "{event}", "events in the journal not yet given to the bus"),
            relay_lag: level("clientele.relay.lag", "s", "age of the oldest event not yet given to the bus"),
            applied: count("clientele.consumer.applied", "{event}", "events applied"),
            position: level("clientele.consumer.position", "{event}", "events applied or parked, of all partitions"),
            delay: seconds(
                &meter,
                "clientele.consumer.delay",
                "time from an event's being recorded to its being applied, of the oldest event of each batch",
                &LONG_SECONDS,
            ),
            consumer_lag: level("clientele.consumer.lag", "s", "age of the oldest event a consumer is at work on"),
            behind: Behind::default(),
            parked: level("clientele.consumer.parked", "{event}", "events set aside because they cannot be applied"),
            halted: level(
                "clientele.consumer.halted",
                "{partition}",
                "partitions that a consumer does not follow: what it applied is `ahead` of the journal, or it cannot `forget` what it built before a restore",
            ),
            retried: count("clientele.consumer.retried", "{batch}", "batches of events that had to be tried again"),
            lost: count("clientele.lease.lost", "{lease}", "leases that another replica took while they were held"),
            failures: count("clientele.task.failures", "{failure}", "times that background work failed"),
            lines: count("clientele.log.lines", "{line}", "warnings and errors, written to the log or held back"),
            meter,
        }))
    }

    /// Instruments that go nowhere.
    pub fn unread() -> Self {
        Self::new(&SdkMeterProvider::default())
    }

    /// What further instruments are made with, under the rules of this module.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// A level of the service's own, such as the length of a queue: shown as it was last set, until it is unset.
    pub fn level(&self, name: &'static str, unit: &'static str, description: &'static str) -> Level {
        Level::new(&self.0.meter, name, unit, description)
    }

    /// A counter of the service's own.
    pub fn counter(&self, name: &'static str, unit: &'static str, description: &'static str) -> Counter<u64> {
        counter(&self.0.meter, name, unit, description)
    }

    /// A call has come in; `path` is its gRPC path, `/package.Service/Method`. Ends with [`Metrics::served`].
    pub fn serving(&self, path: &str) {
        self.0.serving.add(1, &method(path));
    }

    /// A call has been answered with a code such as `OK` or `NOT_FOUND`.
    pub fn served(&self, path: &str, code: &'static str, took: Duration) {
        let [service, name] = method(path);
        self.0.serving.add(-1, &[service.clone(), name.clone()]);
        self.0.served.record(took.as_secs_f64(), &[service, name, status(code)]);
    }

    /// Another service has answered with a code.
    pub fn called(&self, path: &str, code: &'static str, took: Duration) {
        let [service, name] = method(path);
        self.0.called.record(took.as_secs_f64(), &[service, name, status(code)]);
    }

    /// Requests of a kind have been turned away, because too many were under way.
    pub fn shed(&self, kind: &'static str, requests: u64) {
        self.0.shed.add(requests, &[KeyValue::new("kind", kind)]);
    }

    /// Tokens have been refused, for a reason such as `TOKEN_EXPIRED`.
    pub fn token_refused(&self, reason: &'static str, tokens: u64) {
        self.0.refused.add(tokens, &[KeyValue::new("reason", reason)]);
    }

    /// From now on the connections of a pool are shown.
    pub fn watch_pool(&self, context: &'static str, pool: &PgPool) {
        let name = KeyValue::new("db.client.connection.pool.name", context);
        let most = f64::from(pool.options().get_max_connections());
        self.0.most_connections.set(std::slice::from_ref(&name), most);
        let state = |state: &'static str| vec![name.clone(), KeyValue::new("db.client.connection.state", state)];
        let (all, idle) = (pool.clone(), pool.clone());
        self.0.connections.follow(state("idle"), move || count_of(idle.num_idle()));
        self.0.connections.follow(state("used"), move || {
            count_of(usize::try_from(all.size()).unwrap_or_default().saturating_sub(all.num_idle()))
        });
    }

    /// There was a connection after so many seconds.
    pub(super) fn connection_waited(&self, seconds: f64) {
        self.0.connection_waits.record(seconds, &[]);
    }

    /// Waits for a connection were given up.
    pub(super) fn connection_timed_out(&self, times: u64) {
        self.0.connection_timeouts.add(times, &[]);
    }

    /// How far the journal of a context and its relay are; `None` where that is not known at the moment.
    pub(crate) fn journal(&self, context: &str, state: Option<JournalState>) {
        let about = [named("context", context)];
        let Instruments { journal, unpublished, relay_lag, .. } = self.0.as_ref();
        match state {
            Some(state) => {
                journal.set(&about, count_of(state.events));
                unpublished.set(&about, count_of(state.unpublished));
                relay_lag.set(&about, state.oldest.as_secs_f64());
            }
            None => [journal, unpublished, relay_lag].into_iter().for_each(|level| level.unset(&about)),
        }
    }

    /// The relay of a context has given events to the bus.
    pub fn published(&self, context: &str, events: u64) {
        self.0.published.add(events, &[named("context", context)]);
    }

    /// A consumer begins: its counters are there from now on.
    pub(crate) fn consumer_begins(&self, consumer: &str, source: &str) {
        self.0.applied.add(0, &consumer_of(consumer, source));
        self.0.retried.add(0, &consumer_of(consumer, source));
        self.unforgotten(consumer, source, 0);
    }

    /// A consumer cannot forget what it has built of so many partitions of a restored journal, and does not follow them.
    pub(crate) fn unforgotten(&self, consumer: &str, source: &str, partitions: usize) {
        self.0.halted.set(&halted(consumer, source, "forget"), count_of(partitions));
    }

    /// How far a consumer is; `None` where that is not known at the moment. `now` is by the clock of its events.
    pub(crate) fn consumer(&self, consumer: &str, source: &str, state: Option<ConsumerState>, now: DateTime<Utc>) {
        let about = consumer_of(consumer, source);
        let Instruments { position, parked, consumer_lag, behind, halted: halts, .. } = self.0.as_ref();
        let ahead = halted(consumer, source, "ahead");
        if let Some(state) = state {
            position.set(&about, count_of(state.position));
            parked.set(&about, count_of(state.parked));
            halts.set(&ahead, count_of(state.halted));
        } else {
            position.unset(&about);
            parked.unset(&about);
            halts.unset(&ahead);
        }
        // Known without the database: that it is away is the likeliest reason to lag.
        consumer_lag.set(&about, behind.longest(consumer, now).as_secs_f64());
    }

    /// A consumer works on events of a partition, the oldest of them recorded at this moment.
    pub(crate) fn works_on(&self, consumer: &'static str, partition: i16, recorded_at: Option<DateTime<Utc>>) {
        self.0.behind.set(consumer, partition, recorded_at);
    }

    /// A consumer has applied events, the oldest of them so long after it was recorded.
    pub fn applied(&self, consumer: &str, source: &str, events: u64, delay: Option<Duration>) {
        let about = consumer_of(consumer, source);
        self.0.applied.add(events, &about);
        if let Some(delay) = delay {
            self.0.delay.record(delay.as_secs_f64(), &about);
        }
    }

    /// A consumer has to try a batch again.
    pub fn retried(&self, consumer: &str, source: &str) {
        self.0.retried.add(1, &consumer_of(consumer, source));
    }

    /// Leases of a context that were held have been taken by another replica. `lease` is what they are on.
    pub fn lease_lost(&self, context: &str, lease: &str, leases: u64) {
        self.0.lost.add(leases, &[named("context", context), named("lease", lease)]);
    }

    /// Background work of a context has failed and is tried again.
    pub fn task_failed(&self, context: &str, task: &str) {
        self.task_failures(context, task, 1);
    }

    /// Background work of a context begins: its counter is there from now on.
    pub fn task_begins(&self, context: &str, task: &str) {
        self.task_failures(context, task, 0);
    }

    fn task_failures(&self, context: &str, task: &str, failures: u64) {
        self.0.failures.add(failures, &[named("context", context), named("task", task)]);
    }

    /// Lines of a level have been logged by a part of the program.
    pub(super) fn logged(&self, level: &'static str, target: &str, lines: u64) {
        self.0.lines.add(lines, &[KeyValue::new("level", level), named("target", target)]);
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str, bounds: &[f64]) -> Histogram<f64> {
    meter.f64_histogram(name).with_unit("s").with_description(description).with_boundaries(bounds.to_vec()).build()
}

fn counter(meter: &Meter, name: &'static str, unit: &'static str, description: &'static str) -> Counter<u64> {
    meter.u64_counter(name).with_unit(unit).with_description(description).build()
}

/// Metrics are of type double: beyond 2^53 a count is shown to its first fifteen digits.
#[expect(clippy::cast_precision_loss, reason = "a metric shows a magnitude")]
fn count_of(number: impl TryInto<i64>) -> f64 {
    number.try_into().map_or(f64::NAN, |number| number as f64)
}

fn named(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

fn status(code: &'static str) -> KeyValue {
    KeyValue::new("rpc.response.status_code", code)
}

fn consumer_of(consumer: &str, source: &str) -> [KeyValue; 2] {
    [named("consumer", consumer), named("source", source)]
}

fn halted(consumer: &str, source: &str, reason: &'static str) -> [KeyValue; 3] {
    let [consumer, source] = consumer_of(consumer, source);
    [consumer, KeyValue::new("reason", reason), source]
}

fn method(path: &str) -> [KeyValue; 2] {
    let (service, name) = path.trim_start_matches('/').rsplit_once('/').unwrap_or(("", path));
    [named("rpc.service", service), named("rpc.method", name)]
}

/// The metrics of a process as Prometheus text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    /// Content type of the text.
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    pub(super) fn new() -> Result<(PrometheusExporter, Self), OTelSdkError> {
        let registry = Registry::new();
        // Memory, processor time and file handles of the process, under the names that dashboards know.
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        // There is one scope; a label on every line would say so again and again.
        let exporter = opentelemetry_prometheus::exporter().scope_info_enabled(false).with_registry(registry.clone());
        Ok((exporter.build()?, Self { registry }))
    }

    /// The text, as of now.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
