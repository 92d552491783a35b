//! Campaigns: segments of customers and who belongs to them.

mod config;
mod grpc;
mod service;

pub use config::{Config, DEFAULT};
pub use service::build;

/// Name of the service, of its schema and of its section of the configuration.
pub const NAME: &str = "campaigns";

/// The migrations of the context's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/campaigns");
