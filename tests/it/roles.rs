//! What the roles of the database may do: each service works on its own schema, and has nothing else that a role made a
//! minute ago does not have too.
//!
//! What may be is asked of the database's own catalogue, over everything there is in it. What matters most is tried as well.

use std::borrow::Cow;

use clientele_contracts::CONTEXTS;
use clientele_embedded::{Postgres, PostgresOptions, cache_dir, ensure_postgres};
use clientele_platform::postgres::{owner_role, runtime_role};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::house::run;

/// A role that nobody gave anything.
const STRANGER: &str = "stranger";
/// Tables of which a service has less than reading and writing: `(name, what it lacks)`.
const CLOSED: [(&str, &[&str]); 4] = [
    ("journal_incarnation", &["INSERT", "UPDATE", "DELETE"]),
    ("journal", &["UPDATE", "DELETE"]),
    ("journal_head", &["INSERT", "DELETE"]),
    ("_sqlx_migrations", &["INSERT", "UPDATE", "DELETE"]),
];
const NOT_OURS: &str = "not in ('pg_catalog', 'information_schema', 'pg_toast')";

#[tokio::test(flavor = "multi_thread")]
async fn each_role_of_a_service_has_its_own_schema_and_nothing_that_a_new_role_has_not() {
    let mut options = PostgresOptions::temporary().expect("the temporary folder is writable");
    options.programs = Some(ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed"));
    let server = Postgres::start(options).await.expect("PostgreSQL starts");
    let mut admin = connect(&server, "postgres", server.superuser()).await;
    // Not the superuser: whoever may make roles and has the database.
    for statement in [
        "create role migrator login createrole",
        "create database clientele owner migrator",
        "create role stranger login",
    ] {
        sqlx::query(statement).execute(&mut admin).await.expect("the superuser may");
    }
    let mut admin = connect(&server, "clientele", server.superuser()).await;
    let url = server.url("clientele", "migrator");
    run("clientele", &["migrate"], &[("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), url)]).await.succeeded();

    nothing_is_for_everybody(&mut admin).await;
    for context in CONTEXTS {
        let role = runtime_role(context);
        the_role_is_plain(&mut admin, &role).await;
        it_has_its_tables(&mut admin, context, &role).await;
        it_has_no_more_of_the_system_than_a_stranger(&mut admin, &role).await;
        let mut service = connect(&server, "clientele", &role).await;
        what_is_tried_is_denied(&mut service, context).await;
    }
    let stranger = format!("{}&application_name=x", server.url("clientele", STRANGER));
    let error = PgConnection::connect(&stranger).await.map(drop).expect_err("everybody may connect");
    assert_eq!(code(&error).as_deref(), Some("42501"), "{error}");
}

async fn connect(server: &Postgres, database: &str, role: &str) -> PgConnection {
    let options: PgConnectOptions = server.url(database, role).parse().expect("it is the address of a database");
    PgConnection::connect_with(&options).await.expect("PostgreSQL answers")
}

async fn nothing_is_for_everybody(admin: &mut PgConnection) {
    // Databases: neither connecting nor temporary tables. Schemas: nothing to make. What extensions bring may be used.
    let found = rows(
        admin,
        &format!(
            "select 'database: ' || p.privilege_type from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) p
              where d.datname = current_database() and p.grantee = 0
             union all
             select 'schema ' || n.nspname || ': ' || p.privilege_type
               from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) p
              where p.grantee = 0 and n.nspname {NOT_OURS} and (n.nspname <> 'public' or p.privilege_type <> 'USAGE')
             union all
             select 'table ' || c.oid::regclass || ': ' || p.privilege_type
               from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) p
              where p.grantee = 0 and n.nspname {NOT_OURS}
             union all
             select 'function ' || f.oid::regprocedure
               from pg_proc f join pg_namespace n on n.oid = f.pronamespace,
                    aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) p
              where p.grantee = 0 and n.nspname {NOT_OURS}
                and not exists (select from pg_depend d where d.objid = f.oid and d.deptype = 'e')"
        ),
    )
    .await;
    assert_eq!(found, Vec::<String>::new(), "everybody has them");
    // What runs with its owner's rights could be a way around all that is denied: each such function is known here, and finds
    // its tables where its owner wants it to.
    let lent = format!(
        "select f.oid::regprocedure || ' set ' || coalesce(array_to_string(f.proconfig, ' '), 'nothing')
           from pg_proc f join pg_namespace n on n.oid = f.pronamespace
          where f.prosecdef and n.nspname {NOT_OURS}"
    );
    let known = "customers.clear_consent_entries(uuid,timestamp with time zone) set search_path=pg_catalog, pg_temp";
    assert_eq!(rows(admin, &lent).await, [known], "they run as their owner");
}

async fn the_role_is_plain(admin: &mut PgConnection, role: &str) {
    let found = rows(
        admin,
        &format!(
            "select rolname::text from pg_roles where rolname = '{role}'
                and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or not rolcanlogin)
             union all
             select 'member of ' || m.roleid::regrole from pg_auth_members m where m.member = '{role}'::regrole
             union all
             select 'owns ' || s.objid || ' of ' || s.classid::regclass from pg_shdepend s
              where s.refobjid = '{role}'::regrole and s.deptype = 'o'"
        ),
    )
    .await;
    assert_eq!(found, Vec::<String>::new(), "{role}");
}

