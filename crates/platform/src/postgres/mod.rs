//! PostgreSQL: the pool of a service's schema, migrations, the unit of work with its journal, sealing.

mod bootstrap;
mod column;
mod error;
pub mod journal;
mod keyring;
pub mod master_key;
mod migrate;
mod request_log;
mod restored;
mod transaction;
mod unit_of_work;

use std::sync::Arc;
use std::time::Duration;

use clientele_kernel::{Clock, Entropy, Ids};
use log::LevelFilter;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::{Notify, OnceCell, watch};

pub use bootstrap::{bootstrap, owner_role, runtime_role};
pub use column::pattern;
pub use error::{Error, assert_one, assert_rows, constraint};
pub use keyring::{Keyring, MasterKey, Subject};
pub(crate) use migrate::missing as missing_migrations;
pub use migrate::{PLATFORM_MIGRATIONS, expand, is_contract, migrate};
pub use request_log::purge as purge_request_log;
pub use restored::{InCommon, restored};
pub(crate) use unit_of_work::any;
pub use unit_of_work::{Entry, UnitOfWork};

pub use crate::column;

use crate::caller::Caller;
use crate::telemetry::Metrics;

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
    /// Whether the address is of a pooler that gives out connections by the transaction.
    pub pooled: bool,
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
    /// Rises with each commit of a unit of work.
    pub(crate) commits: Arc<watch::Sender<u64>>,
    metrics: Metrics,
    /// Set once the master keys were found to fit.
    checked: Arc<OnceCell<()>>,
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
        Self {
            pool,
            context,
            clock,
            ids,
            keyring,
            committed: Arc::default(),
            commits: Arc::default(),
            metrics: Metrics::unread(),
            checked: Arc::default(),
        }
    }

    /// The same, with instruments that are read.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The instruments of the process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
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

    /// Looks whether the master keys of the configuration fit what is wrapped in the schema, and changes nothing.
    /// [`Error::MasterKey`] says what does not.
    pub async fn check_master_keys(&self) -> Result<(), Error> {
        master_key::look(self).await.map(drop)
    }

    /// Begins a unit of work in the name of the caller. Dropping it rolls back.
    pub async fn begin(&self, caller: &Caller) -> Result<UnitOfWork, Error> {
        // Nothing is sealed before it is certain that it can be opened again.
        self.checked.get_or_try_init(|| master_key::check(self)).await?;
        UnitOfWork::begin(self, caller).await
    }

    /// Changes with each unit of work that commits in this process: work that waits for one need not look again and again.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
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
    Ok(pool_options(options, context).connect_with(connect_options(options, context)?).await?)
}

/// A pool as [`connect`] gives, that connects when it is first used: for a service that starts before its database.
pub fn connect_lazy(options: &DatabaseOptions, context: &str) -> Result<PgPool, Error> {
    Ok(pool_options(options, context).connect_lazy_with(connect_options(options, context)?))
}

fn pool_options(options: &DatabaseOptions, context: &str) -> PgPoolOptions {
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .acquire_time_level(LevelFilter::Trace);
    if !options.pooled {
        return pool;
    }
    let expected = format!("{context},public");
    pool.after_connect(move |conn, _| {
        let expected = expected.clone();
        Box::pin(async move {
            let found: String =
                sqlx::query_scalar("select current_setting('search_path')").fetch_one(&mut *conn).await?;
            if found.replace(' ', "") == expected {
                return Ok(());
            }
            // Else the tables would be said not to exist.
            let role: String = sqlx::query_scalar("select current_user::text").fetch_one(conn).await?;
            tracing::error!(
                role, found, expected,
                "behind the pooler the role has another search path than it needs: run `clientele migrate`, then `RECONNECT` \
                 at the pooler's console"
            );
            let wrong = format!("the role {role} has the search path `{found}` behind the pooler instead of `{expected}`");
            Err(sqlx::Error::Configuration(wrong.into()))
        })
    })
}

fn connect_options(options: &DatabaseOptions, context: &str) -> Result<PgConnectOptions, Error> {
    let connect = options
        .url
        .expose_secret()
        .parse::<PgConnectOptions>()?
        .application_name(&format!("clientele-{context}"))
        .statement_cache_capacity(256);
    if options.pooled {
        // A pooler passes none of it on: the role has the settings, by [`role_settings`].
        return Ok(connect.extra_float_digits(None));
    }
    let settings = settings(options, context);
    Ok(connect.options(settings.iter().map(|(name, value)| (*name, value.as_str()))))
}

/// What holds on every connection of a service.
fn settings(options: &DatabaseOptions, context: &str) -> [(&'static str, String); 4] {
    [
        // The context's own tables first; `public` for what extensions bring.
        ("search_path", format!("{context},public")),
        ("statement_timeout", options.statement_timeout.as_millis().to_string()),
        ("lock_timeout", options.lock_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
    ]
}

/// Gives the role of a context's service the settings that hold on its connections, for those who connect through a pooler.
/// The connection must be of a role that may change that one; the settings hold in its database.
pub async fn role_settings(conn: &mut PgConnection, context: &str, options: &DatabaseOptions) -> Result<(), Error> {
    let database: String = sqlx::query_scalar("select quote_ident(current_database())").fetch_one(&mut *conn).await?;
    let role = runtime_role(context);
    for (name, value) in settings(options, context) {
        let value = if name == "search_path" { value } else { format!("'{value}'") };
        let statement = format!("alter role {role} in database {database} set {name} = {value}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    Ok(())
}
