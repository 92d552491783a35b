//! Customers and orders written one by one, beside rows inserted one by one, each of them durable when it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sqlx::Executor;

use super::cpu::Cpu;
use super::{CALLERS, Measure, SPAN, bare, done, fill, repeated};
use crate::house::House;
use crate::rest::Client;

/// Where the numbers of this measure begin, so that they are nobody else's.
const FROM: usize = 50_000_000;

pub(super) async fn measure(house: &House, client: &Client) -> Vec<Measure> {
    let mut database = house.database(None).await;
    database
        .execute("create table public.row (id uuid primary key, name text not null, body bytea not null)")
        .await
        .expect("a table can be made");
    let insert = format!("insert into public.row values (gen_random_uuid(), 'Somebody', '\\x{}');", "5a".repeat(500));
    let raw = bare::pgbench(house, "postgres", &insert, CALLERS, SPAN).await;

    let next = Arc::new(AtomicUsize::new(FROM));
    let buyer = fill::upsert(client, vec![FROM - 1]).await.remove(0);
    let customers = {
        let (client, next) = (client.clone(), next.clone());
        move |_| {
            let (client, n) = (client.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move {
                let address = format!("written{n}@bench.example");
                let customer = json!({"displayName": fill::name(n), "emails": [{ "address": address }]});
                let made =
                    client.post("/v1/customers", &json!({ "customer": customer, "requestId": n.to_string() })).await;
                assert_eq!(made.status, 200);
            }
        }
    };
    let cpu = Cpu::now();
    let customers = repeated(CALLERS, SPAN, customers).await;
    let spent_on_customers = cpu.since(done(customers));
    // What another system sells comes into the catalogue with its first sale.
    let first = json!({ "orders": [fill::order(&buyer, "W-first")] });
    client.post("/v1/orders:batchUpsert", &first).await.ok();
    let orders = {
        let client = client.clone();
        move |_| {
            let (client, n) = (client.clone(), next.fetch_add(1, Ordering::Relaxed));
            let order = fill::order(&buyer, &format!("W-{n}"));
            async move {
                let made = client.post("/v1/orders", &json!({ "order": order, "requestId": n.to_string() })).await;
                assert_eq!(made.status, 200, "{made:?}");
            }
        }
    };
    let cpu = Cpu::now();
    let orders = repeated(CALLERS, SPAN, orders).await;
    let spent_on_orders = cpu.since(done(orders));
    vec![
        Measure::rates("customers written, one by one", customers, raw, None).spent(spent_on_customers),
        Measure::rates("orders written, one by one", orders, raw, None).spent(spent_on_orders),
    ]
}
