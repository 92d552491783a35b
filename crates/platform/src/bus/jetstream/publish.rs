//! Publishing: in order, many at once without waiting for each acknowledgement, and again when something was lost.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use backon::Retryable as _;
use bytes::Bytes;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};

use super::connection::Connection;
use super::streams::Kept;
use super::{message, streams};
use crate::backoff;

#[derive(Debug)]
pub(super) struct Publisher {
    connection: Arc<Connection>,
    /// Contexts whose stream is known to be there.
    ready: Mutex<HashMap<String, Kept>>,
}

/// An event on its way, cheap to send again.
#[derive(Debug, Clone)]
struct Outgoing {
    id: String,
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

impl Publisher {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, ready: Mutex::default() }
    }

    pub(super) async fn prepare(&self, context: &str) -> Result<(), Error> {
        let stream = streams::name(context);
        let ready = async { self.make_ready(self.connection.context().await?, context).await };
        let kept = tokio::time::timeout(self.connection.config.publish_timeout, ready)
            .await
            .unwrap_or_else(|_| Err(away(format!("nats has not shown or made the stream {stream} in time"))))?;
        match kept {
            Kept::Declared => Ok(()),
            Kept::Otherwise => Err(Error::failed_precondition(
                "BUS_SETTINGS",
                format!("nats does not let us give the stream {stream} the settings of `[bus]`"),
            )),
        }
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let outgoing = events
            .iter()
            .map(|event| {
                let (subject, headers, payload) = message::encode(event)?;
                Ok(Outgoing { id: event.id.clone(), subject, headers, payload })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let contexts: HashSet<&str> = events.iter().map(|event| event.context.as_str()).collect();

        // The deadline ends the attempts, so their number has no bound of its own.
        let pauses = backoff::pauses(Duration::from_millis(50), Duration::from_secs(1));
        let attempts = (|| self.attempt(&contexts, &outgoing)).retry(pauses).when(Error::is_transient);
        tokio::time::timeout(self.connection.config.publish_timeout, attempts)
            .await
            .unwrap_or_else(|_| Err(away(format!("nats has not acknowledged {} events in time", outgoing.len()))))
    }

    async fn attempt(&self, contexts: &HashSet<&str>, outgoing: &[Outgoing]) -> Result<(), Error> {
        let jetstream = self.connection.context().await?;
        for context in contexts {
            self.make_ready(jetstream, context).await?;
        }
        let in_flight = usize::from(self.connection.config.max_in_flight.get());
        let result = stream::iter(outgoing.to_vec())
            // Sent one after the other, which keeps their order; waited for together.
            .then(|event| send(jetstream.clone(), event))
            .map(|sent| async { sent?.acknowledged().await })
            .buffered(in_flight)
            .try_for_each(|()| future::ready(Ok(())))
            .await;
        result.map_err(|error| {
            if error.kind() == PublishErrorKind::StreamNotFound {
                tracing::warn!("a stream of the bus is gone, making it again");
                self.ready().clear();
            }
            away("nats did not take an event").with_source(error)
        })
    }

    /// Makes the context's stream, or brings its settings up to date, the first time and after it was lost.
    async fn make_ready(&self, jetstream: &jetstream::Context, context: &str) -> Result<Kept, Error> {
        if let Some(kept) = self.ready().get(context) {
            return Ok(*kept);
        }
        let kept = streams::keep(jetstream, &streams::settings(&self.connection.config, context)).await?;
        self.ready().insert(context.to_owned(), kept);
        Ok(kept)
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event that has been sent; `None` for one that never can be.
struct Sent(Option<jetstream::context::PublishAckFuture>);

impl Sent {
    async fn acknowledged(self) -> Result<(), PublishError> {
        match self.0 {
            Some(acknowledgement) => acknowledgement.await.map(|_| ()),
            None => Ok(()),
        }
    }
}

async fn send(jetstream: jetstream::Context, event: Outgoing) -> Result<Sent, PublishError> {
    let publish = PublishMessage::build().headers(event.headers).payload(event.payload.clone());
    match jetstream.send_publish(event.subject, publish).await {
        Ok(acknowledgement) => Ok(Sent(Some(acknowledgement))),
        // It would hold up all that follow for ever. Readers find its position missing and take it from the feed.
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            tracing::error!(event = %event.id, bytes = event.payload.len(), "event is too large for nats, left to the feed");
            Ok(Sent(None))
        }
        Err(error) => Err(error),
    }
}

fn away(message: impl Into<String>) -> Error {
    Error::unavailable(message).with_reason("BUS_UNAVAILABLE")
}
