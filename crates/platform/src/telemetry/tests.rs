use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span as ExportedSpan;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::*;
use crate::tls::tests::Authority;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

fn config(format: config::LogFormat) -> config::Telemetry {
    config::Telemetry {
        log: "info".to_owned(),
        format,
        otlp_endpoint: None,
        otlp_ca_file: None,
        metrics_interval: Duration::from_mins(1),
        trace_ratio: 1.0,
        service_namespace: "clientele".to_owned(),
    }
}

/// What has been logged.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged while `work` runs.
fn logged(config: &config::Telemetry, work: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let (subscriber, _guard) = pipeline(config, "test", move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    lines.text()
}

#[test]
fn a_json_line_carries_the_ids_of_its_trace() {
    let text = logged(&config(config::LogFormat::Json), || {
        let span = tracing::info_span!("customers.create", request = 7);
        set_parent(&span, &traceparent());
        span.in_scope(|| tracing::info!(count = 3, "written \"so\""));
        tracing::info!("outside");
    });
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["trace_id"], TRACE);
    assert_eq!(lines[0]["span_id"].as_str().unwrap().len(), 16);
    assert_ne!(lines[0]["span_id"], PARENT);
    assert_eq!(
        (&lines[0]["message"], &lines[0]["count"], &lines[0]["level"]),
        (&"written \"so\"".into(), &3.into(), &"INFO".into())
    );
    assert_eq!(lines[0]["span"]["request"], 7);
    assert_eq!(lines[1].get("trace_id"), None);
}

#[test]
fn a_text_line_begins_with_the_id_of_its_trace() {
    let text = logged(&config(config::LogFormat::Text), || {
        let span = tracing::info_span!("customers.create");
        set_parent(&span, &traceparent());
        span.in_scope(|| tracing::info!("written"));
    });
    assert!(text.starts_with(TRACE) && text.trim_end().ends_with("written"), "{text}");
}

#[test]
fn the_log_filter_leaves_traces_alone() {
    let quiet = config::Telemetry { log: "error".to_owned(), ..config(config::LogFormat::Json) };
    let mut seen = None;
    let text = logged(&quiet, || {
        tracing::info_span!("customers.create").in_scope(|| {
            tracing::info!("written");
            seen = current_traceparent();
        });
    });
    assert_eq!(text, "");
    assert!(seen.unwrap().starts_with("00-"));
}

#[test]
fn a_trace_goes_on_through_headers_and_text() {
    logged(&config(config::LogFormat::Json), || {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", traceparent().parse().unwrap());
        let server = tracing::info_span!("server");
        extract(&server, &headers);
        let kept = server.in_scope(|| {
            let mut onward = HeaderMap::new();
            inject(&mut onward);
            let kept = current_traceparent().unwrap();
            assert_eq!(onward["traceparent"].to_str().unwrap(), kept);
            kept
        });
        assert!(kept.starts_with(&format!("00-{TRACE}-")) && !kept.contains(PARENT), "{kept}");

        let consumer = tracing::info_span!("consumer");
        set_parent(&consumer, &kept);
        let effect = consumer.in_scope(current_traceparent).unwrap();
        assert!(effect.starts_with(&format!("00-{TRACE}-")) && effect != kept, "{effect}");
    });
}

#[test]
fn what_is_no_trace_context_starts_a_trace_of_its_own() {
    logged(&config(config::LogFormat::Json), || {
        assert_eq!(current_traceparent(), None);
        for wrong in ["", "00-0-0-00", "hello", "00-00000000000000000000000000000000-0000000000000000-01"] {
            let span = tracing::info_span!("consumer");
            set_parent(&span, wrong);
            let own = span.in_scope(current_traceparent).unwrap();
            assert!(!own.contains("0000000000000000") && own.len() == 55, "{own}");
        }
    });
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let refused = |config| pipeline(&config, "test", std::io::sink).map(|_| ()).unwrap_err().to_string();
    let filter = config::Telemetry { log: "info,=x=".to_owned(), ..config(config::LogFormat::Json) };
    assert!(refused(filter).contains("`telemetry.log` is `info,=x=`"));
    let ratio = config::Telemetry { trace_ratio: 1.5, ..config(config::LogFormat::Json) };
    assert_eq!(refused(ratio), "`telemetry.trace_ratio` is 1.5; it must be between 0 and 1");
}

