//! A fresh database for each test. A template is migrated once for each state of the migrations; each test gets a copy
//! of it and works as the runtime role, so that what that role may not do fails in tests too.

use std::sync::Arc;

use clientele_kernel::{Ids, SystemEntropy};
use clientele_platform::postgres::{self, Database, Keyring, MasterKey, PLATFORM_MIGRATIONS};
use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{TestClock, cluster};

/// A database of one test. It is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// The database as the service uses it.
    pub db: Database,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Where ids come from.
    pub ids: Ids,
    name: String,
    admin: PgConnectOptions,
}

impl TestDatabase {
    /// A fresh database with the schema of one context.
    pub async fn new(context: &'static str, migrations: &'static Migrator) -> Self {
        let admin = cluster::superuser().await;
        let template = template(&admin, context, migrations).await;
        let name = format!(
            "test_{}",
            Ids::new(Arc::new(clientele_kernel::SystemClock), Arc::new(SystemEntropy)).next::<Uuid>().simple()
        );
        let mut conn = PgConnection::connect_with(&admin).await.expect("the test cluster answers");
        execute(&mut conn, &format!("create database {name} template {template}")).await;
        conn.close().await.expect("a connection closes");

        let clock = Arc::new(TestClock::default());
        let pool = Self::pool_of(&admin, &name, context, 8);
        let db = Database::new(pool, context, clock.clone(), Arc::new(SystemEntropy), keyring());
        let ids = db.ids().clone();
        Self { db, clock, ids, name, admin }
    }

    /// A further replica of the service on the same database: a pool of its own.
    pub fn replica(&self) -> Database {
        let pool = Self::pool_of(&self.admin, &self.name, self.db.context(), 8);
        Database::new(pool, self.db.context(), self.clock.clone(), Arc::new(SystemEntropy), keyring())
    }

    /// A connection as superuser, for looking at what the runtime role may not see or change.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect_with(&self.admin.clone().database(&self.name)).await.expect("the test cluster answers")
    }

    fn pool_of(admin: &PgConnectOptions, name: &str, context: &str, connections: u32) -> PgPool {
        let options = admin.clone().database(name).username(&postgres::runtime_role(context)).options([
            ("search_path", format!("{context},public").as_str()),
            ("statement_timeout", "20000"),
            ("lock_timeout", "10000"),
        ]);
        PgPoolOptions::new().max_connections(connections).connect_lazy_with(options)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, admin) = (self.name.clone(), self.admin.clone());
        // A thread of its own: the test's runtime may be ending, and dropping must not wait inside it.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                if let Ok(mut conn) = PgConnection::connect_with(&admin).await {
                    let statement = format!("drop database if exists {name} with (force)");
                    let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await;
                }
            });
        });
        let _ = dropped.join();
    }
}

/// A keyring with one fixed master key.
pub fn keyring() -> Keyring {
    let master = MasterKey { id: "test".into(), key: Zeroizing::new([7; 32]) };
    Keyring::try_new(vec![master], Arc::new(SystemEntropy)).expect("there is a master key")
}

async fn template(admin: &PgConnectOptions, context: &'static str, migrations: &'static Migrator) -> String {
    let mut hash = Sha256::new();
    for migration in PLATFORM_MIGRATIONS.iter().chain(migrations.iter()) {
        hash.update(&migration.checksum);
    }
    let name = format!("template_{context}_{}", &hex::encode(hash.finalize())[..16]);
    let mut conn = PgConnection::connect_with(admin).await.expect("the test cluster answers");
    // Tests run in processes of their own: the first makes the template, the others wait for it.
    sqlx::query("select pg_advisory_lock(hashtext($1))")
        .bind(&name)
        .execute(&mut conn)
        .await
        .expect("a lock can be had");
    let known: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
        .bind(&name)
        .fetch_optional(&mut conn)
        .await
        .expect("the catalogue can be read");
    if known.is_none() {
        let draft = format!("{name}_draft");
        execute(&mut conn, &format!("drop database if exists {draft} with (force)")).await;
        execute(&mut conn, &format!("create database {draft}")).await;
        let mut inside = PgConnection::connect_with(&admin.clone().database(&draft)).await.expect("the draft answers");
        postgres::bootstrap(&mut inside, context).await.expect("schema and roles can be made");
        inside.close().await.expect("a connection closes");
        let owner = admin.clone().database(&draft).username(&postgres::owner_role(context));
        let mut inside = PgConnection::connect_with(&owner).await.expect("the owner can connect");
        postgres::migrate(&mut inside, context, migrations).await.expect("the migrations run");
        inside.close().await.expect("a connection closes");
        // Renamed last: a template that exists is whole.
        execute(&mut conn, &format!("alter database {draft} rename to {name}")).await;
    }
    conn.close().await.expect("a connection closes");
    name
}

async fn execute(conn: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
