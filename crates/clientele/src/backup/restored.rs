//! What is to be done to a database after it was restored from a backup, before a service starts on it: others must learn
//! that positions of its journals are given once more, letters that waited may have been sent since, and sessions may have
//! been ended.

use std::path::PathBuf;

use clientele_kernel::{Clock, Error, Ids, SystemClock, SystemEntropy};
use clientele_platform::config::FILE_VARIABLE;
use clientele_platform::postgres::{self, Error as StorageError};
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::contexts::CONTEXTS;
use crate::{configuration, up};

/// What `restored` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); `database.migration_url` names the database and a role that may migrate
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// This context alone was restored
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CONTEXTS.map(|(name, _)| name)))]
    context: Option<String>,
}

/// Does it in the configured database.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    let options: PgConnectOptions =
        configuration.database.migration_url().expose_secret().parse().map_err(StorageError::from)?;
    let only = arguments.context;
    for (context, _) in CONTEXTS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        of_context(&options, context).await?;
    }
    Ok(())
}

/// Does it for all contexts.
pub(crate) async fn all(options: &PgConnectOptions) -> Result<(), Error> {
    for (context, _) in &CONTEXTS {
        of_context(options, context).await?;
    }
    Ok(())
}

async fn of_context(options: &PgConnectOptions, context: &'static str) -> Result<(), Error> {
    let mut conn = PgConnection::connect_with(options).await.map_err(StorageError::from)?;
    let incarnation: Uuid = Ids::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(SystemEntropy)).next();
    let mut tx = conn.begin().await.map_err(StorageError::from)?;
    // Whoever may migrate is a member of the owner's role, without which the tables are closed to them.
    let owner = format!("set local role {}", postgres::owner_role(context));
    sqlx::raw_sql(sqlx::AssertSqlSafe(owner)).execute(&mut *tx).await.map_err(StorageError::from)?;
    postgres::restored(&mut tx, context, incarnation, SystemClock.now()).await.map_err(|error| match error {
        StorageError::Sqlx(sqlx::Error::Database(inner)) if inner.code().as_deref() == Some("42P01") => {
            Error::failed_precondition(
                "NOT_MIGRATED",
                format!("{context} is older than this program: run `clientele migrate` first"),
            )
        }
        other => other.into(),
    })?;
    let held = if context == "messaging" { clientele_messaging::hold_letters(&mut tx).await? } else { 0 };
    let ended = if context == "identity" { clientele_identity::end_sessions(&mut tx).await? } else { 0 };
    tx.commit().await.map_err(StorageError::from)?;
    conn.close().await.map_err(StorageError::from)?;
    up::say(format_args!("{context}: its journal goes on as incarnation {incarnation}"));
    if held > 0 {
        up::say(format_args!("messaging: {held} letters that waited are held, for they may have been sent since"));
    }
    if ended > 0 {
        up::say(format_args!("identity: {ended} sessions are ended"));
    }
    Ok(())
}