#[test]
fn metrics_can_be_read_as_prometheus_text() {
    let (_subscriber, guard) = pipeline(&config(config::LogFormat::Json), "test", std::io::sink).unwrap();
    let metrics = guard.metrics();
    metrics.serving("/clientele.customers.v1.Customers/GetCustomer");
    metrics.served("/clientele.customers.v1.Customers/GetCustomer", "OK", Duration::from_millis(30));
    metrics.published("customers", 12);
    let moment = chrono::DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
    metrics.works_on("analytics.orders", 7, Some(moment - chrono::TimeDelta::seconds(9)));
    let behind = metrics::ConsumerState { position: 40, parked: 1, halted: 3 };
    metrics.consumer("analytics.orders", "orders", Some(behind), moment);
    metrics.unforgotten("analytics.orders", "orders", 32);
    let journal = metrics::JournalState { events: 50, unpublished: 5, oldest: Duration::from_secs(2) };
    metrics.journal("orders", Some(journal));
    let text = guard.exposition().render().unwrap();
    for expected in [
        "rpc_server_call_duration_seconds_bucket{",
        "rpc_method=\"GetCustomer\"",
        "rpc_service=\"clientele.customers.v1.Customers\"",
        "rpc_response_status_code=\"OK\"",
        "clientele_relay_published_total{context=\"customers\"} 12\n",
        "clientele_relay_waiting{context=\"orders\"} 5\n",
        "clientele_relay_lag_seconds{context=\"orders\"} 2\n",
        "clientele_consumer_position{consumer=\"analytics.orders\",source=\"orders\"} 40\n",
        "clientele_consumer_parked{consumer=\"analytics.orders\",source=\"orders\"} 1\n",
        "clientele_consumer_halted{consumer=\"analytics.orders\",reason=\"ahead\",source=\"orders\"} 3\n",
        "clientele_consumer_halted{consumer=\"analytics.orders\",reason=\"forget\",source=\"orders\"} 32\n",
        "clientele_consumer_lag_seconds{consumer=\"analytics.orders\",source=\"orders\"} 9\n",
        "process_resident_memory_bytes ",
        "service_name=\"test\"",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn what_is_not_known_any_more_is_not_shown() {
    let (_subscriber, guard) = pipeline(&config(config::LogFormat::Json), "test", std::io::sink).unwrap();
    let shown = |name: &str| guard.exposition().render().unwrap().contains(&format!("\n{name}{{"));
    let journal = metrics::JournalState { events: 50, unpublished: 5, oldest: Duration::from_secs(2) };
    guard.metrics().journal("orders", Some(journal));
    assert!(shown("clientele_relay_waiting"));
    guard.metrics().journal("orders", None);
    assert!(!shown("clientele_relay_waiting") && !shown("clientele_relay_lag_seconds"));
}

#[test]
fn a_warning_that_comes_again_and_again_is_written_so_often_and_counted_always() {
    let lines = Lines::default();
    let writer = lines.clone();
    let (subscriber, guard) = pipeline(&config(config::LogFormat::Json), "test", move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..100 {
            tracing::warn!(number, "the sky falls");
            tracing::info!(number, "the sun shines");
        }
        tracing::error!("something else");
    });
    let text = lines.text();
    assert_eq!(text.matches("the sky falls").count(), lines::MOST as usize);
    assert_eq!((text.matches("the sun shines").count(), text.matches("something else").count()), (100, 1));
    let shown = guard.exposition().render().unwrap();
    for line in
        ["{level=\"warn\",target=\"clientele_platform\"} 100", "{level=\"error\",target=\"clientele_platform\"} 1"]
    {
        assert!(shown.contains(&format!("clientele_log_lines_total{line}\n")), "{line} is not in\n{shown}");
    }
}

#[test]
fn waits_for_connections_are_measured_from_what_sqlx_tells() {
    let (subscriber, guard) = pipeline(&config(config::LogFormat::Json), "test", std::io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::trace!(target: "sqlx::pool::acquire", acquired_after_secs = 0.2, "acquired connection");
        tracing::trace!(target: lines::TIMEOUTS, "none in time");
    });
    let shown = guard.exposition().render().unwrap();
    assert!(shown.contains("db_client_connection_wait_time_seconds_sum 0.2\n"), "{shown}");
    assert!(shown.contains("db_client_connection_timeouts_total 1\n"), "{shown}");
}

