//! What the tests of all services share: real parts, quickly made.
//!
//! - [`configuration`]: a service's section, and whether its defaults are documented
//! - [`clock`]: a clock that the test drives
//! - [`database`]: a fresh database for each test, copied from a migrated template, used as the runtime role
//! - [`issuer`]: signs tokens and publishes its keys over the real gRPC service, as identity does
//! - [`harness`]: a service running behind the real guard, with relay and consumers, in this process
//! - [`journal`]: the journal of a context that is not under test
//! - [`mail`]: a mail server that knows nothing of us, as a process of its own
//! - [`smtp`]: a mail server that does what a test tells it to

pub mod clock;
pub mod cluster;
pub mod configuration;
pub mod database;
pub mod harness;
pub mod issuer;
pub mod journal;
pub mod mail;
pub mod smtp;
pub mod wait;

pub use clock::TestClock;
pub use database::TestDatabase;
pub use harness::Harness;
pub use issuer::Issuer;
pub use journal::Journal;
pub use mail::MailServer;
pub use smtp::SmtpServer;
pub use wait::{eventually, eventually_within};
