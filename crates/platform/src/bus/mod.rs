//! The bus: what brings the events of one context to the others quickly.
//!
//! The bus may lose events, repeat them, and be away altogether: the truth is the feed of the context. What it promises
//! is this. Events of one partition published one after the other over one bus arrive in that order. A subscriber that
//! may have missed something is told so by a [`Delivery::Gap`] and then looks at the feed. A slow subscriber never holds
//! up whoever publishes: it gets a gap instead.
//!
//! - [`in_process`]: within one process
//! - [`jetstream`]: between processes, over NATS JetStream

pub mod in_process;
pub mod jetstream;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::config;

pub use self::in_process::InProcess;
pub use self::jetstream::{Found, JetStream};

/// Carries events from the context that wrote them to those who follow it.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// Makes ready to publish events of a context, so that others can follow them before there are any.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the bus is away or too slow, `BUS_SETTINGS` when events can be published, but to a stream that is
    /// not as configured.
    async fn prepare(&self, context: &str) -> Result<(), Error> {
        check_source(context)
    }

    /// Looks whether the bus can be reached.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the bus is away, `FAILED_PRECONDITION` when it refuses us.
    async fn reach(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Publishes events in their order; returns once the bus has taken charge of all of them. After an error some of
    /// them may have been published: publishing all of them again does no harm.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the bus is away or too slow.
    async fn publish(&self, events: &[Event]) -> Result<(), Error>;

    /// Follows the events of a context, beginning now. The first delivery is a gap.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `source` is not the name of a context. A bus that is away is no error: the subscription
    /// goes on trying.
    async fn subscribe(&self, source: &str) -> Result<Subscription, Error>;
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every delivery is an event, so boxing would cost each and save none"
)]
pub enum Delivery {
    /// The next event. It may have come before.
    Event(Event),
    /// Something may have been missed: look at the feed. While the bus is away there is one every few seconds, so that
    /// whoever reads the feed at each stays close behind.
    Gap,
}

/// Deliveries of one context, in order. Dropping it ends it.
pub struct Subscription {
    deliveries: BoxStream<'static, Delivery>,
}

impl Subscription {
    fn new(deliveries: impl futures::Stream<Item = Delivery> + Send + 'static) -> Self {
        Self { deliveries: deliveries.boxed() }
    }

    /// Waits for the next delivery; `None` once the bus is gone for good. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.next().await
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// The bus the configuration asks for.
///
/// A NATS that cannot be reached is no error, since the feed does without it: the bus goes on trying. One that is too
/// old, or refuses us, is.
pub async fn open(config: &config::Bus) -> Result<Arc<dyn Bus>, Error> {
    match config.kind {
        config::BusKind::InProcess => Ok(Arc::new(InProcess::new(config.buffer))),
        config::BusKind::JetStream => {
            let bus = JetStream::try_new(config.clone())?;
            match bus.connect().await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "starting without the bus, until it can be reached");
                }
                other => other?,
            }
            Ok(Arc::new(bus))
        }
    }
}

/// Checks that a context's name can be a part of names on the bus.
fn check_source(source: &str) -> Result<(), Error> {
    let letters = |c: char| c.is_ascii_lowercase() || c == '_';
    if !source.is_empty() && source.len() <= 32 && source.chars().all(letters) {
        return Ok(());
    }
    let shown = clientele_kernel::error::shorten(source);
    Err(Error::invalid("source", format!("`{shown}` is no name of a context; it is 1 to 32 of a-z and _")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_name_of_a_context_is_refused() {
        let bus = InProcess::new(std::num::NonZeroU16::MIN);
        for source in ["", "orders.>", "Orders", "or ders", &"x".repeat(33)] {
            let error = bus.subscribe(source).await.unwrap_err();
            assert_eq!(error.violations[0].field, "source", "{source}");
        }
    }
}
