//! A file brought in by hand: tried, run, taken back.

use clientele_testkit::eventually_within;
use http::Method;
use serde_json::{Value, json};

use crate::house::House;
use crate::rest::Client;
use crate::shop::CAUGHT_UP;

pub(crate) async fn a_file_is_tried_brought_in_and_taken_back(house: House) {
    let client = house.administrator().await;
    let customers = "\u{feff}Name;E-mail;Телефон;Country\r\nÁna Souza;ana@files.example;+55 11 98765-4321;Brazil\r\n\
                     Пётр Ильич;petr@files.example;;Russia\r\n;;;\r\nbroken;not-an-address;;Spain\r\n";
    let import = upload(&client, "IMPORT_KIND_CUSTOMERS", "people.csv", customers).await;
    assert_eq!(import["format"]["delimiter"], "IMPORT_DELIMITER_SEMICOLON", "{import:#}");
    let path = format!("/v1/imports/{}", import["id"].as_str().expect("an import has an id"));
    let preview = client.get(&format!("{path}:preview")).await.ok();
    assert_eq!(preview["missing"], json!([]), "{preview:#}");

    client.post(&format!("{path}:start"), &json!({"trial": true})).await.ok();
    let tried = ended(&client, &path, "IMPORT_STATE_READY").await;
    assert_eq!((&tried["trial"]["created"], &tried["trial"]["refused"]), (&json!("2"), &json!("1")), "{tried:#}");
    assert_eq!(client.get("/v1/customers?query=files.example").await.ok()["totalSize"], "0", "a trial writes nothing");

    client.post(&format!("{path}:start"), &json!({})).await.ok();
    let done = ended(&client, &path, "IMPORT_STATE_DONE").await;
    assert_eq!((&done["progress"]["created"], &done["progress"]["refused"]), (&json!("2"), &json!("1")), "{done:#}");
    let refused = client.all(&format!("{path}/refusedRows"), "rows").await;
    assert_eq!((refused.len(), &refused[0]["line"]), (1, &json!("5")), "{refused:?}");
    let download = client.get(&format!("{path}/refusedRows:download")).await;
    assert!(download.status.is_success() && download.header("content-type").is_some_and(|t| t.starts_with("text/csv")));
    assert!(String::from_utf8_lossy(&download.body).contains("not-an-address"));
    eventually_within(CAUGHT_UP, "the bell's ringing", || async {
        let told = client.get("/v1/notifications").await.ok();
        let kinds: Vec<&Value> = told["notifications"].as_array()?.iter().map(|n| &n["kind"]).collect();
        kinds.contains(&&json!("NOTIFICATION_KIND_IMPORT_FINISHED")).then_some(())
    })
    .await;

    // One of the two is touched: it stays when the import is taken back.
    let found = client.get("/v1/customers?query=petr%40files.example").await.ok();
    let petr = &found["customers"][0];
    let id = petr["id"].as_str().expect("a customer has an id");
    let body = json!({"displayName": "Пётр Иванович", "etag": petr["etag"]});
    client.patch(&format!("/v1/customers/{id}?updateMask=displayName"), &body).await.ok();
    client.post(&format!("{path}:undo"), &json!({})).await.ok();
    let undone = ended(&client, &path, "IMPORT_STATE_UNDONE").await;
    assert_eq!((&undone["undo"]["removed"], &undone["undo"]["kept"]), (&json!("1"), &json!("1")), "{undone:#}");
    assert_eq!(client.get("/v1/customers?query=files.example").await.ok()["totalSize"], "1");

    orders(&client).await;
}

async fn orders(client: &Client) {
    let file = "order,date,customer,email,product,qty,price\n\
                F-1,2025-03-01 10:00,Bea,bea@files.example,LAMP,2,10.50\n\
                F-1,2025-03-01 10:00,Bea,bea@files.example,CUP,1,3.00\n\
                F-2,2025-03-02 11:00,Cid,cid@files.example,LAMP,1,10.50\n";
    let mut import = upload(client, "IMPORT_KIND_ORDERS", "orders.csv", file).await;
    let path = format!("/v1/imports/{}", import["id"].as_str().expect("an import has an id"));
    for (column, field) in import["columns"].as_array_mut().expect("a file has columns").iter_mut().zip([
        "order.number",
        "order.placed_at",
        "customer.name",
        "customer.email",
        "line.sku",
        "line.quantity",
        "line.unit_price",
    ]) {
        column["field"] = json!(field);
    }
    import["format"]["currency"] = json!("EUR");
    let body = json!({"columns": import["columns"], "format": import["format"], "etag": import["etag"]});
    client.patch(&format!("{path}?updateMask=columns,format"), &body).await.ok();
    client.post(&format!("{path}:start"), &json!({})).await.ok();
    let done = ended(client, &path, "IMPORT_STATE_DONE").await;
    assert_eq!(
        (&done["progress"]["ordersCreated"], &done["progress"]["created"]),
        (&json!("2"), &json!("2")),
        "{done:#}"
    );
    let bea = client.get("/v1/customers?query=bea%40files.example").await.ok()["customers"][0]["id"].clone();
    let bea = bea.as_str().expect("the customer was created");
    eventually_within(CAUGHT_UP, "bea's figures", || async {
        let card = client.get(&format!("/v1/customers/{bea}/card")).await.ok();
        let figures = &card["metrics"]["metrics"]["currencies"][0]["figures"];
        (figures["gross"]["minor"] == "2400").then_some(())
    })
    .await;

    client.post(&format!("{path}:undo"), &json!({})).await.ok();
    let undone = ended(client, &path, "IMPORT_STATE_UNDONE").await;
    assert_eq!((&undone["undo"]["removed"], &undone["undo"]["kept"]), (&json!("4"), &json!("0")), "{undone:#}");
    assert_eq!(client.all("/v1/orders", "orders").await.len(), 0);
}

async fn upload(client: &Client, kind: &str, name: &str, file: &str) -> Value {
    let made = client.post("/v1/imports", &json!({"kind": kind, "fileName": name})).await.ok();
    let path = format!("/v1/imports/{}/file", made["id"].as_str().expect("an import has an id"));
    let put = client.request(Method::PUT, &path).header("content-type", "text/csv").body(file.to_owned());
    client.send(put).await.ok()
}

async fn ended(client: &Client, path: &str, state: &str) -> Value {
    eventually_within(CAUGHT_UP, &format!("the import's coming to {state}"), || async {
        let import = client.get(path).await.ok();
        assert_ne!(import["state"], "IMPORT_STATE_FAILED", "{import:#}");
        (import["state"] == state).then_some(import)
    })
    .await
}