/// Every table, view and sequence of the database with every privilege there is for it.
async fn it_has_its_tables(admin: &mut PgConnection, context: &str, role: &str) {
    let found: Vec<(String, String, String, bool, String, bool)> = sqlx::query_as(AssertSqlSafe(format!(
        "select n.nspname::text, c.relname::text, p.privilege,
                case when c.relkind = 'S' then has_sequence_privilege('{role}', c.oid, p.privilege)
                     else has_table_privilege('{role}', c.oid, p.privilege)
                          or (p.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                              and has_any_column_privilege('{role}', c.oid, p.privilege)) end,
                c.relowner::regrole::text, c.relkind = 'S'
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
           cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'USAGE'])
                as p(privilege)
          where n.nspname {NOT_OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            and (p.privilege in ('SELECT', 'UPDATE') or (c.relkind = 'S') = (p.privilege = 'USAGE'))
          order by 1, 2, 3"
    )))
    .fetch_all(&mut *admin)
    .await
    .expect("the catalogue can be read");
    let mut own = 0;
    for (schema, table, privilege, held, owner, sequence) in found {
        if schema != context {
            assert!(!held, "{role} has {privilege} on {schema}.{table}");
            continue;
        }
        own += 1;
        assert_eq!(owner, owner_role(context), "{schema}.{table}");
        let lacks = CLOSED.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, lacks)| lacks);
        let wanted = matches!(privilege.as_str(), "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "USAGE")
            && !lacks.contains(&privilege.as_str());
        // Of a sequence USAGE is all that is needed.
        assert_eq!(held, if sequence { privilege == "USAGE" } else { wanted }, "{role}: {privilege} on {table}");
    }
    assert!(own > 40, "only {own} rights on tables of {context} were looked at");

    let elsewhere = rows(
        admin,
        &format!(
            "select 'may make something in ' || n.nspname from pg_namespace n
              where has_schema_privilege('{role}', n.oid, 'CREATE')
             union all
             select 'may see into ' || n.nspname from pg_namespace n
              where has_schema_privilege('{role}', n.oid, 'USAGE') and n.nspname {NOT_OURS}
                and n.nspname not in ('public', '{context}')
             union all
             select 'may call ' || f.oid::regprocedure from pg_proc f join pg_namespace n on n.oid = f.pronamespace
              where has_function_privilege('{role}', f.oid, 'EXECUTE') and n.nspname {NOT_OURS}
                and n.nspname not in ('public', '{context}')
             union all
             select 'may ' || p.privilege || ' in ' || d.datname from pg_database d
              cross join unnest(array['CREATE', 'TEMPORARY']) as p(privilege)
              where d.datname = current_database() and has_database_privilege('{role}', d.oid, p.privilege)"
        ),
    )
    .await;
    assert_eq!(elsewhere, Vec::<String>::new(), "{role}");
}

