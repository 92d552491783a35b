//! Messaging: letters and dialogs with customers, and what the house tells colleagues. It is the one place from which
//! anything is sent.
//!
//! - `domain`: what these things are and the rules they keep
//! - `app`: use cases and questions, and the worker that sends
//! - `store`: SQL
//! - `sender`: the ways out of the house: a mail server, or the captured mailbox
//! - `grpc`: messages in and out
//! - `contract`: between what messaging knows and the messages that stand for it
//! - `events`: what messaging learns from others, and tells them
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
mod sender;
mod service;
mod store;

pub use config::{Config, DEFAULT, SmtpTls};
pub use error::Error;
pub use service::build;

/// Name of the service, of its schema and of its section of the configuration.
pub const NAME: &str = "messaging";

/// The migrations of the context's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/messaging");
