//! Messaging: letters and dialogs with customers, and what the house tells colleagues. It is the one place from which
//! anything is sent.
//!
//! A request goes straight through the layers, and back:
//!
//! - [`grpc`]: decodes and encodes; one file for each gRPC service
//! - [`app`]: runs the use case in a unit of work, and the worker that sends
//! - [`domain`]: decides, and knows nothing of the others
//! - [`store`]: reads and writes
//! - [`sender`]: the ways out of the house: a mail server, or the captured mailbox
//! - [`events`]: what messaging learns from others, and tells them
//! - [`contract`]: between messaging and the messages that stand for it
//! - [`restored`]: what is to be done after the database was restored from a backup
//! - [`service`]: puts the parts together
//!
//! The README beside this crate holds the rules in words and the decisions behind them.

mod app;
mod config;
mod contract;
mod domain;
mod error;
mod events;
mod grpc;
mod restored;
mod sender;
mod service;
mod store;

pub use config::{Config, DEFAULT, SmtpTls};
pub use error::Error;
pub use restored::hold_letters;
pub use service::build;

/// Finds out whether the configured mail server takes us, without a letter. The error says where it stops.
pub async fn greet_mail_server(config: &Config) -> Result<(), clientele_kernel::Error> {
    config.check()?;
    sender::greet(config).await
}

/// Name of the service, of its schema and of its section of the configuration.
pub const NAME: &str = "messaging";

/// The migrations of the context's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/messaging");
