//! Campaigns as a whole: events in, memberships out, against a real database, behind the real guard, with the real
//! consumers and workers.
#![expect(clippy::unwrap_used, reason = "a test ends where a step of it fails")]

mod agreement;
mod build;
mod event;
mod history;
mod relearn;
mod scale;
mod segment;
mod source;
mod time;
mod world;
