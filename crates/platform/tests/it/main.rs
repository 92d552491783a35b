//! The platform over real parts: PostgreSQL, NATS, gRPC.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod delivery;
mod journal;
mod requests;
mod support;
mod transaction;
