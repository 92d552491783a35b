//! The bus between processes, over NATS JetStream.
//!
//! Each context has a stream, `CLIENTELE_<CONTEXT>`, that takes `clientele.<context>.v1.>`. The stream is a fast way and
//! nothing more: it is trimmed by age and size, it may be lost and is made again. So NATS may acknowledge before its disk
//! has synced, which is its default and many times as fast; whatever that may lose, the feed has.
//!
//! Whoever may change a stream can have it copy messages to subjects that it may not publish on. So where NATS knows its
//! users, services only look at streams, and `clientele migrate` makes and changes them.
//!
//! - `connection`: one connection, its version check, its losses
//! - `streams`: the settings of streams, in one place
//! - `message`: an event as subject, headers and payload, and back
//! - `publish`, `subscribe`: the two directions

mod connection;
mod message;
mod publish;
mod streams;
mod subscribe;

use std::sync::Arc;

use async_trait::async_trait;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;

use self::connection::Connection;
use self::publish::Publisher;
pub use self::streams::Found;
use super::{Bus, Subscription, check_source};
use crate::config;

/// Carries events over NATS JetStream.
#[derive(Debug)]
pub struct JetStream {
    connection: Arc<Connection>,
    publisher: Publisher,
}

impl JetStream {
    /// A bus that connects when it is first used.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the addresses or files of the configuration cannot be read.
    pub fn try_new(config: config::Bus) -> Result<Self, Error> {
        let connection = Arc::new(Connection::try_new(config)?);
        Ok(Self { publisher: Publisher::new(connection.clone()), connection })
    }

    /// Connects now.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when the server is too old or refuses us, `UNAVAILABLE` when it cannot be reached.
    pub async fn connect(&self) -> Result<(), Error> {
        self.connection.context().await.map(|_| ())
    }

    /// Looks for the stream of a context, and changes nothing.
    ///
    /// # Errors
    /// As of [`JetStream::connect`], and `UNAVAILABLE` when the server does not show it.
    pub async fn look(&self, context: &str) -> Result<Found, Error> {
        check_source(context)?;
        streams::look(self.connection.context().await?, &streams::settings(&self.connection.config, context)).await
    }
}

#[async_trait]
impl Bus for JetStream {
    async fn reach(&self) -> Result<(), Error> {
        self.connect().await
    }

    async fn prepare(&self, context: &str) -> Result<(), Error> {
        check_source(context)?;
        self.publisher.prepare(context).await
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        self.publisher.publish(events).await
    }

    async fn subscribe(&self, source: &str) -> Result<Subscription, Error> {
        check_source(source)?;
        Ok(subscribe::follow(self.connection.clone(), source.to_owned()))
    }
}
