//! The streams, one for each context, and their settings.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::config;

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
        // Nats refuses a window longer than the messages live.
        duplicate_window: config.duplicate_window.min(config.max_age),
        ..Config::default()
    }
}
