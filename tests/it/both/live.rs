//! What changes shows at once, and only to those who may see it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::House;
use crate::live::{Event, Live};

/// What shows on another's screen within this, shows at once.
const AT_ONCE: Duration = Duration::from_secs(1);

#[expect(clippy::print_stdout, reason = "how fast news travel is worth reading even when the test passes")]
pub(crate) async fn changes_reach_a_listener_at_once_and_after_a_gap(house: House) {
    let client = house.administrator().await;
    let made = client.post("/v1/customers", &json!({"customer": {"displayName": "Observed"}})).await.ok();
    let id = made["id"].as_str().expect("a customer has an id").to_owned();
    let topics = [format!("customer/{id}"), "customers".to_owned()];
    let live = Live::follow(&client, &topics, None).await;

    let change = |event: &Event| event.data["change"]["customerId"] == id.as_str();
    let mut times = Vec::new();
    let mut news = Vec::new();
    for round in 1..=5 {
        let begun = Instant::now();
        rename(&client, &id, &format!("Observed {round}")).await;
        // The first version is what was made.
        let version = json!((round + 1).to_string());
        let wanted = |event: &Event| {
            let told = &event.data["change"];
            change(event) && told["context"] == "customers" && told["version"] == version
        };
        news.push(live.wait_for("news of the customer", wanted).await);
        times.push(begun.elapsed());
    }
    times.sort();
    println!("from the command to the news: {times:?}");
    // The middle one: a machine that is busy may be late once.
    assert!(times[2] < AT_ONCE, "it takes too long from the command to the news: {times:?}");
    let first = &news[0];
    assert_eq!(first.data["change"]["context"], "customers");
    assert!(!first.data.to_string().contains("Observed"), "the stream carries ids alone: {}", first.data);

    // An order of the customer is news too, and the figures that follow from it.
    let order = json!({"order": {"customerId": id, "currency": "EUR", "status": "completed", "lines": [
        {"sku": "A", "name": "Lamp", "quantity": "1", "unitPrice": "10"}]}});
    let answer = client.post("/v1/orders", &order).await;
    if !answer.status.is_success() {
        // The catalogue has no such product: a batch brings it along.
        let mut entry = order["order"].clone();
        entry["reference"] = json!({"source": "shop", "externalId": "L-1"});
        entry["placedAt"] = json!("2026-01-02T10:00:00Z");
        client.post("/v1/orders:batchUpsert", &json!({"orders": [entry]})).await.ok();
    }
    for context in ["orders", "analytics"] {
        let of = |event: &Event| change(event) && event.data["change"]["context"] == context;
        live.wait_for(&format!("news from {context}"), of).await;
    }

    // What was missed comes first when the listener is back.
    let last = live.last_id();
    drop(live);
    rename(&client, &id, "Observed Twice").await;
    let live = Live::follow(&client, &topics, Some(&last)).await;
    // Where the bus itself was away in between, as when all has just been started, a reset stands for it.
    live.wait_for("what was missed", |event| {
        event.data["reset"].is_object() || change(event) && event.data["change"]["context"] == "customers"
    })
    .await;
    let stranger = Live::follow(&client, &topics, Some("of another time")).await;
    stranger.wait_for("a reset", |event| event.data["reset"].is_object()).await;

    // Who may not read customers hears nothing of them.
    let program = client.program(&["orders.order.read"]).await;
    let deaf = Live::follow(&program, &topics, None).await;
    let hears = Live::follow(&client, &topics, None).await;
    rename(&client, &id, "Observed Thrice").await;
    hears.wait_for("news of the customer", change).await;
    assert!(deaf.events().iter().all(|event| event.data["change"]["context"] != "customers"), "{:?}", deaf.events());
    client.get("/v1/stream?topics=nonsense").await.problem(400, "INVALID_FIELD");
    house.visitor().get("/v1/stream?topics=customers").await.problem(401, "UNAUTHENTICATED");
}

async fn rename(client: &crate::rest::Client, id: &str, name: &str) {
    let now = client.get(&format!("/v1/customers/{id}")).await.ok();
    let body = json!({"displayName": name, "etag": now["etag"]});
    client.patch(&format!("/v1/customers/{id}?updateMask=displayName"), &body).await.ok();
}
