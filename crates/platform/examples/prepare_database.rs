//! Makes the database that queries are checked against: `prepare_database SERVER_URL DATABASE MIGRATIONS_FOLDER`.
//!
//! It is run by `cargo xtask sql`. `clientele migrate` could not do it: that is built from the very crates whose queries
//! are to be checked, and this from none of them.

use std::path::Path;

use clientele_platform::postgres::{bootstrap, migrate, owner_role};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(database), Some(folder)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: prepare_database SERVER_URL DATABASE MIGRATIONS_FOLDER".into());
    };
    let server: PgConnectOptions = url.parse()?;
    let mut connection = server.clone().database("postgres").connect().await?;
    sqlx::raw_sql(AssertSqlSafe(format!("create database {database}"))).execute(&mut connection).await?;
    let server = server.database(&database);
    let mut superuser = server.connect().await?;
    for context in contexts(Path::new(&folder))? {
        let migrator = Migrator::new(Path::new(&folder).join(context)).await?;
        bootstrap(&mut superuser, context).await?;
        let mut owner = server.clone().username(&owner_role(context)).connect().await?;
        migrate(&mut owner, context, &migrator).await?;
    }
    Ok(())
}

/// The folders of migrations, but for those that every context has.
fn contexts(folder: &Path) -> Result<Vec<&'static str>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{} is not text", name.display()))?;
        if entry.path().is_dir() && name != "platform" {
            // A context's name is part of a program; here it lives as long as one.
            found.push(&*name.leak());
        }
    }
    found.sort_unstable();
    Ok(found)
}
