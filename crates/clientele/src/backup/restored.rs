//! What is to be done to a database after it was restored from a backup, before a service starts on it: others must learn
//! that positions of its journals are given once more, letters that waited may have been sent since, and sessions may have
//! been ended.

use std::path::PathBuf;

use clientele_kernel::{Clock, Error, Ids, SystemClock, SystemEntropy};
use clientele_platform::config::FILE_VARIABLE;
use clientele_platform::postgres::{self, Error as StorageError, InCommon};
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
    /// Let everybody who follows forget all and read again from the first event: for when services have worked on the
    /// restored database before this command, so that nobody can say what is as it was
    #[arg(long)]
    forget_all: bool,
    /// Go on though services are connected: for when the connections seen are those of a pooler whose services are stopped
    #[arg(long)]
    although_connected: bool,
}

/// Does it in the configured database.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    let options: PgConnectOptions =
        configuration.database.migration_url().expose_secret().parse().map_err(StorageError::from)?;
    let only = arguments.context;
    let contexts: Vec<&'static str> = CONTEXTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| only.as_deref().is_none_or(|only| only == *name))
        .collect();
    if !arguments.although_connected {
        nobody_works(&options, &contexts).await?;
    }
    let in_common = if arguments.forget_all { InCommon::Unknown } else { InCommon::All };
    for context in contexts {
        of_context(&options, context, in_common).await?;
    }
    Ok(())
}

/// Does it for all contexts of a database that nobody else knows yet.
pub(crate) async fn all(options: &PgConnectOptions) -> Result<(), Error> {
    for (context, _) in &CONTEXTS {
        of_context(options, context, InCommon::All).await?;
    }
    Ok(())
}

/// Refuses while services are connected: what they do meanwhile would count as done before the restore.
async fn nobody_works(options: &PgConnectOptions, contexts: &[&'static str]) -> Result<(), Error> {
    let mut conn = PgConnection::connect_with(options).await.map_err(StorageError::from)?;
    let mut working = Vec::new();
    for context in contexts {
        // Whoever may migrate sees of others' sessions no more than these.
        let sessions: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and (usename = $1 or application_name = $2)",
        )
        .bind(postgres::runtime_role(context))
        .bind(format!("clientele-{context}"))
        .fetch_one(&mut conn)
        .await
        .map_err(StorageError::from)?;
        if sessions > 0 {
            working.push(format!("{context} ({sessions} connections)"));
        }
    }
    conn.close().await.map_err(StorageError::from)?;
    if working.is_empty() {
        return Ok(());
    }
    Err(Error::failed_precondition(
        "SERVICES_WORK",
        format!(
            "services are connected to the restored database: {}; stop them and repeat this with --forget-all if they have \
             worked on it since the restore; should it be a pooler that keeps connections of services that are stopped, with \
             --although-connected",
            working.join(", ")
        ),
    ))
}

async fn of_context(options: &PgConnectOptions, context: &'static str, in_common: InCommon) -> Result<(), Error> {
    let mut conn = PgConnection::connect_with(options).await.map_err(StorageError::from)?;
    let incarnation: Uuid = Ids::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(SystemEntropy)).next();
    let mut tx = conn.begin().await.map_err(StorageError::from)?;
    // Whoever may migrate is a member of the owner's role, without which the tables are closed to them.
    let owner = format!("set local role {}", postgres::owner_role(context));
    sqlx::raw_sql(sqlx::AssertSqlSafe(owner)).execute(&mut *tx).await.map_err(StorageError::from)?;
    let begun = postgres::restored(&mut tx, context, incarnation, in_common, SystemClock.now()).await;
    begun.map_err(|error| match error {
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
    if in_common == InCommon::Unknown {
        up::say(format_args!("{context}: whoever follows it forgets all and begins at the first event"));
    }
    if held > 0 {
        up::say(format_args!("messaging: {held} letters that waited are held, for they may have been sent since"));
    }
    if ended > 0 {
        up::say(format_args!("identity: {ended} sessions are ended"));
    }
    Ok(())
}
