//! Migrations beside those who work: nobody waits for them for long, and none is left half done.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clientele_platform::postgres::{expand, is_contract, migrate, owner_role};
use clientele_testkit::{TestDatabase, eventually, eventually_within};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{LONG, NONE};

const TABLE: (i64, &str, &str) =
    (20_270_101_000_000, "create shop", "create table orders.shop (id int primary key, name text not null)");

/// Migrations as files would be.
fn migrator(files: &[(i64, &str, &str)]) -> Migrator {
    let migrations = files.iter().map(|(version, description, sql)| {
        let no_tx = sql.starts_with("-- no-transaction");
        let sql = AssertSqlSafe((*sql).to_owned());
        let sql = sqlx::SqlSafeStr::into_sql_str(sql);
        Migration::new(*version, Cow::Owned((*description).to_owned()), MigrationType::Simple, sql, no_tx)
    });
    Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT }
}

async fn owner(database: &TestDatabase) -> PgConnection {
    let mut conn = database.superuser().await;
    execute(&mut conn, &format!("set role {}", owner_role("orders"))).await;
    conn
}

async fn execute(conn: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(conn).await.unwrap();
}

async fn versions(conn: &mut PgConnection) -> Vec<i64> {
    let found = sqlx::query_scalar("select version from orders._sqlx_migrations where version >= $1 order by 1");
    found.bind(TABLE.0).fetch_all(conn).await.unwrap()
}

#[tokio::test]
async fn a_migration_behind_a_long_transaction_lets_everybody_else_by_and_is_done_when_that_ends() {
    let database = TestDatabase::new("orders", &NONE).await;
    let mut conn = owner(&database).await;
    migrate(&mut conn, "orders", &migrator(&[TABLE])).await.unwrap();

    let mut long = database.db.transaction().await.unwrap();
    sqlx::query("select count(*) from orders.shop").execute(&mut *long).await.unwrap();
    let migrating = tokio::spawn(async move {
        let add = (TABLE.0 + 1, "add town", "alter table orders.shop add column town text");
        migrate(&mut conn, "orders", &migrator(&[TABLE, add])).await.unwrap();
        conn
    });

    // Each writes with the patience of a service; some come while the migration waits in front of them.
    let migrated = Arc::new(AtomicBool::new(false));
    let writers = {
        let (db, migrated) = (database.db.clone(), migrated.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while !migrated.load(Ordering::Acquire) {
                let mut work = db.transaction().await.unwrap();
                sqlx::query("set local lock_timeout = '3s'").execute(&mut *work).await.unwrap();
                let write = sqlx::query("insert into orders.shop (id, name) values ($1, '')").bind(number);
                write.execute(&mut *work).await.unwrap();
                work.commit().await.unwrap();
                number += 1;
            }
            assert!(number > 0);
        })
    };
    // Once in vain, and once more: writers got by between.
    for round in 1..=2 {
        for (waits, what) in [(true, "waiting"), (false, "letting others by")] {
            eventually_within(LONG, &format!("the migration's {what}, round {round}"), async || {
                let waiting: bool = sqlx::query_scalar(
                    "select exists (select 1 from pg_locks where relation = 'orders.shop'::regclass
                                    and mode = 'AccessExclusiveLock' and not granted)",
                )
                .fetch_one(database.db.pool())
                .await
                .unwrap();
                (waiting == waits).then_some(())
            })
            .await;
        }
    }
    long.commit().await.unwrap();
    let mut conn = migrating.await.unwrap();
    migrated.store(true, Ordering::Release);
    writers.await.unwrap();
    assert_eq!(versions(&mut conn).await, [TABLE.0, TABLE.0 + 1]);
    execute(&mut conn, "select town from orders.shop").await;
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing_and_the_mended_one_is_run() {
    let database = TestDatabase::new("orders", &NONE).await;
    let mut conn = owner(&database).await;
    let half = "alter table orders.shop add column town text; insert into orders.shop (id) values (1)";
    let after = (TABLE.0 + 2, "create street", "create table orders.street (id int)");
    let failed =
        migrate(&mut conn, "orders", &migrator(&[TABLE, (TABLE.0 + 1, "fill town", half), after])).await.unwrap_err();
    let told = format!("{failed}");
    assert!(told.contains(&(TABLE.0 + 1).to_string()) && told.contains("null value"), "{told}");
    // What came before stays, of the failed one nothing does, and what comes after waits for it.
    assert_eq!(versions(&mut conn).await, [TABLE.0]);
    let columns: i64 = sqlx::query_scalar(
        "select count(*) from information_schema.columns where table_schema = 'orders' and table_name = 'shop'",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(columns, 2);

    let mended = (TABLE.0 + 1, "fill town", "alter table orders.shop add column town text");
    migrate(&mut conn, "orders", &migrator(&[TABLE, mended, after])).await.unwrap();
    assert_eq!(versions(&mut conn).await, [TABLE.0, TABLE.0 + 1, TABLE.0 + 2]);
    // Edited after it has been run, it is refused.
    let edited = migrate(&mut conn, "orders", &migrator(&[TABLE, (TABLE.0 + 1, "fill town", half)])).await;
    assert!(edited.unwrap_err().to_string().contains("modified"));
}

#[tokio::test]
async fn an_index_whose_building_was_cut_off_is_built_anew_and_writers_go_on_meanwhile() {
    let database = TestDatabase::new("orders", &NONE).await;
    let mut conn = owner(&database).await;
    migrate(&mut conn, "orders", &migrator(&[TABLE])).await.unwrap();
    execute(&mut conn, "insert into orders.shop (id, name) values (1, 'same'), (2, 'same')").await;
    let build = "-- no-transaction\ncreate unique index concurrently if not exists shop_name on orders.shop (name)";
    let all = migrator(&[TABLE, (TABLE.0 + 1, "index shop", build)]);
    // What cuts it off here is a value that is there twice; a lost connection leaves the same behind.
    migrate(&mut conn, "orders", &all).await.unwrap_err();
    let valid = "select indisvalid from pg_index where indexrelid = 'orders.shop_name'::regclass";
    let left: bool = sqlx::query_scalar(valid).fetch_one(&mut conn).await.unwrap();
    assert!(!left);
    execute(&mut conn, "update orders.shop set name = 'other' where id = 2").await;

    // Two at once, as two jobs would be, while somebody's transaction is open: both wait for it, and write goes on.
    let mut open = database.db.transaction().await.unwrap();
    sqlx::query("insert into orders.shop (id, name) values (3, 'third')").execute(&mut *open).await.unwrap();
    let mut other = owner(&database).await;
    let twice = migrator(&[TABLE, (TABLE.0 + 1, "index shop", build)]);
    let both = tokio::spawn(async move {
        let (one, two) = tokio::join!(migrate(&mut conn, "orders", &all), migrate(&mut other, "orders", &twice));
        one.unwrap();
        two.unwrap();
        conn
    });
    eventually("their waiting for it", async || {
        let waits = "select exists (select 1 from pg_stat_activity
                                    where datname = current_database() and wait_event = 'virtualxid')";
        let waits: bool = sqlx::query_scalar(waits).fetch_one(&mut database.superuser().await).await.unwrap();
        waits.then_some(())
    })
    .await;
    sqlx::query("insert into orders.shop (id, name) values (4, 'fourth')").execute(database.db.pool()).await.unwrap();
    open.commit().await.unwrap();
    let mut conn = both.await.unwrap();
    let valid_now: bool = sqlx::query_scalar(valid).fetch_one(&mut conn).await.unwrap();
    assert!(valid_now);
    assert_eq!(versions(&mut conn).await, [TABLE.0, TABLE.0 + 1]);
}

