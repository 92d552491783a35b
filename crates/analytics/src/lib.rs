//! Analytics: what a customer is worth and what happened with them, kept from the events of other contexts alone.
//!
//! - `domain`: documents (orders, credit notes), what their changes add to sums, figures, months, timeline
//! - `app`: applying what is told, answering questions, building again
//! - `store`: SQL
//! - `grpc`: Metrics, Reports, Timeline, Feed, Operations
//! - `events`: one handler for each context that is followed
//! - [`config`], [`service`]: how it is configured and built

mod app;
pub mod config;
mod domain;
mod error;
mod events;
mod grpc;
pub mod service;
mod store;

use sqlx::migrate::Migrator;

pub use config::Config;
pub use error::Error;
pub use service::build;

/// The tables of analytics.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/analytics");

/// Name of the service and of its schema.
pub const NAME: &str = "analytics";

/// The contexts that are followed, as the feed names them.
const CUSTOMERS: &str = "customers";
const ORDERS: &str = "orders";
const MESSAGING: &str = "messaging";
const CAMPAIGNS: &str = "campaigns";

/// The consumers, as cursors and operators name them.
const CUSTOMERS_CONSUMER: &str = "analytics.customers";
const ORDERS_CONSUMER: &str = "analytics.orders";
const MESSAGING_CONSUMER: &str = "analytics.messaging";
const CAMPAIGNS_CONSUMER: &str = "analytics.campaigns";
