//! The card of a customer follows what happens with them.

use serde_json::{Value, json};

use crate::house::House;
use crate::rest::{Client, escaped};
use crate::shop::{Books, FRESH, Refund, SOURCE, Sale, assert_outcomes, moment};

#[expect(clippy::print_stdout, reason = "how fresh figures are is worth reading even when the test passes")]
pub(crate) async fn a_card_follows_orders_refunds_and_cancellations_to_the_cent(house: House) {
    let client = house.administrator().await;
    let id = a_new_customer_is_on_the_card_in_the_list_and_in_search(&client).await;
    a_repeated_command_has_one_effect(&client).await;

    let mut books = Books::default();
    let customers = [id.clone()];
    let mut sales: Vec<_> = (0..5).map(|n| Sale::nth(n, &customers)).collect();
    sales[4].currency = "USD";
    books.sell(&client, &sales[..1]).await;
    let mut delays = vec![books.agree_with_cards(&client, &customers, FRESH).await];
    books.sell(&client, &sales[1..]).await;
    delays.push(books.agree_with_cards(&client, &customers, FRESH).await);

    books.refund(&client, &[refund(&id)]).await;
    delays.push(books.agree_with_cards(&client, &customers, FRESH).await);

    // The same again changes nothing.
    let again: Vec<_> = sales.iter().map(Sale::entry).collect();
    let answer = client.post("/v1/orders:batchUpsert", &json!({ "orders": again })).await.ok();
    assert_outcomes(&answer, &["UPSERT_OUTCOME_UNCHANGED"], sales.len());

    // An order called off counts as nothing; taken up again, it counts as before.
    let order = order_of(&client, &id, &sales[2].number).await;
    let path = format!("/v1/orders/{}:changeStatus", order["id"].as_str().expect("an order has an id"));
    for status in ["cancelled", "completed"] {
        client.post(&path, &json!({ "status": status })).await.ok();
        sales[2].status = status;
        books.note(&sales[2..3]);
        delays.push(books.agree_with_cards(&client, &customers, FRESH).await);
    }
    client.post(&path, &json!({"status": "new", "etag": "1"})).await.problem(409, "ETAG_MISMATCH");

    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
    assert_eq!(card["orders"]["totalSize"], "5");
    assert_eq!(card["orders"]["orders"].as_array().map(Vec::len), Some(5));
    assert!(card["metrics"]["metrics"]["asOf"].is_string(), "{card:#}");
    months_and_favourites_add_up(&card["metrics"]["metrics"]["currencies"][0]);
    the_timeline_tells_all(&client, &id).await;
    println!("from the answer to a command to its figures on the card: {delays:?}");
}

async fn a_new_customer_is_on_the_card_in_the_list_and_in_search(client: &Client) -> String {
    let customer = json!({
        "displayName": "José Ибрагимов-Peña",
        "phones": [{"number": "+34 612 345 678", "label": "mobile"}],
        "emails": [{"address": "Jose.Pena@Example.org"}],
        "country": "Spain",
    });
    let made = client.post("/v1/customers", &json!({ "customer": customer })).await.ok();
    let id = made["id"].as_str().expect("a customer has an id").to_owned();
    assert_eq!(made["phones"][0]["e164"], "+34612345678");

    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
    for section in ["customer", "metrics", "orders", "timeline", "people", "consents", "messages", "segments"] {
        assert_eq!(card[section]["status"]["state"], "SECTION_STATE_OK", "{section}: {card:#}");
    }
    assert_eq!(card["customer"]["customer"]["displayName"], "José Ибрагимов-Peña");
    for query in ["jose", "ИБРАГИМОВ", "pena", "345 67", "pena@example", "ибраг 612"] {
        let found = client.get(&format!("/v1/customers?query={}", escaped(query))).await.ok();
        assert_eq!(found["customers"][0]["id"], id.as_str(), "{query}: {found}");
    }
    let filter = escaped("country = \"Spain\" AND has_phone = true");
    let listed = client.get(&format!("/v1/customers?filter={filter}&orderBy=display_name")).await.ok();
    assert_eq!((&listed["customers"][0]["id"], &listed["totalSize"]), (&json!(id), &json!("1")));
    id
}

async fn a_repeated_command_has_one_effect(client: &Client) {
    let body = json!({"customer": {"displayName": "Once Only"}});
    let send = |body: Value| async move {
        let request = client.request(http::Method::POST, "/v1/customers").header("idempotency-key", "the-same-key");
        client.send(request.json(&body)).await
    };
    let (first, second) = tokio::join!(send(body.clone()), send(body.clone()));
    // Of two at once the second waits for the first, or is told to try again.
    let third = send(body).await.ok();
    for answer in [first, second] {
        if answer.status.is_success() {
            assert_eq!(answer.ok(), third);
        }
    }
    let other = send(json!({"customer": {"displayName": "Another"}})).await;
    assert!(other.status.is_client_error(), "{other:?}");
    let found = client.get("/v1/customers?query=Once%20Only").await.ok();
    assert_eq!(found["customers"].as_array().map(Vec::len), Some(1));
}

fn refund(customer_id: &str) -> Refund {
    Refund {
        number: "R-1".to_owned(),
        customer_id: customer_id.to_owned(),
        issued_at: moment(6),
        currency: "EUR",
        lines: vec![("SKU-1".to_owned(), 1, 333)],
    }
}

async fn order_of(client: &Client, customer_id: &str, number: &str) -> Value {
    let orders = client.all(&format!("/v1/orders?customerId={customer_id}&includeLines=true"), "orders").await;
    let reference = json!({"source": SOURCE, "externalId": number});
    orders.into_iter().find(|order| order["reference"] == reference).unwrap_or_else(|| panic!("{number} is not listed"))
}

fn months_and_favourites_add_up(currency: &Value) {
    let sum = |name: &str| -> i64 {
        let months = currency["months"].as_array().expect("a currency has months");
        assert_eq!(months.len(), 12);
        months.iter().map(|month| crate::shop::whole(&month[name]["minor"])).sum()
    };
    for name in ["gross", "refunds", "net"] {
        assert_eq!(sum(name), crate::shop::whole(&currency["figures"][name]["minor"]), "{name}");
    }
    let favourites = currency["favourites"].as_array().expect("a currency has favourites");
    assert!((1..=7).contains(&favourites.len()));
    let units: Vec<f64> =
        favourites.iter().map(|f| f["units"].as_str().and_then(|u| u.parse().ok()).expect("a number")).collect();
    assert!(units.is_sorted_by(|a, b| a >= b), "{units:?}");
}

async fn the_timeline_tells_all(client: &Client, id: &str) {
    let entries = client.all(&format!("/v1/customers/{id}/timeline"), "entries").await;
    let count = |kind: &str| entries.iter().filter(|entry| entry["kind"] == format!("TIMELINE_KIND_{kind}")).count();
    assert_eq!(count("CUSTOMER_CREATED"), 1, "{entries:#?}");
    assert_eq!(count("ORDER_PLACED"), 5);
    assert_eq!(count("ORDER_STATUS_CHANGED"), 2);
    assert_eq!(count("CREDIT_NOTE_ISSUED"), 1);
    assert!(entries.iter().all(|entry| entry["actor"]["kind"] == "ACTOR_KIND_USER" && entry["origin"] == "ORIGIN_WEB"));
}
