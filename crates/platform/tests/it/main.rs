//! The platform over real parts: PostgreSQL, NATS, gRPC.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod cluster;
mod delivery;
mod guard;
mod journal;
mod master_keys;
mod migrations;
mod ready;
mod requests;
mod restored;
mod support;
mod transaction;
