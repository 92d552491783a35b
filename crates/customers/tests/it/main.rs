//! The customers service as its callers meet it: behind the real guard, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod consent;
mod customer;
mod duplicate;
mod feed;
mod history;
mod hostile;
mod identity;
mod import;
mod listing;
mod neighbours;
mod upsert;
mod world;
