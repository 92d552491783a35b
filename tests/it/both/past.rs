//! What was: the history of a customer, the card as of a past moment, the feeds.

use serde_json::{Value, json};

use crate::house::House;
use crate::rest::{Client, escaped};
use crate::shop::{Books, Sale, customers, feed, whole};

pub(crate) async fn changes_past_states_and_feeds_are_whole(house: House) {
    let client = house.administrator().await;
    every_change_is_told_and_every_past_state_can_be_read(&client).await;
    duplicates_are_marked(&client).await;
    feeds_are_read_to_their_end_without_gaps(&client).await;
}

async fn every_change_is_told_and_every_past_state_can_be_read(client: &Client) {
    let made = client.post("/v1/customers", &json!({"customer": {"displayName": "Anna Alt"}})).await.ok();
    let id = made["id"].as_str().expect("a customer has an id");
    let path = format!("/v1/customers/{id}");
    let update = |mask: &str, customer: Value| {
        let path = format!("{path}?updateMask={mask}");
        async move { client.patch(&path, &customer).await }
    };
    let renamed = update("displayName", json!({"displayName": "Anna Neu", "etag": made["etag"]})).await.ok();
    update("displayName", json!({"displayName": "Anna Dritte", "etag": made["etag"]}))
        .await
        .problem(409, "ETAG_MISMATCH");
    let phones = json!({"phones": [{"number": "+49 30 901820"}], "etag": renamed["etag"]});
    let reached = update("phones", phones).await.ok();

    let changes = client.all(&format!("{path}/changes"), "changes").await;
    let versions: Vec<_> = changes.iter().map(|change| whole(&change["version"])).collect();
    assert_eq!(versions, [3, 2, 1]);
    let field = |change: usize, name: &str| {
        let fields = changes[change]["fields"].as_array().expect("a change has fields");
        fields
            .iter()
            .find(|field| field["field"] == name)
            .cloned()
            .unwrap_or_else(|| panic!("{name} is not in {fields:?}"))
    };
    assert_eq!(field(1, "display_name")["oldValues"], json!(["Anna Alt"]));
    assert_eq!(field(1, "display_name")["newValues"], json!(["Anna Neu"]));
    assert_eq!(field(0, "phones")["oldValues"], json!([]));
    let user = client.get("/v1/session").await.ok();
    assert!(changes.iter().all(|change| change["actor"]["id"] == user["userId"] && change["origin"] == "ORIGIN_WEB"));

    for (as_of, name, phones) in [
        (changes[2]["recordedAt"].as_str(), "Anna Alt", 0),
        (changes[1]["recordedAt"].as_str(), "Anna Neu", 0),
        (changes[0]["recordedAt"].as_str(), "Anna Neu", 1),
    ] {
        let as_of = as_of.expect("a change has a moment");
        let then = client.get(&format!("{path}?asOf={}", escaped(as_of))).await.ok();
        assert_eq!(then["displayName"], name, "{as_of}");
        assert_eq!(then["phones"].as_array().map(Vec::len), Some(phones), "{as_of}");
    }
    client.get(&format!("{path}?asOf=2020-01-01T00:00:00Z")).await.problem(404, "NOT_FOUND");
    let now = client.get(&path).await.ok();
    assert_eq!(now["etag"], reached["etag"]);
}

async fn duplicates_are_marked(client: &Client) {
    let with = |name: &str| json!({"customer": {"displayName": name, "emails": [{"address": "Twin@Example.org"}]}});
    let one = client.post("/v1/customers", &with("Twin One")).await.ok();
    let other = client.post("/v1/customers", &with("Twin Two")).await.ok();
    let id = one["id"].as_str().expect("a customer has an id");
    let found = client.get(&format!("/v1/customers/{id}/duplicates")).await.ok();
    assert_eq!(found["duplicates"][0]["customer"]["id"], other["id"]);
    assert_eq!(client.get(&format!("/v1/customers/{id}")).await.ok()["duplicateCount"], 1);
}

async fn feeds_are_read_to_their_end_without_gaps(client: &Client) {
    let ids = customers(client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let sales: Vec<_> = (0..24).map(|n| Sale::nth(n, &ids)).collect();
    Books::default().sell(client, &sales).await;

    let program = client.program(&["customers.feed.read", "orders.feed.read", "identity.feed.read"]).await;
    let events = feed(&program, "orders", 3).await;
    let orders = events.iter().filter(|event| event["aggregateType"] == "order");
    let mut versions: Vec<_> = orders.clone().map(|event| whole(&event["aggregateVersion"])).collect();
    versions.dedup();
    assert_eq!((orders.clone().count(), versions), (24, vec![1]));
    for order in orders {
        assert!(ids.iter().any(|id| order["customerId"] == id.as_str()));
        assert!(
            order["data"]["@type"].as_str().is_some_and(|kind| kind.ends_with("clientele.orders.v1.OrderRecorded"))
        );
    }
    let created = feed(&program, "customers", 200).await;
    let created = created.iter().filter(|event| {
        event["data"]["@type"].as_str().is_some_and(|kind| kind.ends_with("clientele.customers.v1.CustomerCreated"))
    });
    assert_eq!(created.count(), 9);
    assert!(!feed(&program, "identity", 200).await.is_empty());
    program.get("/v1/feeds/analytics/0").await.problem(403, "PERMISSION_DENIED");
}
