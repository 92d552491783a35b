//! Customers by the hundred thousand, as another system would bring them in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clientele_testkit::eventually_within;
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::house::{House, SERVICES};
use crate::rest::Client;

const BATCH: usize = 500;
/// Customers whose cards are read: they have orders, addresses and consents.
const REGULARS: usize = 200;
const GIVEN: [&str; 12] =
    ["Ana", "Boris", "Carmen", "Daria", "Elena", "Felipe", "Galina", "Hugo", "Irina", "João", "Kira", "Lucía"];
const FAMILY: [&str; 12] = [
    "Alves",
    "Bravo",
    "Costa",
    "Duarte",
    "Estrada",
    "Fedorov",
    "García",
    "Hernández",
    "Ivanova",
    "Jiménez",
    "Kuznetsov",
    "Lima",
];

/// How far it is filled.
static FILLED: AtomicUsize = AtomicUsize::new(0);

/// A name such as people have, and many share parts of.
pub(super) fn name(n: usize) -> String {
    let (given, family) = (GIVEN[n % GIVEN.len()], FAMILY[n / GIVEN.len() % FAMILY.len()]);
    format!("{given} {family} {}", n / (GIVEN.len() * FAMILY.len()))
}

pub(super) fn entry(n: usize) -> Value {
    let address = format!("person{n}@bench.example");
    json!({
        "reference": {"source": "bench", "externalId": n.to_string()},
        "customer": {
            "displayName": name(n),
            "country": (["Spain", "Brazil", "Russia", "Portugal"][n % 4]),
            "emails": [{ "address": address }],
            "phones": [{ "number": format!("+34 6{:08}", n % 100_000_000) }],
        },
        "consents": [{"channel": "CONSENT_CHANNEL_EMAIL", "address": address, "granted": true, "evidence": "form 7"}],
    })
}

/// Brings the house to so many customers, and gives the ids of those who buy.
pub(super) async fn up_to(client: &Client, size: usize) -> Vec<String> {
    let from = FILLED.swap(size, Ordering::Relaxed);
    let regulars = upsert(client, (from..size.min(from + REGULARS)).collect()).await;
    let batches: Vec<Vec<usize>> =
        (from + REGULARS..size).collect::<Vec<_>>().chunks(BATCH).map(<[usize]>::to_vec).collect();
    futures::stream::iter(batches)
        .for_each_concurrent(4, |batch| async move {
            upsert(client, batch).await;
        })
        .await;
    for (place, id) in regulars.iter().enumerate() {
        sell(client, id, from + place, 5).await;
    }
    regulars
}

pub(super) async fn upsert(client: &Client, numbers: Vec<usize>) -> Vec<String> {
    let entries: Vec<Value> = numbers.into_iter().map(entry).collect();
    let answer = client.post("/v1/customers:batchUpsert", &json!({ "entries": entries })).await.ok();
    let results = answer["results"].as_array().expect("a batch has results");
    let id = |result: &Value| {
        assert!(result["outcome"] != "UPSERT_OUTCOME_REFUSED", "{result}");
        result["customerId"].as_str().expect("a customer has an id").to_owned()
    };
    results.iter().map(id).collect()
}

/// Sales to a customer.
async fn sell(client: &Client, customer: &str, n: usize, sales: usize) {
    let orders: Vec<Value> = (0..sales).map(|sale| order(customer, &format!("F-{n}-{sale}"))).collect();
    client.post("/v1/orders:batchUpsert", &json!({ "orders": orders })).await.ok();
}

pub(super) fn order(customer: &str, number: &str) -> Value {
    json!({
        "reference": {"source": "bench", "externalId": number},
        "customerId": customer,
        "status": "completed",
        "placedAt": "2026-03-01T09:00:00Z",
        "currency": "EUR",
        "lines": [{"sku": "SKU-1", "name": "Goods", "quantity": "2", "unitPrice": "10.50"}],
    })
}

/// Waits until every service has followed the others to their end, and brings PostgreSQL's picture of the tables up to date.
pub(super) async fn settle(house: &House) {
    for context in SERVICES {
        // Cursors stand where their source's journal ends.
        let behind = format!(
            "select coalesce(sum(h.position - c.position), 0)::bigint from {context}.cursor c
             join ({heads}) h on h.context = split_part(c.consumer, '.', 2) and h.partition = c.partition",
            heads = heads()
        );
        eventually_within(Duration::from_mins(30), &format!("{context}'s having caught up"), || async {
            let mut database = house.database(None).await;
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(behind.clone()))
                .fetch_one(&mut database)
                .await
                .expect("cursors can be compared");
            database.close().await.expect("a connection closes");
            (left == 0).then_some(())
        })
        .await;
    }
    let mut database = house.database(None).await;
    database.execute("vacuum analyze").await.expect("tables can be analysed");
    database.execute("checkpoint").await.expect("a checkpoint can be made");
}

fn heads() -> String {
    let one = |context: &str| format!("select '{context}' as context, partition, position from {context}.journal_head");
    SERVICES.map(one).join(" union all ")
}