async fn it_has_no_more_of_the_system_than_a_stranger(admin: &mut PgConnection, role: &str) {
    let found = rows(
        admin,
        &format!(
            "select 'calls ' || f.oid::regprocedure from pg_proc f join pg_namespace n on n.oid = f.pronamespace
              where not n.nspname {NOT_OURS} and has_function_privilege('{role}', f.oid, 'EXECUTE')
                and not has_function_privilege('{STRANGER}', f.oid, 'EXECUTE')
             union all
             select p.privilege || ' on ' || c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
              cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p(privilege)
              where not n.nspname {NOT_OURS} and c.relkind in ('r', 'v', 'm')
                and has_table_privilege('{role}', c.oid, p.privilege)
                and not has_table_privilege('{STRANGER}', c.oid, p.privilege)
             union all
             select 'language ' || lanname from pg_language
              where has_language_privilege('{role}', oid, 'USAGE') and not has_language_privilege('{STRANGER}', oid, 'USAGE')
             union all
             select 'tablespace ' || spcname from pg_tablespace where has_tablespace_privilege('{role}', oid, 'CREATE')
             union all
             select 'parameter ' || parname from pg_parameter_acl
              where has_parameter_privilege('{role}', parname, 'SET, ALTER SYSTEM')
             union all
             select 'large object ' || oid from pg_largeobject_metadata"
        ),
    )
    .await;
    assert_eq!(found, Vec::<String>::new(), "{role}");
}

/// What somebody would do who has taken a service over.
async fn what_is_tried_is_denied(service: &mut PgConnection, context: &str) {
    let (other, role) = (if context == "orders" { "customers" } else { "orders" }, runtime_role(context));
    for statement in [
        format!("select * from {other}.journal"),
        format!("insert into {other}.lease select * from {context}.lease"),
        format!("update {context}.journal set position = 1"),
        format!("delete from {context}.journal"),
        format!("truncate {context}.journal"),
        format!("alter table {context}.journal disable trigger all"),
        format!("drop table {context}.journal"),
        format!("alter table {context}.journal add column mine int"),
        format!("create rule mine as on insert to {context}.journal do instead nothing"),
        format!("create trigger mine before insert on {context}.journal execute function {context}.mine()"),
        format!("create table {context}.mine (a int)"),
        format!("create view {context}.mine as select 1"),
        format!("create function {context}.mine() returns int language sql as 'select 1'"),
        "create table public.mine (a int)".to_owned(),
        "create temporary table mine (a int)".to_owned(),
        "create schema mine".to_owned(),
        "create extension dblink".to_owned(),
        "create role mine".to_owned(),
        "create database mine".to_owned(),
        format!("alter role {role} superuser"),
        format!("alter role {} password 'mine'", owner_role(context)),
        format!("set role {}", owner_role(context)),
        format!("set role {}", runtime_role(other)),
        "set session authorization postgres".to_owned(),
        "alter system set log_statement = 'all'".to_owned(),
        "set log_statement = 'none'".to_owned(),
        "set session_replication_role = 'replica'".to_owned(),
        "select * from pg_authid".to_owned(),
        "select * from pg_shadow".to_owned(),
        "select * from pg_statistic".to_owned(),
        "select pg_read_file('/etc/passwd')".to_owned(),
        "select pg_ls_dir('.')".to_owned(),
        "select lo_import('/etc/passwd')".to_owned(),
        "select pg_reload_conf()".to_owned(),
        "copy (select 1) to program 'true'".to_owned(),
        "copy (select 1) to '/tmp/mine'".to_owned(),
        format!("copy {context}.lease from program 'true'"),
        format!("copy {context}.lease from '/etc/passwd'"),
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'".to_owned(),
    ] {
        let outcome = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *service).await;
        let error = outcome.map(drop).expect_err(&format!("{context} may `{statement}`"));
        assert_eq!(code(&error).as_deref(), Some("42501"), "{context} may `{statement}`: {error}");
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code().map(Cow::into_owned))
}

async fn rows(admin: &mut PgConnection, question: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_all(admin).await.expect("the catalogue can be read")
}
