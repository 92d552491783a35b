//! Identity: who may use Clientele, and how they prove it. Users, groups with permissions, stores, sessions, API keys,
//! and the short-lived signed tokens that every service verifies by itself.
//!
//! - `domain`: entities, values and rules, without IO
//! - `app`: use cases that change state, and questions that do not
//! - `store`: SQL, row types, mapping
//! - `grpc`: one gRPC service per aggregate
//! - `contract`: the messages that stand for the aggregates, in answers and in the journal
//! - `events`: what is told to others
//! - `bootstrap`: the first administrator
//! - `restored`: what is to be done after the database was restored from a backup
//! - `rewrap`: signing keys when the master key is replaced
//! - `config`, `error`, `service`: the section of the configuration, what can go wrong, where the parts meet

mod app;
mod bootstrap;
mod config;
mod contract;
mod domain;
mod error;
mod events;
mod grpc;
mod restored;
mod rewrap;
mod service;
mod store;

pub use bootstrap::{GeneratedPassword, bootstrap};
pub use config::{Config, DEFAULT};
pub use error::Error;
pub use restored::end_sessions;
pub use rewrap::{master_keys, rewrap};
pub use service::build;

/// Name of the service, of its schema and of its section in the configuration.
pub const NAME: &str = "identity";

/// The migrations of identity's schema.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/identity");
