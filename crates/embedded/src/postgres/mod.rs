//! A private PostgreSQL cluster: never the system's own, reachable only through a Unix socket in a folder closed to
//! everybody else.
//!
//! | Module | What it holds |
//! |---|---|
//! | `programs` | finding PostgreSQL's programs: [`find_postgres`], [`PostgresPrograms`] |
//! | `fetch` | installing them: [`ensure_postgres`] |
//! | `cluster` | the data folder: first start, leftovers of a crash, the socket's folder |
//! | `backup` | copies of a running cluster, and clusters made from copies: [`Running`], [`Recovery`], [`Timeline`] |
//! | `server` | the running server: [`Postgres`], [`PostgresOptions`] |

mod backup;
mod cluster;
mod fetch;
mod programs;
mod server;

pub use backup::{Recovery, Running, Timeline, later_timelines, verify_copy};
pub use fetch::ensure_postgres;
pub use programs::{MINIMUM_VERSION, PostgresPrograms, find_postgres};
pub use server::{Postgres, PostgresOptions};