/// A collector that keeps what it gets.
#[derive(Debug, Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<ExportedSpan>>>,
    services: Arc<Mutex<Vec<String>>>,
    metrics: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource_spans in request.into_inner().resource_spans {
            let attributes = resource_spans.resource.unwrap().attributes;
            self.services
                .lock()
                .unwrap()
                .extend(attributes.into_iter().map(|pair| format!("{}={:?}", pair.key, pair.value)));
            for scope in resource_spans.scope_spans {
                self.spans.lock().unwrap().extend(scope.spans);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
        self.metrics.lock().unwrap().extend(names);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_with_their_parents_and_the_metrics() {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let serving = tokio::spawn(server);

    let endpoint = format!("http://{address}").parse().unwrap();
    let config = config::Telemetry { otlp_endpoint: Some(endpoint), ..config(config::LogFormat::Json) };
    let (subscriber, guard) = pipeline(&config, "customers", std::io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!("request");
        set_parent(&request, &traceparent());
        request.in_scope(|| tracing::info_span!("statement").in_scope(|| {}));
    });
    guard.metrics().published("customers", 1);
    guard.shutdown().await;

    let spans = collector.spans.lock().unwrap().clone();
    let span =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"));
    let bytes = |id: &str| {
        (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(span("request").trace_id, bytes(TRACE));
    assert_eq!(span("request").parent_span_id, bytes(PARENT));
    assert_eq!(span("statement").trace_id, bytes(TRACE));
    assert_eq!(span("statement").parent_span_id, span("request").span_id);
    let services = collector.services.lock().unwrap().join(" ");
    assert!(services.contains("service.name=") && services.contains("customers"), "{services}");
    assert!(collector.metrics.lock().unwrap().iter().any(|name| name == "clientele.relay.published"));
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_spoken_to_over_tls_if_its_authority_is_trusted() {
    crate::install_crypto();
    let (ours, strange) = (Authority::new(), Authority::new());
    let files = ours.certify("localhost");
    let identity = Identity::from_pem(std::fs::read(files.certificate).unwrap(), std::fs::read(files.key).unwrap());
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Uri = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let server = tonic::transport::Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let serving = tokio::spawn(server);

    for (authority, trusted) in [(Some(strange.file()), false), (None, false), (Some(ours.file()), true)] {
        let config = config::Telemetry {
            otlp_endpoint: Some(endpoint.clone()),
            otlp_ca_file: authority,
            ..config(config::LogFormat::Json)
        };
        let (subscriber, guard) = pipeline(&config, "customers", std::io::sink).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info_span!("request").in_scope(|| {}));
        guard.shutdown().await;
        assert_eq!(!collector.spans.lock().unwrap().is_empty(), trusted);
        assert_eq!(!collector.metrics.lock().unwrap().is_empty(), trusted);
    }
    let missing = config::Telemetry {
        otlp_endpoint: Some(endpoint),
        otlp_ca_file: Some("/nowhere/ca.pem".into()),
        ..config(config::LogFormat::Json)
    };
    let error = pipeline(&missing, "customers", std::io::sink).map(drop).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_up_neither_start_nor_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = format!("http://{address}").parse().unwrap();
    let config = config::Telemetry { otlp_endpoint: Some(endpoint), ..config(config::LogFormat::Json) };
    let (subscriber, guard) = pipeline(&config, "customers", std::io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || tracing::info_span!("request").in_scope(|| {}));
    tokio::time::timeout(3 * EXPORT_TIMEOUT, guard.shutdown()).await.unwrap();
}
