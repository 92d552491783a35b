//! Campaigns: segments of customers and who belongs to them.
//!
//! - `domain`: customers as rules see them, fields, rules, segments, memberships; no IO
//! - `app`: use cases: segments, counting, and what keeps memberships current (events, time, builds)
//! - `store`: SQL
//! - `grpc`: Segments, Memberships, Feed, Operations
//! - `events`: what is followed, and what is told
//! - `contract`: between the domain and the messages that stand for it
//! - [`config`], [`service`]: how it is configured and built

mod app;
pub mod config;
mod contract;
mod domain;
mod error;
mod events;
mod grpc;
pub mod service;
mod store;

pub use config::{Config, DEFAULT};
pub use error::Error;
pub use service::build;

/// Name of the service, of its schema and of its section of the configuration.
pub const NAME: &str = "campaigns";

/// The consumers, as cursors and operators name them.
const ANALYTICS_CONSUMER: &str = "campaigns.analytics";
const CUSTOMERS_CONSUMER: &str = "campaigns.customers";

/// The migrations of the context's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/campaigns");
