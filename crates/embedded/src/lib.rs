//! Private child processes: a PostgreSQL cluster of our own and, for tests, a nats-server and a mail server.
//!
//! `clientele up`, the test kit and the chores stand on this crate so that a newcomer needs no database to be set up
//! first. A service never does: it is given addresses.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`postgres`] | find, install and run PostgreSQL: [`Postgres`], [`PostgresOptions`], [`find_postgres`], [`ensure_postgres`] |
//! | [`nats`] | the same for nats-server: [`NatsServer`], [`NatsOptions`], [`find_nats_server`], [`ensure_nats_server`] |
//! | [`pgbouncer`] | the same for PgBouncer: [`PgBouncer`], [`find_pgbouncer`], [`ensure_pgbouncer`] |
//! | [`mail`] | a mail server for tests: [`MailServer`], [`MailOptions`], [`ensure_mail_server`] |
//! | [`python`] | pinned packages of the Python registry: [`PythonPackages`], [`ensure_python_packages`] |
//! | [`install`] | fetching programs: the system's packages, the npm and the Python registries |
//! | [`lock`] | [`DataDirLock`]: one supervisor per data folder |
//! | `child` | one supervised child: its exit is known, its log is forwarded, it does not outlive us |
//! | `account` | whom a child runs as, and whether that account can reach a folder |
//! | `folder` | creating folders with the permissions a child needs |
//! | `process` | what the system knows of a process that is not our child |
//! | `tool` | running a short-lived program under a deadline |

mod account;
mod child;
mod error;
mod folder;
pub mod install;
pub mod lock;
pub mod mail;
pub mod nats;
pub mod pgbouncer;
pub mod postgres;
mod process;
pub mod python;
mod tool;

pub use child::Exit;
pub use error::{Error, Result};
pub use folder::scratch_dir;
pub use install::cache_dir;
pub use lock::DataDirLock;
pub use mail::{MailOptions, MailServer, ensure_mail_server};
pub use nats::{NatsOptions, NatsServer, ensure_nats_server, find_nats_server};
pub use pgbouncer::{PgBouncer, ensure_pgbouncer, find_pgbouncer};
pub use postgres::{
    Postgres, PostgresOptions, PostgresPrograms, Recovery, Running, Timeline, ensure_postgres, find_postgres,
    later_timelines, verify_copy,
};
pub use python::{PythonPackages, ensure_python_packages};
