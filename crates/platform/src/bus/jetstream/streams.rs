//! The streams, one for each context, and their settings: here and in the section `[bus]` of the configuration, and
//! nowhere else.

use async_nats::jetstream;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Compression, Config, DiscardPolicy, RetentionPolicy, StorageType};
use clientele_kernel::Error;

use crate::config;

/// What nats calls "no limit".
const UNLIMITED: i64 = -1;

/// Name of a context's stream.
pub(super) fn name(context: &str) -> String {
    format!("CLIENTELE_{}", context.to_uppercase())
}

/// What a context's stream is to be like.
pub(super) fn settings(config: &config::Bus, context: &str) -> Config {
    Config {
        name: name(context),
        description: Some(format!("events of {context}; the truth is its feed")),
        subjects: vec![format!("clientele.{context}.v1.>")],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: usize::from(config.replicas.get()),
        max_age: config.max_age,
        max_bytes: config.max_bytes,
        max_messages: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        max_consumers: -1,
        max_message_size: -1,
        // Nats refuses a window longer than the messages live.
        duplicate_window: config.duplicate_window.min(config.max_age),
        ..Config::default()
    }
}

/// How a stream stands to what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is as declared.
    Declared,
    /// It is there, and nats does not let us change it.
    Otherwise,
}

/// How the stream of a context is found on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Missing,
    /// It is as the configuration says.
    Declared,
    /// It is there, with other settings.
    Otherwise,
}

/// Looks for a stream, and changes nothing.
pub(super) async fn look(jetstream: &jetstream::Context, declared: &Config) -> Result<Found, Error> {
    let stream = &declared.name;
    match jetstream.get_stream(stream).await {
        Ok(found) if agree(declared, &found.cached_info().config) => Ok(Found::Declared),
        Ok(_) => Ok(Found::Otherwise),
        Err(error) if is_missing(&error) => Ok(Found::Missing),
        Err(error) => Err(away(format!("nats does not show the stream {stream}")).with_source(error)),
    }
}

/// Makes a stream, or brings its settings up to date. Looks first: whoever may only look needs no right to change.
pub(super) async fn keep(jetstream: &jetstream::Context, declared: &Config) -> Result<Kept, Error> {
    let stream = &declared.name;
    match look(jetstream, declared).await? {
        Found::Declared => Ok(Kept::Declared),
        Found::Missing => {
            jetstream.create_stream(declared).await.map_err(|error| {
                away(format!("nats has no stream {stream} and lets us make none; `clientele migrate` makes it"))
                    .with_source(error)
            })?;
            tracing::info!(stream, "made a stream of the bus");
            Ok(Kept::Declared)
        }
        Found::Otherwise => match jetstream.update_stream(declared).await {
            Ok(_) => {
                tracing::info!(stream, "a stream of the bus has new settings");
                Ok(Kept::Declared)
            }
            Err(error) => {
                tracing::warn!(stream, %error, "a stream of the bus differs from the configuration; `clientele migrate` changes it");
                Ok(Kept::Otherwise)
            }
        },
    }
}

fn away(message: String) -> Error {
    Error::unavailable(message).with_reason("BUS_UNAVAILABLE")
}

fn is_missing(error: &jetstream::context::GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404)
}

/// Whether a stream is what is declared, and nothing besides: no copies from elsewhere or to elsewhere.
fn agree(declared: &Config, found: &Config) -> bool {
    let found = Config {
        // The server's own notes, and how it writes that there is none.
        metadata: declared.metadata.clone(),
        compression: found.compression.clone().filter(|compression| *compression != Compression::None),
        consumer_limits: declared.consumer_limits.clone(),
        ..found.clone()
    };
    *declared == found
}
