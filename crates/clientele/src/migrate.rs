//! Schemas, roles and migrations of all contexts.

use std::path::PathBuf;

use clientele_kernel::Error;
use clientele_platform::config::FILE_VARIABLE;
use clientele_platform::postgres::{self, Error as StorageError};
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::configuration;
use crate::contexts::CONTEXTS;

/// What `migrate` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); `database.migration_url` names the database and a role that may make schemas and roles
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// Migrate this context only
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CONTEXTS.map(|(name, _)| name)))]
    context: Option<String>,
}

/// Migrates the configured database.
#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    let url = configuration.database.migration_url();
    let options: PgConnectOptions = url.expose_secret().parse().map_err(StorageError::from)?;
    for (context, _) in
        CONTEXTS.iter().filter(|(name, _)| arguments.context.as_deref().is_none_or(|only| only == *name))
    {
        context_of(&options, context).await?;
        println!("{context}: up to date");
    }
    Ok(())
}

/// Migrates every context.
pub(crate) async fn all(options: &PgConnectOptions) -> Result<(), Error> {
    for (context, _) in &CONTEXTS {
        context_of(options, context).await?;
    }
    Ok(())
}

async fn context_of(options: &PgConnectOptions, context: &'static str) -> Result<(), Error> {
    let (_, migrations) =
        CONTEXTS.iter().find(|(name, _)| *name == context).ok_or_else(|| Error::not_found("context", context))?;
    // That something exists already is no news to anybody.
    let options = options.clone().options([("client_min_messages", "warning")]);
    let mut conn = PgConnection::connect_with(&options).await.map_err(StorageError::from)?;
    postgres::bootstrap(&mut conn, context).await?;
    // What is made from here on belongs to the owner, whoever runs the migration.
    let statement = format!("set role {}", postgres::owner_role(context));
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await.map_err(StorageError::from)?;
    postgres::migrate(&mut conn, context, migrations).await?;
    conn.close().await.map_err(StorageError::from)?;
    Ok(())
}
