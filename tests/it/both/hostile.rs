//! Wrong, huge, binary and hostile input: each gets a problem that says what is wrong, and none has an effect.

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::House;
use crate::rest::{Answer, Client};

pub(crate) async fn hostile_input_is_refused_with_a_problem_that_names_the_field(house: House) {
    let client = house.administrator().await;
    let program = client.program(&["customers.customer.read", "customers.customer.write", "orders.order.import"]).await;
    wrong_fields_are_named(&client).await;
    wrong_bodies_are_refused(&program).await;
    wrong_parameters_are_named(&client).await;
    wrong_entries_of_a_batch_are_refused_one_by_one(&client).await;
    let left = client.get("/v1/customers").await.ok();
    assert_eq!(left["customers"], json!([]), "a refused request has had an effect");
    for (name, log) in house.logs() {
        assert!(!log.contains("panicked"), "{name} panicked:\n{log}");
    }
}

async fn wrong_fields_are_named(client: &Client) {
    let long = "x".repeat(301);
    for (customer, fields) in [
        (
            json!({"displayName": "A", "nick": "B", "phones": [{"nmber": "1"}]}),
            vec!["customer.nick", "customer.phones[0].nmber"],
        ),
        (json!({"displayName": 5}), vec!["customer.displayName"]),
        (json!({"displayName": ""}), vec!["customer.displayName"]),
        (json!({"displayName": long}), vec!["customer.displayName"]),
        (json!({"displayName": "A\u{0}B"}), vec!["customer.displayName"]),
        (json!({"displayName": "A", "kind": "CUSTOMER_KIND_DOG"}), vec!["customer.kind"]),
        (json!({"displayName": "A", "emails": [{"address": "a@b"}]}), vec!["customer.emails[0].address"]),
        (json!({"displayName": "A", "phones": [{"number": "1"}]}), vec!["customer.phones[0].number"]),
        (json!({"displayName": "A", "managerId": "me"}), vec!["customer.managerId"]),
        (json!({"displayName": "A", "registeredAt": "yesterday"}), vec!["customer.registeredAt"]),
        (
            json!({"displayName": "A", "references": [{"source": "Shop!", "externalId": "1"}]}),
            vec!["customer.references[0].source"],
        ),
    ] {
        let answer = client.post("/v1/customers", &json!({ "customer": customer })).await;
        assert_eq!(answer.status, 400, "{customer}");
        assert_eq!(answer.fields(), fields, "{customer}");
    }
    let missing = client.post("/v1/customers", &json!({})).await;
    assert_eq!((missing.status.as_u16(), missing.fields()), (400, vec!["customer".to_owned()]));
}

async fn wrong_bodies_are_refused(client: &Client) {
    let send = |body: Vec<u8>| async move {
        let request = client.request(Method::POST, "/v1/customers").header("content-type", "application/json");
        client.send(request.body(body)).await
    };
    for body in [
        &b"{"[..],
        b"[]",
        b"null",
        b"\"text\"",
        b"\x00\x01\x02\xff\xfe",
        b"{\"customer\":{\"displayName\":\"\xff\xfe\"}}",
    ] {
        let answer = send(body.to_vec()).await;
        assert_eq!(answer.status, 400, "{body:?}: {:?}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.fields(), ["body"], "{body:?}");
    }
    let deep = format!("{{\"customer\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(send(deep.into_bytes()).await.status, 400);

    a_body_announced_as_huge_is_refused_before_it_is_sent(client).await;
    let form =
        client.request(Method::POST, "/v1/customers").header("content-type", "application/x-www-form-urlencoded");
    client.send(form.body("displayName=Ana")).await.problem(415, "NOT_JSON");
    let key = client.request(Method::POST, "/v1/customers").header("idempotency-key", "k".repeat(129));
    let answer = client.send(key.json(&json!({"customer": {"displayName": "Ana"}}))).await;
    assert_eq!((answer.status.as_u16(), answer.fields()), (400, vec!["requestId".to_owned()]));
}

async fn a_body_announced_as_huge_is_refused_before_it_is_sent(client: &Client) {
    let (address, key) = (client.address(), client.key().expect("it is a program"));
    let mut stream = TcpStream::connect(address).await.expect("the house listens");
    let head = format!(
        "POST /v1/customers HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        9 * 1024 * 1024
    );
    stream.write_all(head.as_bytes()).await.expect("the house takes the head");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the house answers and closes");
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"BODY_TOO_LARGE\""), "{answer}");
}

async fn wrong_parameters_are_named(client: &Client) {
    let named = |answer: Answer, path: &str, field: &str| {
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.fields(), [field], "{path}");
    };
    for (path, field) in [
        ("/v1/customers?pagesize=5", "pagesize"),
        ("/v1/customers?pageSize=five", "pageSize"),
        ("/v1/customers?pageSize=-1", "pageSize"),
        ("/v1/customers?pageToken=made-up", "pageToken"),
        ("/v1/customers?filter=shoe_size%20%3D%207", "filter"),
        ("/v1/customers?orderBy=shoe_size", "orderBy"),
        ("/v1/customers?query=%FF", "query"),
        ("/v1/customers/not-an-id", "id"),
        ("/v1/feeds/orders/32", "partition"),
        ("/v1/orders?placedFrom=2026-13-01T00:00:00Z", "placedFrom"),
    ] {
        named(client.get(path).await, path, field);
    }
    client.get("/v1/nothing").await.problem(404, "NO_SUCH_PATH");
    client.get("/v1/customers/019ab000-0000-7000-8000-00000000dead").await.problem(404, "NOT_FOUND");
    client.get("/v1/customers/019ab000-0000-7000-8000-00000000dead/card").await.problem(404, "NOT_FOUND");
    client.send(client.request(Method::PUT, "/v1/customers")).await.problem(405, "METHOD_NOT_ALLOWED");
}

async fn wrong_entries_of_a_batch_are_refused_one_by_one(client: &Client) {
    let order = |number: &str, quantity: &str, price: &str, currency: &str| {
        json!({
            "reference": {"source": "shop", "externalId": number}, "placedAt": "2026-03-01T10:00:00Z", "currency": currency,
            "lines": [{"sku": "A", "quantity": quantity, "unitPrice": price}],
        })
    };
    let orders = json!({"orders": [
        order("1", "2", "1.50", "EUR"),
        order("2", "0", "1.50", "EUR"),
        order("3", "2", "NaN", "EUR"),
        order("4", "2", "1.50", "Euro"),
        order("5", "1e9", "1", "EUR"),
        order("6", "9999999999999999", "9999999999999999", "EUR"),
    ]});
    let answer = client.post("/v1/orders:batchUpsert", &orders).await.ok();
    let results = answer["results"].as_array().expect("a batch has results");
    let outcomes: Vec<_> = results.iter().map(|result| result["outcome"].as_str().expect("it has one")).collect();
    assert_eq!(outcomes[0], "UPSERT_OUTCOME_CREATED");
    assert!(outcomes[1..].iter().all(|outcome| *outcome == "UPSERT_OUTCOME_REFUSED"), "{answer:#}");
    let fields: Vec<_> =
        results[1..].iter().map(|result| result["violations"][0]["field"].as_str().expect("it names one")).collect();
    assert_eq!(fields[..4], ["lines[0].quantity", "lines[0].unit_price", "currency", "lines[0].quantity"]);
    assert!(fields[4].starts_with("lines"), "{fields:?}");
    let written = client.get("/v1/orders").await.ok();
    assert_eq!(written["orders"].as_array().map(Vec::len), Some(1), "a refused order is half written");
}
