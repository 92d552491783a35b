//! A segment follows what its members do.

use clientele_kernel::{Clock, SystemClock};
use clientele_testkit::eventually_within;
use serde_json::{Value, json};

use crate::house::House;
use crate::rest::Client;
use crate::shop::{FRESH, customers};

pub(crate) async fn a_segment_follows_what_customers_do_and_says_why(house: House) {
    let client = house.administrator().await;
    let ids = customers(&client, (0..4).map(|n| format!("Member {n}"))).await;
    buy(&client, "G-0", &ids[0], "2025-01-10T10:00:00Z", "600").await;
    buy(&client, "G-1", &ids[1], "2025-01-10T10:00:00Z", "100").await;
    let rule = json!({"all": {"rules": [
        {"condition": {"field": "metrics.gross", "operator": "OPERATOR_MORE", "money": {"minor": "50000", "currency": "EUR"}}},
        {"condition": {"field": "metrics.last_purchase_at", "operator": "OPERATOR_MORE_DAYS_AGO", "number": "90"}},
    ]}});
    eventually_within(FRESH, "the count of the rule", || async {
        let counted = client.post("/v1/segments:count", &json!({ "rule": rule })).await.ok();
        (counted["count"] == "1").then_some(())
    })
    .await;
    let segment = json!({"name": "Sleepy", "rule": rule});
    let segment = client.post("/v1/segments", &json!({ "segment": segment })).await.ok();
    let path = format!("/v1/segments/{}", segment["id"].as_str().expect("a segment has an id"));
    members(&client, &path, &ids[..1]).await;

    // Another becomes one by an event, and the first stops being one.
    buy(&client, "G-2", &ids[1], "2025-02-10T10:00:00Z", "900").await;
    members(&client, &path, &ids[..2]).await;
    let now = SystemClock.now().to_rfc3339();
    buy(&client, "G-3", &ids[0], &now, "5").await;
    members(&client, &path, &ids[1..2]).await;
    let count = client.get(&path).await.ok();
    assert_eq!((&count["memberCount"], &count["build"]["complete"]), (&json!("1"), &json!(true)));

    let card = client.get(&format!("/v1/customers/{}/card", ids[1])).await.ok();
    let membership = &card["segments"]["memberships"][0];
    assert_eq!(membership["segmentName"], "Sleepy", "{}", card["segments"]);
    let reasons = membership["reasons"].as_array().expect("a membership has reasons");
    assert_eq!(reasons.len(), 2, "{membership}");
    assert!(reasons.iter().all(|reason| reason["holds"] == true && reason["actual"] != ""), "{membership}");
    let changes = client.all(&format!("/v1/customers/{}/membershipChanges", ids[0]), "changes").await;
    let entered: Vec<bool> = changes.iter().filter_map(|change| change["entered"].as_bool()).collect();
    assert_eq!(entered, [false, true], "{changes:?}");

    wrong_members_are_found(&house, &segment, &ids[1], &ids[2]).await;

    let wrong =
        json!({"rule": {"all": {"rules": [{"condition": {"field": "metrics.gros", "operator": "OPERATOR_MORE"}}]}}});
    let refused = client.post("/v1/segments:count", &wrong).await;
    refused.problem(400, "INVALID_FIELD");
    assert!(refused.fields()[0].contains("rules[0]"), "{:?}", refused.fields());

    // Put away, nobody belongs to it.
    let now = client.get(&path).await.ok();
    let away = json!({"active": false, "etag": now["etag"]});
    client.patch(&format!("{path}?updateMask=active"), &away).await.ok();
    members(&client, &path, &[]).await;
}

/// Members that are put into the database or taken out of it behind the house's back: `verify` finds both and names them.
async fn wrong_members_are_found(house: &House, segment: &Value, member: &str, stranger: &str) {
    let id = segment["id"].as_str().expect("a segment has an id");
    let verify = async || house.verify(&["--quick", "--patience", "5"]).await;
    verify().await.succeeded();
    let mut database = house.database(None).await;
    let mut change = async |statement: String| {
        let done = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut database).await;
        assert_eq!(done.expect("a fault can be planted").rows_affected(), 1);
    };
    let of = |customer: &str| format!("segment_id = '{id}' and customer_id = '{customer}'");
    change(format!(
        "insert into campaigns.membership (customer_id, segment_id, id, version, active, entered_at)
         values ('{stranger}', '{id}', gen_random_uuid(), 1, true, '2026-01-02T03:04:05Z')"
    ))
    .await;
    change(format!(
        "update campaigns.membership set active = false, entered_at = null where active and {}",
        of(member)
    ))
    .await;
    let told = house.verify(&["--quick", "--patience", "1"]).await;
    assert!(!told.status.success(), "{}", told.output);
    for line in [
        format!("segment `Sleepy`: customer {stranger} is served as a member, recomputed it is that of none"),
        format!("segment `Sleepy`: customer {member} is served as no member, recomputed it is that of a member"),
    ] {
        assert!(told.output.contains(&line), "{line}: {}", told.output);
    }
    assert!(told.log.contains("2 things do not agree"), "{}", told.log);
    change(format!("delete from campaigns.membership where {}", of(stranger))).await;
    change(format!(
        "update campaigns.membership set active = true, entered_at = '2026-01-02T03:04:05Z' where {}",
        of(member)
    ))
    .await;
    verify().await.succeeded();
}

async fn buy(client: &Client, number: &str, customer: &str, placed_at: &str, price: &str) {
    let order = json!({"reference": {"source": "shop", "externalId": number}, "customerId": customer, "placedAt": placed_at,
        "currency": "EUR", "status": "completed",
        "lines": [{"sku": "LAMP", "name": "Lamp", "quantity": "1", "unitPrice": price}]});
    let answer = client.post("/v1/orders:batchUpsert", &json!({"orders": [order]})).await.ok();
    assert_eq!(answer["results"][0]["outcome"], "UPSERT_OUTCOME_CREATED", "{answer}");
}

async fn members(client: &Client, path: &str, wanted: &[String]) {
    let mut wanted = wanted.to_vec();
    wanted.sort();
    eventually_within(FRESH, &format!("the members {wanted:?}"), || async {
        let members = client.all(&format!("{path}/members"), "members").await;
        let mut found: Vec<String> =
            members.iter().filter_map(|member: &Value| Some(member["customerId"].as_str()?.to_owned())).collect();
        found.sort();
        (found == wanted).then_some(())
    })
    .await;
}
