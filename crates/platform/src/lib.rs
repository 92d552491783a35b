//! What every service of Clientele stands on, so that a service is its domain and little else.
//!
//! - [`config`]: documented defaults, file, environment
//! - [`telemetry`]: logs, traces, metrics
//! - [`lifecycle`]: tasks and an orderly end
//! - [`postgres`]: schema, unit of work, journal, sealing, idempotency
//! - [`feed`], [`relay`], [`bus`], [`consumer`], [`event`]: from the journal of one service to the tables of another
//! - [`command`]: a request that changes something, and its repetition
//! - [`filter`]: filters of lists, typed by declared fields
//! - [`lease`], [`backoff`]: work that one replica at a time does, and pauses before what failed is tried again
//! - [`grpc`], [`caller`], [`proto`]: the way in and out, in whose name, and between plain values and messages
//! - [`service`], [`run`]: what a service is made of, how it runs
//! - [`ready`], [`monitor`], [`sample`]: whether it can serve, what watches it, how far it is

pub mod backoff;
pub mod bus;
pub mod caller;
mod clock;
pub mod command;
pub mod config;
pub mod consumer;
pub mod event;
pub mod feed;
pub mod filter;
pub mod grpc;
pub mod lease;
pub mod lifecycle;
pub mod monitor;
pub mod postgres;
pub mod proto;
pub mod ready;
pub mod relay;
pub mod run;
pub mod sample;
pub mod service;
pub mod telemetry;
pub mod tls;
pub mod together;

pub use backoff::Backoff;
pub use caller::{Caller, Permissions};
pub use clock::clock;
pub use command::{Begun, Command};
pub use ready::Readiness;
pub use run::{Host, run};
pub use service::{Deps, Service, Task};
pub use tls::install_crypto;
pub use together::{Gathered, Together, together};
