//! An OpenTelemetry collector that keeps what it gets.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    /// In hexadecimal digits, as headers and logs write it.
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_id: String,
}

/// The collector's memory. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Seen>>>,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// Serves on a free port until the test ends, and gives the address.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, format!("http://{address}"))
    }

    /// The spans of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Seen> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace_id == id).cloned().collect()
    }

    /// Everything that arrived, as it was on the wire.
    pub(crate) fn everything(&self) -> Vec<u8> {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, message: &impl Message) {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).extend(message.encode_to_vec());
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        self.keep(&request);
        for of_service in request.resource_spans {
            let attributes = of_service.resource.map(|resource| resource.attributes).unwrap_or_default();
            let name =
                attributes.iter().find(|pair| pair.key == "service.name").map(|pair| format!("{:?}", pair.value));
            let service = name.unwrap_or_default();
            for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
                    service: service.clone(),
                    name: span.name.clone(),
                    trace_id: digits(&span.trace_id),
                    span_id: digits(&span.span_id),
                    parent_id: digits(&span.parent_span_id),
                });
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
        self.keep(&request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn digits(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
