//! Log lines, with the ids of the trace they belong to.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{Format, JsonFields, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// One JSON object a line: `trace_id` and `span_id` where there is a trace, then time, level, fields, span.
pub(super) fn json<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let inner = lines::format().json().flatten_event(true).with_current_span(true).with_span_list(false);
    Box::new(
        lines::layer()
            .fmt_fields(JsonFields::new())
            .event_format(Traced { inner, splice: after_brace })
            .with_writer(writer),
    )
}

/// Lines for people, the trace id in front of those that have one.
pub(super) fn text<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let inner: Format = lines::format().with_target(true);
    Box::new(lines::layer().with_ansi(false).event_format(Traced { inner, splice: in_front }).with_writer(writer))
}

/// Puts the ids of the current trace into lines another format writes.
struct Traced<F> {
    inner: F,
    splice: fn(&mut Writer<'_>, Option<&Ids>, &str) -> fmt::Result,
}

struct Ids {
    trace: String,
    span: String,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        // The span layer keeps OpenTelemetry's current context in step with the span that is entered.
        let current = Context::current();
        let span = current.span().span_context().clone();
        let ids = span.is_valid().then(|| Ids { trace: span.trace_id().to_string(), span: span.span_id().to_string() });
        (self.splice)(&mut writer, ids.as_ref(), &line)
    }
}

fn after_brace(writer: &mut Writer<'_>, ids: Option<&Ids>, line: &str) -> fmt::Result {
    match (ids, line.strip_prefix('{')) {
        (Some(ids), Some(rest)) => {
            write!(writer, r#"{{"trace_id":"{}","span_id":"{}",{rest}"#, ids.trace, ids.span)
        }
        _ => writer.write_str(line),
    }
}

fn in_front(writer: &mut Writer<'_>, ids: Option<&Ids>, line: &str) -> fmt::Result {
    match ids {
        Some(ids) => write!(writer, "{} {line}", ids.trace),
        None => writer.write_str(line),
    }
}
