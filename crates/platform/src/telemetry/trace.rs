//! W3C trace context: taken from whoever calls, kept with what is written, given to whoever is called.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Name of the header, in gRPC, HTTP and NATS alike.
pub const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the current span, to be kept with an event; `None` outside of any trace.
pub fn current_traceparent() -> Option<String> {
    let mut carrier = Parent(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// Makes the span a child of the trace `traceparent` names. One that cannot be read is passed over: the span then
/// starts a trace of its own. To be called before the span is first entered.
pub fn set_parent(span: &Span, traceparent: &str) {
    let carrier = Parent(Some(traceparent.to_owned()));
    adopt(span, TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier));
}

/// Makes the span a child of the trace that the headers of a request name, if they name one. To be called before the
/// span is first entered.
pub fn extract(span: &Span, headers: &HeaderMap) {
    adopt(span, TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers)));
}

/// Writes the trace of the current span into the headers of a request.
pub fn inject(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut HeadersMut(headers));
}

fn adopt(span: &Span, parent: Context) {
    // Refused where no span layer is installed, or where the span is not recorded: then there is no trace to join.
    if let Err(error) = span.set_parent(parent) {
        tracing::trace!(%error, "the span joins no trace");
    }
}

struct Parent(Option<String>);

impl Injector for Parent {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Parent {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(key), http::HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
