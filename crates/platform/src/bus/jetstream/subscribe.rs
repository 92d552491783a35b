//! Following a stream: an ephemeral consumer that begins now, made again whenever anything is in doubt.
//!
//! Nothing is resumed. A reader that is told of a gap takes from the feed what it lacks, so the consumer needs no memory,
//! no acknowledgements and no replicas. Order and completeness show in the stream's sequence numbers, which rise by one.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;
use futures::{StreamExt as _, stream};
use tokio::sync::watch;

use super::super::{Delivery, Subscription};
use super::connection::Connection;
use super::{message, streams};
use crate::backoff::Backoff;

/// How long a request for more messages stays open.
const EXPIRES: Duration = Duration::from_secs(30);

/// How often the server says that it is still there; twice as long a silence counts as a loss.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the server keeps a consumer nobody asks for messages.
const INACTIVE: Duration = Duration::from_mins(1);

/// How long to wait at least and at most between two attempts to find the bus again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

pub(super) fn follow(connection: Arc<Connection>, source: String) -> Subscription {
    let follower = Follower { connection, source, state: State::Start };
    Subscription::new(stream::unfold(follower, |mut follower| async move {
        let delivery = follower.next().await;
        Some((delivery, follower))
    }))
}

struct Follower {
    connection: Arc<Connection>,
    source: String,
    state: State,
}

enum State {
    Start,
    /// Not following.
    Away(Away),
    Following(Box<Live>),
}

/// A search for the bus.
struct Away {
    pauses: Backoff,
    /// It has been logged that the bus is away; an outage is told once, not at every attempt.
    told: bool,
}

impl Away {
    fn new() -> Self {
        Self { pauses: Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE), told: false }
    }

    async fn pause(&mut self, source: &str, error: &Error) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(source, %error, cause = error.source.as_deref(), "cannot follow the bus, trying on");
        }
        self.pauses.pause().await;
    }
}

/// A consumer that delivers.
struct Live {
    messages: pull::Stream,
    source: String,
    /// Sequence number in the stream of the message before the next.
    last: u64,
    /// The event behind a gap, delivered after it.
    held: Option<Event>,
    losses: watch::Receiver<u64>,
}

/// Why a consumer delivers no more.
struct Lost(String);

impl Follower {
    async fn next(&mut self) -> Delivery {
        match &mut self.state {
            State::Start => {
                self.state = State::Away(Away::new());
                return Delivery::Gap;
            }
            State::Following(live) => match live.next().await {
                Ok(delivery) => return delivery,
                Err(Lost(reason)) => {
                    tracing::warn!(source = %self.source, reason, "lost the bus, following it anew");
                    self.state = State::Away(Away::new());
                    return Delivery::Gap;
                }
            },
            State::Away(_) => {}
        }
        // The gap comes once the new consumer stands: what is committed before it is in the feed, what is published
        // after it is delivered. While the bus is away it comes after each pause, for the reader to look at the feed.
        match self.begin().await {
            Ok(live) => {
                tracing::info!(source = %self.source, "following the bus");
                self.state = State::Following(Box::new(live));
            }
            Err(error) => {
                if let State::Away(away) = &mut self.state {
                    away.pause(&self.source, &error).await;
                }
            }
        }
        Delivery::Gap
    }

    async fn begin(&self) -> Result<Live, Error> {
        let away = |error| {
            Error::unavailable("the stream cannot be followed").with_reason("BUS_UNAVAILABLE").with_source(error)
        };
        let losses = self.connection.losses();
        let jetstream = self.connection.context().await?;
        let config = &self.connection.config;
        let stream = jetstream
            // Only the context itself makes its stream, when its relay begins: nobody else needs the right to.
            .get_stream(streams::name(&self.source))
            .await
            .map_err(|error| away(async_nats::Error::from(error)))?;
        let consumer = stream
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::New,
                ack_policy: AckPolicy::None,
                inactive_threshold: INACTIVE,
                num_replicas: 1,
                memory_storage: true,
                ..pull::Config::default()
            })
            .await
            .map_err(|error| away(error.into()))?;
        let last = consumer.cached_info().delivered.stream_sequence;
        let messages = consumer
            .stream()
            .max_messages_per_batch(usize::from(config.prefetch.get()))
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| away(error.into()))?;
        Ok(Live { messages, source: self.source.clone(), last, held: None, losses })
    }
}

impl Live {
    async fn next(&mut self) -> Result<Delivery, Lost> {
        if let Some(event) = self.held.take() {
            return Ok(Delivery::Event(event));
        }
        let message = tokio::select! {
            biased;
            message = self.messages.next() => message,
            _ = self.losses.changed() => return Err(Lost("the connection was lost".to_owned())),
        };
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Lost(error.to_string())),
            None => return Err(Lost("the consumer has ended".to_owned())),
        };
        let sequence = match message.info() {
            Ok(info) => info.stream_sequence,
            Err(error) => return Err(Lost(format!("a message without a sequence number: {error}"))),
        };
        let in_order = sequence == self.last + 1;
        self.last = sequence;
        match message::decode(&message) {
            // Who may follow another context can have its events delivered anywhere, in this stream too.
            Ok(event) if event.context != self.source => {
                tracing::warn!(subject = %message.subject, context = event.context, "an event of another context is in the stream");
                Ok(Delivery::Gap)
            }
            Ok(event) if in_order => Ok(Delivery::Event(event)),
            Ok(event) => {
                self.held = Some(event);
                Ok(Delivery::Gap)
            }
            Err(error) => {
                tracing::warn!(subject = %message.subject, %error, "a message on the bus is no event of ours");
                Ok(Delivery::Gap)
            }
        }
    }
}
