//! What is counted and measured, and its Prometheus text.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Bounds of the buckets durations are counted in, in seconds: from an in-process call to the longest deadline.
const SECONDS: [f64; 14] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The instruments of a process. Cheap to clone.
///
/// Their attributes are names of methods, contexts and consumers, of which there are few; never ids, nor anything of
/// a person.
#[derive(Debug, Clone)]
pub struct Metrics {
    served: Histogram<f64>,
    serving: UpDownCounter<i64>,
    called: Histogram<f64>,
    published: Counter<u64>,
    relay_lag: Gauge<u64>,
    relay_age: Gauge<f64>,
    applied: Counter<u64>,
    consumer_lag: Gauge<u64>,
    parked: Gauge<u64>,
    retried: Counter<u64>,
}

impl Metrics {
    /// The instruments of a provider.
    pub fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter("clientele");
        Self {
            served: seconds(&meter, "rpc.server.duration", "time to answer a request"),
            serving: meter.i64_up_down_counter("rpc.server.active").with_description("requests being answered").build(),
            called: seconds(&meter, "rpc.client.duration", "time until another service has answered"),
            published: meter.u64_counter("relay.published").with_description("events given to the bus").build(),
            relay_lag: meter.u64_gauge("relay.lag").with_description("events not yet given to the bus").build(),
            relay_age: meter
                .f64_gauge("relay.age")
                .with_unit("s")
                .with_description("age of the oldest event not yet given to the bus")
                .build(),
            applied: meter.u64_counter("consumer.applied").with_description("events applied").build(),
            consumer_lag: meter.u64_gauge("consumer.lag").with_description("events not yet applied").build(),
            parked: meter.u64_gauge("consumer.parked").with_description("events set aside as poison").build(),
            retried: meter
                .u64_counter("consumer.retried")
                .with_description("batches that had to be tried again")
                .build(),
        }
    }

    /// Instruments that go nowhere.
    pub fn unread() -> Self {
        Self::new(&SdkMeterProvider::default())
    }

    /// A request has come in; `path` is its gRPC path, `/package.Service/Method`. Ends with [`Metrics::served`].
    pub fn serving(&self, path: &str) {
        self.serving.add(1, &method(path));
    }

    /// A request has been answered with a code such as `OK` or `NOT_FOUND`.
    pub fn served(&self, path: &str, code: &'static str, took: Duration) {
        let [service, name] = method(path);
        self.serving.add(-1, &[service.clone(), name.clone()]);
        self.served.record(took.as_secs_f64(), &[service, name, KeyValue::new("rpc.code", code)]);
    }

    /// Another service has answered with a code.
    pub fn called(&self, path: &str, code: &'static str, took: Duration) {
        let [service, name] = method(path);
        self.called.record(took.as_secs_f64(), &[service, name, KeyValue::new("rpc.code", code)]);
    }

    /// The relay of a context has given events to the bus.
    pub fn published(&self, context: &str, events: u64) {
        self.published.add(events, &[named("context", context)]);
    }

    /// What the relay of a context still has before it: how many events, and how old the oldest is.
    pub fn relay_lag(&self, context: &str, events: u64, oldest: Duration) {
        self.relay_lag.record(events, &[named("context", context)]);
        self.relay_age.record(oldest.as_secs_f64(), &[named("context", context)]);
    }

    /// A consumer has applied events.
    pub fn applied(&self, consumer: &str, events: u64) {
        self.applied.add(events, &[named("consumer", consumer)]);
    }

    /// How many events of a partition a consumer has still before it.
    pub fn consumer_lag(&self, consumer: &str, partition: i32, events: u64) {
        self.consumer_lag
            .record(events, &[named("consumer", consumer), KeyValue::new("partition", i64::from(partition))]);
    }

    /// How many events of a consumer are parked.
    pub fn parked(&self, consumer: &str, events: u64) {
        self.parked.record(events, &[named("consumer", consumer)]);
    }

    /// A consumer has to try a batch again.
    pub fn retried(&self, consumer: &str) {
        self.retried.add(1, &[named("consumer", consumer)]);
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter.f64_histogram(name).with_unit("s").with_description(description).with_boundaries(SECONDS.to_vec()).build()
}

fn named(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
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
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
        Ok((reader, Self { registry }))
    }

    /// The text, as of now.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
