//! PostgreSQL: the pool of a service's schema, migrations, the unit of work with its journal, sealing.

mod bootstrap;
mod column;
mod error;
pub mod journal;
mod keyring;
mod migrate;
mod request_log;
mod transaction;
mod unit_of_work;

use std::sync::Arc;
use std::time::Duration;

use clientele_kernel::{Clock, Entropy, Ids};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::Notify;

pub use bootstrap::{bootstrap, owner_role, runtime_role};
pub use column::pattern;
pub use error::{Error, assert_one, assert_rows, constraint};
pub use keyring::{Keyring, MasterKey, Subject};
pub use migrate::{PLATFORM_MIGRATIONS, migrate};
pub use request_log::purge as purge_request_log;
pub(crate) use unit_of_work::any;
pub use unit_of_work::{Entry, UnitOfWork};

pub use crate::column;

use crate::caller::Caller;

/// How a service reaches its schema.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// Where the database is, with the role to use.
    pub url: SecretString,
    /// At most so many connections.
    pub max_connections: u32,
    /// How long to wait for a free one.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock.
    pub lock_timeout: Duration,
}

/// A service's own schema, with what a unit of work needs. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) pool: PgPool,
    pub(crate) context: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) keyring: Keyring,
    pub(crate) committed: Arc<Notify>,
}

impl Database {
    /// A database over an open pool. `context` is the name of the service and of its schema.
    pub fn new(
        pool: PgPool,
        context: &'static str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        keyring: Keyring,
    ) -> Self {
        let ids = Ids::new(clock.clone(), entropy);
        Self { pool, context, clock, ids, keyring, committed: Arc::new(Notify::new()) }
    }

    /// The pool, for reads that need no unit of work.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Name of the service and of its schema.
    pub fn context(&self) -> &'static str {
        self.context
    }

    /// The clock by which it is now.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Where ids come from.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The keys under which private payloads and secrets are sealed.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Begins a unit of work in the name of the caller. Dropping it rolls back.
    pub async fn begin(&self, caller: &Caller) -> Result<UnitOfWork, Error> {
        UnitOfWork::begin(self, caller).await
    }

    /// Resolves when a unit of work with events has committed in this process since the last call.
    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Opens a pool whose connections see the schema of `context` and end statements that run too long.
pub async fn connect(options: &DatabaseOptions, context: &str) -> Result<PgPool, Error> {
    let connect = connect_options(options, context)?;
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_with(connect)
        .await?;
    Ok(pool)
}

/// A pool as [`connect`] gives, that connects when it is first used: for a service that starts before its database.
pub fn connect_lazy(options: &DatabaseOptions, context: &str) -> Result<PgPool, Error> {
    let connect = connect_options(options, context)?;
    Ok(PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_lazy_with(connect))
}

fn connect_options(options: &DatabaseOptions, context: &str) -> Result<PgConnectOptions, Error> {
    let statement_ms = options.statement_timeout.as_millis().to_string();
    // The context's own tables first; `public` for what extensions bring.
    let search_path = format!("{context},public");
    let lock_ms = options.lock_timeout.as_millis().to_string();
    Ok(options
        .url
        .expose_secret()
        .parse::<PgConnectOptions>()?
        .application_name(&format!("clientele-{context}"))
        .options([
            ("search_path", search_path.as_str()),
            ("statement_timeout", statement_ms.as_str()),
            ("lock_timeout", lock_ms.as_str()),
            ("idle_in_transaction_session_timeout", "60000"),
        ])
        .statement_cache_capacity(256))
}
