//! What has to be there before migrations can run: the database, and for each service a schema, the role that owns its
//! tables and the role that works with them.

use sqlx::PgConnection;

use super::Error;

/// The role that owns the tables of a context and migrates them.
pub fn owner_role(context: &str) -> String {
    format!("clientele_{context}_owner")
}

/// The role a context's service works as: it reaches its own schema only, and owns nothing.
pub fn runtime_role(context: &str) -> String {
    format!("clientele_{context}_runtime")
}

/// Makes schema and roles of a context in the database of the connection, whose role must be allowed to create roles, and
/// in the database schemas and extensions. Repeating it changes nothing. Passwords are not set here: the embedded cluster
/// trusts its private socket, elsewhere the people who run the database set them.
pub async fn bootstrap(conn: &mut PgConnection, context: &'static str) -> Result<(), Error> {
    let (owner, runtime) = (owner_role(context), runtime_role(context));
    // Roles belong to the whole cluster: two bootstraps at once take turns.
    sqlx::query("select pg_advisory_lock(hashtext('clientele bootstrap'))").execute(&mut *conn).await?;
    let outcome = make(conn, context, &owner, &runtime).await;
    sqlx::query("select pg_advisory_unlock(hashtext('clientele bootstrap'))").execute(&mut *conn).await?;
    outcome
}

async fn make(conn: &mut PgConnection, context: &str, owner: &str, runtime: &str) -> Result<(), Error> {
    for role in [owner, runtime] {
        let known: Option<i32> = sqlx::query_scalar("select 1 from pg_roles where rolname = $1")
            .bind(role)
            .fetch_optional(&mut *conn)
            .await?;
        if known.is_none() {
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create role {role} login"))).execute(&mut *conn).await?;
        }
    }
    let statements = format!(
        "create extension if not exists pg_trgm with schema public;
         -- Who is no superuser may give a schema only to a role that it is a member of.
         grant {owner} to current_user;
         create schema if not exists {context} authorization {owner};
         revoke all on schema {context} from public;
         grant usage on schema {context} to {runtime};
         grant usage on schema public to {owner}, {runtime};
         do $$
         begin
             -- What every role may do in a new database: connect, and make temporary tables. Where the database is another's
             -- to give, its people see to that.
             if (select pg_has_role(datdba, 'member') from pg_database where datname = current_database()) then
                 execute format('grant connect on database %I to {owner}, {runtime}', current_database());
                 execute format('revoke all on database %I from public', current_database());
             end if;
         end
         $$;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut *conn).await?;
    Ok(())
}
