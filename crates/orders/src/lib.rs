//! Orders: the catalogue, orders with their lines, statuses and payments, and credit notes. Their amounts are what the
//! figures of a customer are made of, so all is exact: fixed-point quantities and prices, amounts rounded once.
//!
//! - `domain`: what these things are and the rules they keep
//! - `app`: use cases and questions
//! - `store`: SQL
//! - `grpc`: messages in and out
//! - `contract`: between what orders knows and the messages that stand for it
//! - `events`: what orders learns from customers, and tells the others
//! - [`build`]: where the parts meet
//!
//! The README beside this crate holds the rules in words and the decisions behind them.

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

/// Name of the service, of its schema and of its section of the configuration.
pub const NAME: &str = "orders";

/// The migrations of the schema `orders`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/orders");
