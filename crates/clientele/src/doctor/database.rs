//! PostgreSQL, as the service's own role meets it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clientele_embedded::postgres::MINIMUM_VERSION;
use clientele_kernel::{SystemClock, SystemEntropy};
use clientele_platform::postgres::{self, Database, PLATFORM_MIGRATIONS};
use sqlx::PgPool;

use super::{Report, causes};
use crate::configuration::Everything;
use crate::contexts::CONTEXTS;

/// More than this between two clocks, and leases and tokens are judged wrongly.
const LARGEST_SKEW_S: f64 = 2.0;

/// Looks at everything a service needs of its database.
pub(super) async fn look(report: &mut Report, configuration: &Everything, service: &str) {
    let Some((context, migrations)) = CONTEXTS.iter().find(|(name, _)| *name == service) else { return };
    let pool = match postgres::connect(&clientele_platform::run::options(&configuration.database), context).await {
        Ok(pool) => pool,
        Err(error) => {
            return report.find(
                "database",
                format!("the database of `database.url` cannot be used: {}", causes(&error)),
                "a service is not ready without its database",
                format!(
                    "see that it runs and can be reached from here, and that `database.url` has its host, port, name, the \
                     role {} and its password",
                    postgres::runtime_role(context)
                ),
            );
        }
    };
    if let Err(error) = look_with(report, configuration, context, migrations, &pool).await {
        report.find(
            "database_rights",
            format!("the database refuses a question: {error}"),
            "the service asks the same",
            format!("run `clientele migrate`, which gives {} its rights", postgres::runtime_role(context)),
        );
    }
    pool.close().await;
}

async fn look_with(
    report: &mut Report,
    configuration: &Everything,
    context: &'static str,
    migrations: &'static sqlx::migrate::Migrator,
    pool: &PgPool,
) -> Result<(), sqlx::Error> {
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::integer").fetch_one(pool).await?;
    let major = version / 10_000;
    if u32::try_from(major).unwrap_or_default() < MINIMUM_VERSION {
        report.find(
            "database_version",
            format!("the database is PostgreSQL {major}"),
            "migrations and statements are written for newer ones",
            format!("use PostgreSQL {MINIMUM_VERSION} or newer"),
        );
    } else {
        report.fine(format!("the database is PostgreSQL {major}"));
    }
    clock(report, pool).await?;
    connections(report, configuration, pool).await?;
    role(report, context, pool).await?;
    if schema(report, context, migrations, pool).await? {
        keys(report, configuration, context, pool).await;
    }
    Ok(())
}

async fn clock(report: &mut Report, pool: &PgPool) -> Result<(), sqlx::Error> {
    let clock = clientele_platform::clock();
    let asked = clock.now();
    let theirs: DateTime<Utc> =
        sqlx::query_scalar("select query_start from pg_stat_activity where pid = pg_backend_pid()")
            .fetch_one(pool)
            .await?;
    // It was at some moment between the question and the answer, which may be long.
    let skew = (theirs.clamp(asked, clock.now().max(asked)) - theirs).as_seconds_f64();
    if skew.abs() > LARGEST_SKEW_S {
        report.find(
            "clock",
            format!(
                "this machine's clock is {:.0} s {} that of the database",
                skew.abs(),
                if skew > 0.0 { "ahead of" } else { "behind" }
            ),
            "leases and tokens end by the clock: work is done twice or not at all, callers are refused",
            "keep the clocks of all machines by NTP",
        );
    } else {
        report.fine("this machine's clock and that of the database agree");
    }
    Ok(())
}

async fn connections(report: &mut Report, configuration: &Everything, pool: &PgPool) -> Result<(), sqlx::Error> {
    let (most, reserved): (i32, i32) = sqlx::query_as(
        "select current_setting('max_connections')::integer, current_setting('superuser_reserved_connections')::integer",
    )
    .fetch_one(pool)
    .await?;
    let own = i64::from(configuration.database.max_connections);
    // One more of each tells whether the database answers.
    let all = (own + 1) * i64::try_from(CONTEXTS.len()).unwrap_or(i64::MAX);
    let offered = i64::from(most - reserved);
    if offered < all && !configuration.database.pooled {
        report.find(
            "connections",
            format!(
                "the database takes {offered} connections, and one replica of each of {} services wants up to {all} \
                 (`database.max_connections` is {own})",
                CONTEXTS.len()
            ),
            "under load connections are refused, and requests with them",
            "raise PostgreSQL's max_connections, lower `database.max_connections`, or put PgBouncer between: with several \
             replicas still more are needed",
        );
    } else {
        report.fine(format!("the database takes {offered} connections, one replica of each service wants up to {all}"));
    }
    Ok(())
}

