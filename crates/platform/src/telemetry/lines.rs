//! Warnings and errors: counted, all of them, and kept from flooding the log.
//!
//! Where something that everybody needs is away, every request and every worker says so. Of each line of the program as
//! many are written in a minute as help; the others are counted and held back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Filtered, LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Filter};

use super::Metrics;

/// So many of one line are written in a minute.
pub(super) const MOST: u32 = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// What child processes wrote: many lines of theirs are one of ours.
const CHILDREN: &str = "clientele_embedded::log";
/// Where sqlx tells how long it took to get a connection.
const CONNECTIONS: &str = "sqlx::pool::acquire";
/// Where it is told that a connection was not got in time.
pub(crate) const TIMEOUTS: &str = "clientele::connection_timeout";

/// Lets warnings and errors through until there are too many of one kind.
#[derive(Debug, Default, Clone)]
pub(super) struct Bounded(Arc<Mutex<HashMap<Identifier, Written>>>);

#[derive(Debug)]
struct Written {
    since: Instant,
    lines: u32,
}

impl Bounded {
    fn admits(&self, line: Identifier, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = all.entry(line).or_insert(Written { since: now, lines: 0 });
        if now.duration_since(written.since) >= MINUTE {
            *written = Written { since: now, lines: 0 };
        }
        written.lines = written.lines.saturating_add(1);
        written.lines <= MOST
    }
}

impl<S> Filter<S> for Bounded {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let told = event.metadata();
        *told.level() > Level::WARN || told.target() == CHILDREN || self.admits(told.callsite(), Instant::now())
    }
}

/// Counts warnings and errors.
pub(super) struct Counted(Metrics);

impl Counted {
    pub(super) fn layer<S: Subscriber>(metrics: Metrics) -> Filtered<Self, LevelFilter, S> {
        // Whoever watches for a rise needs to have seen the start.
        for level in ["warn", "error"] {
            metrics.logged(level, "clientele", 0);
        }
        Self(metrics).with_filter(LevelFilter::WARN)
    }
}

impl<S: Subscriber> Layer<S> for Counted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let told = event.metadata();
        let level = if *told.level() == Level::ERROR { "error" } else { "warn" };
        // The crate is enough: with modules there would be a series for each file.
        let target = told.target().split("::").next().unwrap_or_default();
        self.0.logged(level, target, 1);
    }
}

/// Measures how long connections to the database are waited for, which sqlx tells in events alone.
pub(super) struct Waits(Metrics);

impl Waits {
    pub(super) fn layer<S: Subscriber>(metrics: Metrics) -> Filtered<Self, Targets, S> {
        metrics.connection_timed_out(0);
        let targets = [(CONNECTIONS, LevelFilter::TRACE), (TIMEOUTS, LevelFilter::TRACE)];
        Self(metrics).with_filter(Targets::new().with_targets(targets))
    }
}

impl<S: Subscriber> Layer<S> for Waits {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == TIMEOUTS {
            self.0.connection_timed_out(1);
            return;
        }
        let mut waited = Waited(None);
        event.record(&mut waited);
        if let Waited(Some(seconds)) = waited {
            self.0.connection_waited(seconds);
        }
    }
}

struct Waited(Option<f64>);

impl Visit for Waited {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "acquired_after_secs" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
