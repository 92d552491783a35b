//! Messaging over its gRPC face, behind the real guard, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test ends where a step of it fails")]

mod captured;
mod channels;
mod consents;
mod crash;
mod desk;
mod dialogs;
mod emails;
mod ledger_lists;
mod notifications;
mod post;
mod recorded_dialogs;
mod recorded_emails;
mod sending;
mod smtp_process;
mod templates;
mod told;
mod visitors;
