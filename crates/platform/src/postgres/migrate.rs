//! Migrations: the platform's tables and the context's own, both in the schema of the context.

use std::borrow::Cow;

use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use super::{Error, runtime_role};

/// The tables that every service has.
pub static PLATFORM_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/platform");

/// Brings the schema of a context up to date and grants the runtime role what it needs: everything on its own tables,
/// but on the journal only to read and to append. The connection must be the owner's.
pub async fn migrate(conn: &mut PgConnection, context: &'static str, own: &Migrator) -> Result<(), Error> {
    let mut migrations: Vec<_> = PLATFORM_MIGRATIONS.iter().chain(own.iter()).cloned().collect();
    migrations.sort_by_key(|migration| migration.version);
    let both = Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT };

    let statement = format!("set search_path to {context}, public");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
    both.run_direct(None, &mut *conn, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(inner) => Error::Sqlx(inner),
        other => Error::Sqlx(sqlx::Error::Migrate(Box::new(other))),
    })?;

    let runtime = runtime_role(context);
    let grants = format!(
        "grant select, insert, update, delete on all tables in schema {context} to {runtime};
         grant usage on all sequences in schema {context} to {runtime};
         revoke execute on all functions in schema {context} from public;
         grant execute on all functions in schema {context} to {runtime};
         revoke update, delete on {context}.journal from {runtime};
         revoke insert, delete on {context}.journal_head from {runtime};
         revoke insert, update, delete on {context}._sqlx_migrations from {runtime};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grants)).execute(conn).await?;
    Ok(())
}
