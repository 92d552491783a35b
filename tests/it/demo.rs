//! The invented company: the first look is not at empty tables, and every figure on it is right.

use std::time::Duration;

use clientele_testkit::eventually_within;

use crate::house::{Form, House, Options};

#[tokio::test(flavor = "multi_thread")]
async fn the_invented_company_fills_every_page_once_and_all_of_it_agrees() {
    let mut house = House::start_with(Form::OneProcess, Options { demo: true, ..Options::default() }).await;
    eventually_within(Duration::from_mins(4), "the company's being made", || async {
        house.process("gateway").output().contains("demo: done").then_some(())
    })
    .await;
    let client = house.administrator().await;
    let total =
        |answer: serde_json::Value| answer["totalSize"].as_str().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let customers = total(client.get("/v1/customers?pageSize=1").await.ok());
    assert!((1_900..=2_100).contains(&customers), "{customers} customers");
    assert!(total(client.get("/v1/orders?pageSize=1").await.ok()) > 4_000);
    assert!(total(client.get("/v1/emails?pageSize=1").await.ok()) > 500);
    assert!(total(client.get("/v1/dialogs?pageSize=1").await.ok()) > 200);
    assert!(total(client.get("/v1/dialogs?state=DIALOG_STATE_OPEN&pageSize=1").await.ok()) > 3);
    for name in ["ana", "анна", "emily"] {
        let found = client.get(&format!("/v1/customers?query={}", crate::rest::escaped(name))).await.ok();
        assert!(total(found) > 0, "nobody is called {name}");
    }
    house.verify(&[]).await.succeeded();

    // Once is enough.
    house.stop_service("gateway").await;
    house.start_service("gateway").await;
    let client = house.administrator().await;
    assert_eq!(total(client.get("/v1/customers?pageSize=1").await.ok()), customers);
}
