//! Logs, traces and metrics of a process.
//!
//! Every span has a trace id whether or not a collector is configured, so that a log line, an event in the journal and
//! an answer to a caller can always be matched. With a collector, spans and metrics go to it over OTLP; metrics can be
//! read as Prometheus text in any case.
//!
//! - [`init`] sets all of it up once for a process and gives a [`Guard`] to flush it with
//! - [`metrics`]: the instruments, [`Metrics`], and their Prometheus text, [`Exposition`]
//! - [`trace`]: W3C trace context in and out of gRPC and HTTP headers and events
//! - `format`: log lines; `lines`: their number
//! - `level`: gauges that show nothing where nobody knows

mod format;
mod level;
pub(crate) mod lines;
pub mod metrics;
pub mod trace;

use std::path::Path;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config;

pub use opentelemetry::KeyValue;
pub use opentelemetry::metrics::Counter;

pub use self::level::Level;
pub use self::metrics::{Exposition, Metrics};
pub use self::trace::{current_traceparent, extract, inject, set_parent};

/// How long one export to the collector may take, and how long the last one may hold up the end of the process.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// What keeps telemetry from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter cannot be read.
    #[error(
        "`telemetry.log` is `{filter}`, which is no log filter: {source}; right would be `info` or `info,sqlx=warn`"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The part of traced requests is out of range.
    #[error("`telemetry.trace_ratio` is {0}; it must be between 0 and 1")]
    Ratio(f64),
    /// The exporter cannot be built.
    #[error("cannot send telemetry to `{endpoint}`: {source}")]
    Exporter {
        /// The collector.
        endpoint: String,
        /// Why not.
        source: ExporterBuildError,
    },
    /// No TLS can be spoken to the collector.
    #[error("cannot speak tls to `{endpoint}`: {reason}")]
    Tls {
        /// The collector.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// The Prometheus reader cannot be built.
    #[error("cannot offer metrics to prometheus: {0}")]
    Prometheus(opentelemetry_sdk::error::OTelSdkError),
    /// The process has a subscriber already.
    #[error("telemetry has been started in this process already")]
    Started,
}

/// Keeps telemetry going. [`Guard::shutdown`] sends what is still waiting.
#[derive(Debug)]
#[must_use = "without its shutdown the last spans and metrics are lost"]
pub struct Guard {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
    metrics: Metrics,
    exposition: Exposition,
}

impl Guard {
    /// The instruments.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// The metrics as Prometheus text.
    pub fn exposition(&self) -> Exposition {
        self.exposition.clone()
    }

    /// Sends what is waiting and stops. Takes no longer than a few seconds, whether the collector answers or not.
    pub async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || {
            for result in [self.tracer.shutdown_with_timeout(EXPORT_TIMEOUT), self.meter.shutdown()] {
                if let Err(error) = result {
                    tracing::warn!(%error, "some telemetry has been lost");
                }
            }
        });
        if tokio::time::timeout(2 * EXPORT_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some telemetry has been lost: the collector does not answer");
        }
    }
}

/// Starts telemetry for the process: logs go to standard error, a panic is logged like any other fault.
///
/// Must be called within a Tokio runtime, and once.
pub fn init(config: &config::Telemetry, service: &str) -> Result<Guard, Error> {
    let (subscriber, guard) = pipeline(config, service, std::io::stderr)?;
    subscriber.try_init().map_err(|_| Error::Started)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(guard.tracer.clone());
    global::set_meter_provider(guard.meter.clone());
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(panic = panic.payload_as_str(), location, "a thread panicked");
    }));
    Ok(guard)
}

/// All of telemetry except what is global to the process.
fn pipeline<W>(
    config: &config::Telemetry,
    service: &str,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Guard), Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter =
        EnvFilter::try_new(&config.log).map_err(|source| Error::Filter { filter: config.log.clone(), source })?;
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .with_attributes([
            KeyValue::new("service.namespace", config.service_namespace.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();

    let tracer = tracer_provider(config, resource.clone())?;
    let (meter, exposition) = meter_provider(config, resource)?;
    let metrics = Metrics::new(&meter);

    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("clientele"))
        .with_location(false)
        .with_threads(false)
        .with_target(true)
        .with_filter(LevelFilter::INFO);
    let subscriber = Registry::default()
        .with(spans)
        .with(lines::Counted::layer(metrics.clone()))
        .with(lines::Waits::layer(metrics.clone()))
        .with(log(config.format, writer).with_filter(lines::Bounded::default().and(filter)));
    Ok((subscriber, Guard { tracer, meter, metrics, exposition }))
}

fn log<S, W>(format: config::LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        config::LogFormat::Json => format::json(writer),
        config::LogFormat::Text => format::text(writer),
    }
}

fn tracer_provider(config: &config::Telemetry, resource: Resource) -> Result<SdkTracerProvider, Error> {
    if !(0.0..=1.0).contains(&config.trace_ratio) {
        return Err(Error::Ratio(config.trace_ratio));
    }
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio)));
    let mut builder = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler);
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(collector(endpoint, config.otlp_ca_file.as_deref())?)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|source| Error::Exporter { endpoint: endpoint.to_string(), source })?;
        builder = builder.with_batch_exporter(exporter);
    }
    Ok(builder.build())
}

/// The way to the collector, which connects when it is first used.
fn collector(endpoint: &Uri, authority: Option<&Path>) -> Result<Channel, Error> {
    let wrong = |reason: String| Error::Tls { endpoint: endpoint.to_string(), reason };
    let way = Endpoint::from(endpoint.clone()).timeout(EXPORT_TIMEOUT).connect_timeout(EXPORT_TIMEOUT);
    if endpoint.scheme() != Some(&Scheme::HTTPS) {
        return Ok(way.connect_lazy());
    }
    let roots = crate::tls::authorities(authority).map_err(|error| wrong(error.message))?;
    let tls = ClientTlsConfig::new().ca_certificates(roots.into_iter().map(Certificate::from_pem));
    Ok(way.tls_config(tls).map_err(|error| wrong(error.to_string()))?.connect_lazy())
}

fn meter_provider(config: &config::Telemetry, resource: Resource) -> Result<(SdkMeterProvider, Exposition), Error> {
    let (reader, exposition) = Exposition::new().map_err(Error::Prometheus)?;
    let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(reader);
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .with_channel(collector(endpoint, config.otlp_ca_file.as_deref())?)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|source| Error::Exporter { endpoint: endpoint.to_string(), source })?;
        builder = builder.with_reader(PeriodicReader::builder(exporter).with_interval(config.metrics_interval).build());
    }
    Ok((builder.build(), exposition))
}

#[cfg(test)]
mod tests;
