//! Schemas, roles and migrations of all contexts, and their streams on the bus.

use std::path::PathBuf;

use clientele_kernel::Error;
use clientele_platform::bus::{Bus as _, JetStream};
use clientele_platform::config::{BusKind, FILE_VARIABLE};
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
    /// Also take away what only releases before this one used; to be run when none of them runs any more
    #[arg(long)]
    contract: bool,
    /// Migrate this context only
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CONTEXTS.map(|(name, _)| name)))]
    context: Option<String>,
}

/// Migrates the configured database, and makes the streams where the bus has some.
#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    let url = configuration.database.migration_url();
    let options: PgConnectOptions = url.expose_secret().parse().map_err(StorageError::from)?;
    let settings = clientele_platform::run::options(&configuration.database);
    let bus = match configuration.bus.kind {
        BusKind::InProcess => None,
        BusKind::JetStream => Some(JetStream::try_new(configuration.bus)?),
    };
    for (context, _) in
        CONTEXTS.iter().filter(|(name, _)| arguments.context.as_deref().is_none_or(|only| only == *name))
    {
        context_of(&options, context, arguments.contract).await?;
        settings_of(&options, context, &settings).await?;
        if let Some(bus) = &bus {
            bus.prepare(context).await?;
        }
        println!("{context}: up to date");
    }
    Ok(())
}

/// Migrates every context, with nobody else at work: nothing need be left for a release before this one.
pub(crate) async fn all(options: &PgConnectOptions) -> Result<(), Error> {
    for (context, _) in &CONTEXTS {
        context_of(options, context, true).await?;
    }
    Ok(())
}

/// Gives the role of the service the settings that services behind a pooler go by. Where others made the roles and no pooler
/// is used, they are not needed.
async fn settings_of(
    options: &PgConnectOptions,
    context: &'static str,
    settings: &postgres::DatabaseOptions,
) -> Result<(), Error> {
    let mut conn = PgConnection::connect_with(options).await.map_err(StorageError::from)?;
    match postgres::role_settings(&mut conn, context, settings).await {
        Err(error) if settings.pooled || !error.is_insufficient_privilege() => return Err(error.into()),
        _ => {}
    }
    conn.close().await.map_err(StorageError::from)?;
    Ok(())
}

async fn context_of(options: &PgConnectOptions, context: &'static str, contract: bool) -> Result<(), Error> {
    let (_, migrations) =
        CONTEXTS.iter().find(|(name, _)| *name == context).ok_or_else(|| Error::not_found("context", context))?;
    // That something exists already is no news to anybody.
    let options = options.clone().options([("client_min_messages", "warning")]);
    let mut conn = PgConnection::connect_with(&options).await.map_err(StorageError::from)?;
    postgres::bootstrap(&mut conn, context).await?;
    // What is made from here on belongs to the owner, whoever runs the migration.
    let statement = format!("set role {}", postgres::owner_role(context));
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await.map_err(StorageError::from)?;
    if contract {
        postgres::migrate(&mut conn, context, migrations).await?;
    } else {
        postgres::expand(&mut conn, context, migrations).await?;
    }
    conn.close().await.map_err(StorageError::from)?;
    Ok(())
}
