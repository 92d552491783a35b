//! The card: the whole of it through the gateway, beside pgbench running the statements that one card costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clientele_testkit::eventually_within;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::cpu::Cpu;
use super::{CALLERS, Measure, SPAN, bare, done, rate, repeated};
use crate::house::House;
use crate::rest::Client;

/// How many cards are read while statements are listened to: what is not said for each is not the card's.
const LISTENED: usize = 20;

/// Cards read in a second.
pub(super) async fn reads(client: &Client, customers: &[String]) -> (f64, String) {
    let (client, customers) = (client.clone(), Arc::new(customers.to_vec()));
    let read = move |n: usize| {
        let (client, customers) = (client.clone(), customers.clone());
        async move {
            let card = client.get(&format!("/v1/customers/{}/card", customers[n % customers.len()])).await;
            assert_eq!(card.status, 200);
        }
    };
    // Once to open connections and fill caches.
    repeated(CALLERS, SPAN / 5, read.clone()).await;
    let cpu = Cpu::now();
    let rate = repeated(CALLERS, SPAN, read).await;
    (rate, cpu.since(done(rate)))
}

pub(super) async fn measure(
    house: &House,
    client: &Client,
    customers: &[String],
    costs: &[(usize, f64, String)],
) -> Vec<Measure> {
    let statements = statements(house, client, &customers[0]).await;
    prepare(house, customers).await;
    let script = script(&statements, &customers[0]);
    let raw = bare::pgbench(house, "postgres", &script, CALLERS, SPAN).await;
    let (size, ours, spent) = costs.last().expect("cards were read at the last size");
    let what = format!("cards at {size} customers, {} statements each", statements.len());
    let mut table = vec![Measure::rates(what, *ours, raw, Some(("at least 30 %", 0.30))).spent(spent.clone())];
    let (first, fastest, _) = &costs[0];
    for (size, rate_there, spent) in &costs[1..] {
        let growth = fastest / rate_there;
        let mut line = Measure::new(format!("a card's cost at {size} customers, beside {first}"), rate(*rate_there));
        line.figure = format!("{growth:.2}");
        table.push(line.beside(rate(*fastest)).goal("below 1.3", growth < 1.3).spent(spent.clone()));
    }
    table
}

/// A statement with the values it was given.
struct Statement {
    text: String,
    values: Vec<Option<String>>,
}

/// Listens to what PostgreSQL is asked while a card is read.
async fn statements(house: &House, client: &Client, customer: &str) -> Vec<Statement> {
    let mut database = house.database(None).await;
    let log: String = sqlx::query_scalar("select pg_current_logfile('jsonlog')")
        .fetch_one(&mut database)
        .await
        .expect("the house's PostgreSQL writes its log as JSON");
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut database).await.expect("it has one");
    let log = Path::new(&folder).join(log);
    listen(&mut database, "alter role all set log_statement = 'all'").await;
    // Once, so that connections are open and have prepared what they need.
    eventually_within(Duration::from_secs(30), "whole cards", || async {
        let mut whole = true;
        for _ in 0..LISTENED {
            let card = client.get(&format!("/v1/customers/{customer}/card")).await;
            whole = whole && card.status == 200;
        }
        whole.then_some(())
    })
    .await;
    let from = std::fs::metadata(&log).expect("the log is there").len();
    for _ in 0..LISTENED {
        client.get(&format!("/v1/customers/{customer}/card")).await.ok();
    }
    listen(&mut database, "alter role all reset log_statement").await;
    let text = std::fs::read(&log).expect("the log can be read");
    let text = String::from_utf8_lossy(&text[usize::try_from(from).expect("a log fits in memory")..]).into_owned();

    // By what is said and with what: the same statement for another customer, or by a background task, is another one.
    let mut said: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in text.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let message = entry["message"].as_str().unwrap_or_default();
        let Some((how, statement)) = message.split_once(": ") else { continue };
        if how == "statement" || how.starts_with("execute") {
            let values = entry["detail"].as_str().unwrap_or_default().to_owned();
            *said.entry((statement.to_owned(), values)).or_default() += 1;
        }
    }
    let mut found = Vec::new();
    for ((text, detail), times) in said {
        for _ in 0..times / LISTENED {
            found.push(Statement { text: text.clone(), values: values(&detail) });
        }
    }
    // A transaction has its beginning at the beginning and its end at the end.
    found.sort_by_key(|statement| match statement.text.split_whitespace().next().map(str::to_lowercase).as_deref() {
        Some("begin" | "start") => 0,
        Some("commit" | "rollback") => 2,
        _ => 1,
    });
    assert!(found.iter().any(|statement| statement.values.iter().flatten().any(|value| value.contains(customer))));
    found
}

/// Changes what sessions say, and has services begin new ones: a session keeps what it began with.
async fn listen(database: &mut PgConnection, change: &'static str) {
    database.execute(change).await.expect("a setting can be changed");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename like '%_runtime'";
    database.execute(end).await.expect("sessions can be ended");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// `parameters: $1 = 'text, ''quoted''', $2 = NULL`
fn values(detail: &str) -> Vec<Option<String>> {
    let mut rest =
        detail.strip_prefix("parameters: ").or_else(|| detail.strip_prefix("Parameters: ")).unwrap_or_default();
    let mut values = Vec::new();
    while let Some((_, value)) = rest.split_once(" = ") {
        if let Some(after) = value.strip_prefix("NULL") {
            values.push(None);
            rest = after;
            continue;
        }
        let quoted = value.strip_prefix('\'').expect("a value is quoted");
        let mut text = String::new();
        let mut characters = quoted.char_indices().peekable();
        let mut end = quoted.len();
        while let Some((place, character)) = characters.next() {
            if character != '\'' {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                end = place + 1;
                break;
            }
        }
        values.push(Some(text));
        rest = &quoted[end..];
    }
    values
}

/// The ids that pgbench chooses from.
async fn prepare(house: &House, customers: &[String]) {
    let mut database = house.database(None).await;
    let rows: Vec<String> = customers.iter().enumerate().map(|(n, id)| format!("({n}, '{id}')")).collect();
    let all = format!(
        "create table if not exists public.bench (n integer primary key, id text not null); truncate public.bench;
         insert into public.bench values {}",
        rows.join(", ")
    );
    sqlx::raw_sql(AssertSqlSafe(all)).execute(&mut database).await.expect("a table can be made");
    database.close().await.expect("a connection closes");
}

/// The statements as a script of pgbench, each time for another customer. Choosing one is a statement more.
fn script(statements: &[Statement], customer: &str) -> String {
    let mut script = String::from(
        "\\set n random(0, 199)\nselect id as customer, '{' || id || '}' as customers from public.bench where n = :n \\gset\n",
    );
    for statement in statements {
        // A statement of a script is one line, which a comment would end.
        let lines = statement.text.lines().map(|line| line.split_once("--").map_or(line, |(before, _)| before));
        let mut text = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        // Backwards, for `$1` begins `$12`.
        for (place, value) in statement.values.iter().enumerate().rev() {
            let literal = match value {
                None => "null".to_owned(),
                Some(value) if value == customer => ":customer::uuid".to_owned(),
                Some(value) if *value == format!("{{{customer}}}") => ":customers::uuid[]".to_owned(),
                Some(value) => format!("'{}'", quoted(value)),
            };
            text = text.replace(&format!("${}", place + 1), &literal);
        }
        let _ = writeln!(script, "{text};");
    }
    script
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}