#[tokio::test]
async fn what_contracts_waits_until_it_is_asked_for_and_an_older_release_accepts_what_a_newer_one_did() {
    let database = TestDatabase::new("orders", &NONE).await;
    let mut conn = owner(&database).await;
    let contract = (TABLE.0 + 1, "contract shop", "alter table orders.shop drop column name");
    let later = (TABLE.0 + 2, "add town", "alter table orders.shop add column town text");
    let newer = migrator(&[TABLE, contract, later]);
    assert!(is_contract(&newer.migrations[1]) && !is_contract(&newer.migrations[2]));

    expand(&mut conn, "orders", &newer).await.unwrap();
    assert_eq!(versions(&mut conn).await, [TABLE.0, TABLE.0 + 2]);
    execute(&mut conn, "select name, town from orders.shop").await;
    // The release before migrates too, on its way back: it leaves alone what it does not know.
    expand(&mut conn, "orders", &migrator(&[TABLE])).await.unwrap();
    migrate(&mut conn, "orders", &migrator(&[TABLE])).await.unwrap();

    migrate(&mut conn, "orders", &newer).await.unwrap();
    assert_eq!(versions(&mut conn).await, [TABLE.0, TABLE.0 + 1, TABLE.0 + 2]);
    let gone = sqlx::query("select name from orders.shop").execute(&mut conn).await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
    expand(&mut conn, "orders", &newer).await.unwrap();
    conn.close().await.unwrap();
}
