//! The platform over real parts: PostgreSQL, NATS, gRPC.

mod delivery;
mod journal;
mod requests;
mod support;
