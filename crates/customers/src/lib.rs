//! Customers: who they are, how to reach them, and what changed on them when.
//!
//! A request goes straight through the layers, and back:
//!
//! - [`grpc`]: decodes and encodes; one file for each gRPC service
//! - [`app`]: runs the use case in a unit of work
//! - [`domain`]: decides, and knows nothing of the others
//! - [`store`]: reads and writes
//! - [`events`]: what is published of it, by the journal
//! - [`contract`]: between customers and the messages that stand for them
//! - [`service`]: puts the parts together

mod app;
mod config;
mod contract;
mod domain;
mod error;
mod events;
mod grpc;
mod service;
mod store;

pub use config::{Config, DEFAULT};
pub use error::Error;
pub use service::build;

/// The migrations of the context's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/customers");
