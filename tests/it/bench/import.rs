//! A file of customers brought in as a person does it, beside COPY of the very rows it became, into tables with the same
//! columns and indexes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clientele_testkit::eventually_within;
use http::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::cpu::Cpu;
use super::{Measure, fill};
use crate::house::House;
use crate::rest::Client;

const ROWS: usize = 100_000;
const FROM: usize = 70_000_000;

pub(super) async fn measure(house: &House, client: &Client) -> Measure {
    let mut file = String::from("Id,Name,E-mail,Phone,Country\n");
    for n in FROM..FROM + ROWS {
        let _ = writeln!(file, "{n},{},import{n}@bench.example,+34 7{:08},Spain", fill::name(n), n % 100_000_000);
    }
    let mut database = house.database(None).await;
    let before = tables(&mut database).await;

    let cpu = Cpu::now();
    let begun = Instant::now();
    let made = client.post("/v1/imports", &json!({"kind": "IMPORT_KIND_CUSTOMERS", "fileName": "many.csv"})).await.ok();
    let path = format!("/v1/imports/{}", made["id"].as_str().expect("an import has an id"));
    let put = client.request(Method::PUT, &format!("{path}/file")).header("content-type", "text/csv").body(file);
    client.send(put).await.ok();
    client.post(&format!("{path}:start"), &json!({})).await.ok();
    let done = eventually_within(Duration::from_mins(20), "the import's end", || async {
        let import = client.get(&path).await.ok();
        assert_ne!(import["state"], "IMPORT_STATE_FAILED", "{import:#}");
        (import["state"] == "IMPORT_STATE_DONE").then_some(import)
    })
    .await;
    let ours = begun.elapsed();
    let spent = cpu.since(ROWS);
    assert_eq!(done["progress"]["created"], Value::from(ROWS.to_string()), "{done:#}");

    // What is copied is what is there now, so there must have been next to nothing before.
    assert!(before.iter().all(|(_, rows)| *rows < 1_000), "an import is measured in an empty house: {before:?}");
    let mut bare = Duration::ZERO;
    database.execute("create schema copied").await.expect("a schema can be made");
    let many = i64::try_from(ROWS / 2).expect("it is small");
    for (table, _) in tables(&mut database).await.into_iter().filter(|(_, rows)| *rows > many) {
        bare += copied(&mut database, &table, house).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few million are exact in a double")]
    let per_second = |time: Duration| ROWS as f64 / time.as_secs_f64();
    Measure::rates("rows imported", per_second(ours), per_second(bare), Some(("at least 30 %", 0.30))).spent(spent)
}

/// The tables of customers with their rows, but for what an import keeps for itself.
async fn tables(database: &mut PgConnection) -> Vec<(String, i64)> {
    let names = sqlx::query("select tablename::text as name from pg_tables where schemaname = 'customers' and tablename not like 'import%' order by 1")
        .fetch_all(&mut *database)
        .await
        .expect("tables can be listed");
    let mut tables = Vec::new();
    for name in names {
        let name: String = name.get("name");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from customers.{name}")))
            .fetch_one(&mut *database)
            .await
            .expect("rows can be counted");
        tables.push((name, rows));
    }
    tables
}

/// How long COPY takes to write the rows of a table into its like.
async fn copied(database: &mut PgConnection, table: &str, house: &House) -> Duration {
    let file = house.folder().join(format!("{table}.copy"));
    // PostgreSQL writes and reads it by itself, so that no client is measured.
    std::fs::File::create(&file).expect("the folder is writable");
    open(&file);
    let file = file.to_str().expect("the path is text");
    let like = format!("create table copied.{table} (like customers.{table} including all)");
    let out = format!("copy customers.{table} to '{file}' (format binary)");
    let back = format!("copy copied.{table} from '{file}' (format binary)");
    database.execute(AssertSqlSafe(like)).await.expect("a table can be made like another");
    database.execute(AssertSqlSafe(out)).await.expect("rows can be copied out");
    database.execute("checkpoint").await.expect("a checkpoint can be made");
    let begun = Instant::now();
    database.execute(AssertSqlSafe(back)).await.expect("rows can be copied in");
    begun.elapsed()
}

/// Lets the account PostgreSQL runs as write it.
fn open(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).expect("the file is ours");
}