async fn role(report: &mut Report, context: &'static str, pool: &PgPool) -> Result<(), sqlx::Error> {
    let (role, superuser): (String, bool) =
        sqlx::query_as("select current_user::text, rolsuper from pg_roles where rolname = current_user")
            .fetch_one(pool)
            .await?;
    let wanted = postgres::runtime_role(context);
    let owns: bool = sqlx::query_scalar(
        "select exists(select from pg_namespace n join pg_roles r on r.oid = n.nspowner
                       where n.nspname = $1 and r.rolname = current_user)",
    )
    .bind(context)
    .fetch_one(pool)
    .await?;
    let unreadable: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and not has_table_privilege(c.oid, 'select')
         order by c.relname",
    )
    .bind(context)
    .fetch_all(pool)
    .await?;
    if let Some(first) = unreadable.first() {
        report.find(
            "database_rights",
            format!("the role {role} may not read {} tables of {context}, {first} first", unreadable.len()),
            "what the service asks of them fails",
            format!("run `clientele migrate`, which gives {wanted} its rights"),
        );
    }
    if superuser || owns {
        report.find(
            "role",
            format!(
                "`database.url` has the role {role}, which {}",
                if superuser { "is a superuser" } else { "owns the tables" }
            ),
            "a service that is broken into could then change its journal, or read what belongs to other services",
            format!("use {wanted}, which `clientele migrate` makes"),
        );
    } else {
        report.fine(format!("the role {role} owns nothing"));
    }
    let foreign: Vec<String> = sqlx::query_scalar(
        "select nspname::text from pg_namespace where nspname = any($1) and nspname <> $2 and has_schema_privilege(nspname, 'usage')",
    )
    .bind(CONTEXTS.map(|(name, _)| name.to_owned()).to_vec())
    .bind(context)
    .fetch_all(pool)
    .await?;
    if !foreign.is_empty() && !superuser {
        report.find(
            "role",
            format!("the role {role} reaches the schemas of other services: {}", foreign.join(", ")),
            "each service may reach its own schema only",
            format!("use {wanted}, and take the right away from {role}"),
        );
    }
    Ok(())
}

/// False where there is no schema to look further into.
async fn schema(
    report: &mut Report,
    context: &'static str,
    own: &'static sqlx::migrate::Migrator,
    pool: &PgPool,
) -> Result<bool, sqlx::Error> {
    let trigrams: bool =
        sqlx::query_scalar("select exists(select from pg_extension where extname = 'pg_trgm')").fetch_one(pool).await?;
    if !trigrams {
        report.find(
            "extension",
            "the extension pg_trgm is missing",
            "search needs it",
            "run `clientele migrate`, or as a superuser: create extension pg_trgm with schema public",
        );
    }
    let there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(format!("{context}._sqlx_migrations"))
        .fetch_one(pool)
        .await?;
    if !there {
        report.find(
            "migrations",
            format!("the database has no tables of {context}"),
            "the service is not ready before they are there",
            "run `clientele migrate`",
        );
        return Ok(false);
    }
    let made: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await?;
    let known: Vec<i64> = PLATFORM_MIGRATIONS
        .iter()
        .chain(own.iter())
        .filter(|migration| !postgres::is_contract(migration))
        .map(|migration| migration.version)
        .collect();
    let missing = known.iter().filter(|version| !made.contains(version)).count();
    if missing > 0 {
        report.find(
            "migrations",
            format!("{missing} migrations of {context} are missing in the database"),
            "the service is not ready before they are there",
            "run `clientele migrate` of this version",
        );
    }
    let newest = known.iter().max().copied().unwrap_or_default();
    let ahead = made.iter().filter(|version| **version > newest).count();
    if ahead > 0 {
        report.find(
            "migrations_ahead",
            format!("the database has {ahead} migrations of {context} that this version does not know"),
            "this program is older than the database: it goes on working, but should not stay",
            "run the version that migrated the database",
        );
    }
    if missing == 0 && ahead == 0 {
        report.fine(format!("the schema of {context} is up to date"));
    }
    Ok(missing == 0)
}

async fn keys(report: &mut Report, configuration: &Everything, context: &'static str, pool: &PgPool) {
    let entropy = Arc::new(SystemEntropy);
    let checked = match clientele_platform::run::keyring(&configuration.secrets, entropy.clone()) {
        Ok(keyring) => {
            let db = Database::new(pool.clone(), context, Arc::new(SystemClock), entropy, keyring);
            db.check_master_keys().await.map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => report.fine("the master key is the one under which the data are sealed"),
        Err(error) => report.find(
            "master_key",
            causes(&error),
            "without the right key nothing that is sealed can be read, and the service does not start",
            "set `secrets.master_key` to the key that was used before; deploy/keys.md says how it is replaced",
        ),
    }
}
