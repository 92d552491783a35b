//! Orders as a service: over its real gRPC face, behind the real guard, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test ends where a step of it fails")]

mod batch;
mod credit_notes;
mod customers;
mod events;
mod lists;
mod orders;
mod products;
mod reverts;
mod statuses;
mod world;
