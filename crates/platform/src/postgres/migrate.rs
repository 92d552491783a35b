//! Migrations: the platform's tables and the context's own, both in the schema of the context.
//!
//! While one is run, two releases work on the schema. So a migration *expands*: what the release before reads and writes
//! stays. What takes something away *contracts*: its name is `<version>_contract_<object>.sql`, it says why nobody misses
//! what it takes, and it is run in a step of its own, when no release that knows it runs any more.
//!
//! Whoever waits for a lock holds up everybody who comes after: a migration waits for a moment only, then lets the others
//! by and comes back. An index is built beside those who write (`-- no-transaction`, `create index concurrently`); one whose
//! building was cut off is of no use to anybody, is dropped and built anew.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clientele_kernel::Error as KernelError;
use sqlx::PgConnection;
use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};

use super::{Database, Error, runtime_role};
use crate::backoff::Backoff;

/// The tables that every service has.
pub static PLATFORM_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/platform");

/// Where it is kept what has been run.
const TABLE: &str = "_sqlx_migrations";
/// How long a migration waits for a lock: well below what a service waits for whatever queues behind it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it comes back for a lock that others hold.
const PATIENCE: Duration = Duration::from_mins(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks whether another migration of the context has ended.
const TURN: Duration = Duration::from_millis(200);

/// Whether a migration takes away what the version before uses: its name is `<version>_contract_<object>.sql`. All others
/// only add, and are made while the version before serves.
pub fn is_contract(migration: &Migration) -> bool {
    migration.description.split([' ', '_']).next() == Some("contract")
}

/// Brings the schema of a context up to date, what contracts included, and grants the runtime role what it needs:
/// everything on its own tables, but on the journal only to read and to append. The connection must be the owner's.
///
/// A schema that a later version has migrated is accepted: what was run and is not known here stays.
pub async fn migrate(conn: &mut PgConnection, context: &'static str, own: &Migrator) -> Result<(), Error> {
    run(conn, context, own, |_| true).await
}

/// Does of [`migrate`] what the version before does not notice: before this version takes over.
pub async fn expand(conn: &mut PgConnection, context: &'static str, own: &Migrator) -> Result<(), Error> {
    run(conn, context, own, |migration| !is_contract(migration)).await
}

/// The migrations that a service with these tables of its own needs and its database lacks, oldest first. What contracts
/// is not among them: the schema serves this version before it and after it.
pub(crate) async fn missing(db: &Database, own: &Migrator) -> Result<Vec<i64>, Error> {
    let made: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(db.pool()).await?;
    let needed = both(own).into_iter().filter(|migration| !is_contract(migration));
    Ok(needed.map(|migration| migration.version).filter(|version| !made.contains(version)).collect())
}

fn both(own: &Migrator) -> Vec<&Migration> {
    let mut migrations: Vec<_> = PLATFORM_MIGRATIONS.iter().chain(own.iter()).collect();
    migrations.sort_by_key(|migration| migration.version);
    migrations
}

async fn run(
    conn: &mut PgConnection,
    context: &'static str,
    own: &Migrator,
    wanted: impl Fn(&Migration) -> bool,
) -> Result<(), Error> {
    execute(conn, &format!("set search_path to {context}, public; set statement_timeout = 0")).await?;
    take_turn(conn, context).await?;
    let outcome = async {
        conn.ensure_migrations_table(TABLE).await.map_err(failed)?;
        let applied = conn.list_applied_migrations(TABLE).await.map_err(failed)?;
        let applied: HashMap<_, _> = applied.into_iter().map(|done| (done.version, done.checksum)).collect();
        for migration in both(own) {
            match applied.get(&migration.version) {
                Some(checksum) if *checksum == migration.checksum => {}
                Some(_) => return Err(failed(MigrateError::VersionMismatch(migration.version))),
                None if wanted(migration) => apply(conn, context, migration).await?,
                None => {}
            }
        }
        grant(conn, context).await
    };
    let outcome = outcome.await;
    // A connection that is gone has given its turn up by that.
    let _ = sqlx::query("select pg_advisory_unlock(hashtext('clientele migrate'), hashtext($1))")
        .bind(context)
        .execute(conn)
        .await;
    outcome
}

/// Two migrations of a context take turns. Whoever waits inside the database is in the way of an index that is being built.
async fn take_turn(conn: &mut PgConnection, context: &str) -> Result<(), Error> {
    loop {
        let mine: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtext('clientele migrate'), hashtext($1))")
            .bind(context)
            .fetch_one(&mut *conn)
            .await?;
        if mine {
            return Ok(());
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Runs a migration, again and again where others hold what it must lock.
async fn apply(conn: &mut PgConnection, context: &str, migration: &Migration) -> Result<(), Error> {
    let version = migration.version;
    if migration.no_tx {
        // Nobody queues behind what is done beside those who write, and it has to wait for them to end.
        execute(conn, "set lock_timeout = 0").await?;
        drop_unfinished(conn, context, migration).await?;
    } else {
        execute(conn, &format!("set lock_timeout = {}", LOCK_TIMEOUT.as_millis())).await?;
    }
    let begun = Instant::now();
    let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        let error = match conn.apply(TABLE, migration).await {
            Ok(_) => return Ok(()),
            Err(error) if !migration.no_tx && is_in_use(&error) => error,
            Err(error) => return Err(failed(error)),
        };
        if begun.elapsed() >= PATIENCE {
            let message = format!(
                "migration {version} of {context} did not get its lock in {PATIENCE:?}: end the long transactions that \
                 pg_stat_activity shows, and migrate again"
            );
            return Err(KernelError::unavailable(message).with_source(error).into());
        }
        tracing::warn!(context, version, %error, "what a migration must lock is in use; letting others by and trying again");
        pauses.pause().await;
    }
}

/// Lock timeout, or deadlock.
fn is_in_use(error: &MigrateError) -> bool {
    let (MigrateError::ExecuteMigration(inner, _) | MigrateError::Execute(inner)) = error else { return false };
    let code = inner.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

/// Drops the index that an earlier attempt at this migration began and did not finish.
async fn drop_unfinished(conn: &mut PgConnection, context: &str, migration: &Migration) -> Result<(), Error> {
    let unfinished: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_index i
         join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and not i.indisvalid",
    )
    .bind(context)
    .fetch_all(&mut *conn)
    .await?;
    let sql = migration.sql.as_str();
    let named = |index: &str| sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == index);
    for index in unfinished.iter().filter(|index| named(index)) {
        tracing::warn!(context, index, "an earlier attempt did not finish this index; building it anew");
        execute(conn, &format!("drop index concurrently {context}.{index}")).await?;
    }
    Ok(())
}

async fn grant(conn: &mut PgConnection, context: &str) -> Result<(), Error> {
    let runtime = runtime_role(context);
    let grants = format!(
        "grant select, insert, update, delete on all tables in schema {context} to {runtime};
         grant usage on all sequences in schema {context} to {runtime};
         revoke execute on all functions in schema {context} from public;
         grant execute on all functions in schema {context} to {runtime};
         revoke update, delete on {context}.journal from {runtime};
         revoke insert, delete on {context}.journal_head from {runtime};
         revoke insert, update, delete on {context}.journal_incarnation from {runtime};
         revoke insert, update, delete on {context}._sqlx_migrations from {runtime};"
    );
    execute(conn, &grants).await
}

async fn execute(conn: &mut PgConnection, statement: &str) -> Result<(), Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(conn).await?;
    Ok(())
}

fn failed(error: MigrateError) -> Error {
    Error::Sqlx(sqlx::Error::Migrate(Box::new(error)))
}
