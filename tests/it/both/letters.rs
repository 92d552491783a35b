//! A letter to a customer: consent first, then the mailbox, and the timeline tells.

use clientele_testkit::eventually_within;
use serde_json::{Value, json};

use crate::house::House;
use crate::rest::Client;
use crate::shop::FRESH;

pub(crate) async fn a_letter_goes_out_with_consent_and_not_without(house: House) {
    let client = house.administrator().await;
    let customer = json!({"displayName": "Пётр Letterman", "emails": [{"address": "petr@letters.example"}]});
    let made = client.post("/v1/customers", &json!({ "customer": customer })).await.ok();
    let (id, point) = (text(&made["id"]), text(&made["emails"][0]["id"]));
    let template = json!({"name": "Greeting", "subject": "Hello {{ customer.name }}",
        "html": "<p>Dear {{ customer.name }}, your <b>{{ gift }}</b> waits.</p>"});
    let template = client.post("/v1/emailTemplates", &json!({ "template": template })).await.ok();
    assert_eq!(template["variables"], json!(["gift"]));
    let letter = |key: &str| {
        json!({"customerId": id, "contactPointId": point, "templateId": template["id"],
               "variables": {"gift": "lamp <script>"}, "requestId": key})
    };

    // At birth everything is off.
    let unwanted = client.post("/v1/emails", &letter("before")).await.ok();
    let unwanted = settled(&client, &text(&unwanted["id"])).await;
    assert_eq!((&unwanted["state"], &unwanted["reason"]), (&json!("SEND_STATE_SUPPRESSED"), &json!("NO_CONSENT")));

    let consent = json!({"channel": "CONSENT_CHANNEL_EMAIL", "contactPointId": point, "granted": true});
    let entry = client.post(&format!("/v1/customers/{id}/consents"), &consent).await.ok();
    let sent = client.post("/v1/emails", &letter("after")).await.ok();
    let again = client.post("/v1/emails", &letter("after")).await.ok();
    assert_eq!(sent["id"], again["id"], "one key sends one letter");
    let sent = settled(&client, &text(&sent["id"])).await;
    assert_eq!(sent["state"], "SEND_STATE_SENT", "{sent}");
    assert_eq!(sent["consentEntryIds"], json!([entry["id"]]));
    assert_eq!(sent["subject"], "Hello Пётр Letterman");
    assert!(text(&sent["html"]).contains("lamp &lt;script&gt;"), "{}", sent["html"]);
    assert!(text(&sent["text"]).contains("lamp <script>"), "{}", sent["text"]);

    let mailbox = client.all("/v1/mailbox", "emails").await;
    assert_eq!(mailbox.len(), 1, "{mailbox:?}");
    assert_eq!(mailbox[0]["emailId"], sent["id"]);
    let source = client.get(&format!("/v1/mailbox/{}", text(&mailbox[0]["id"]))).await.ok();
    assert!(text(&source["source"]).contains("multipart/alternative"), "{source}");

    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
    assert_eq!((&card["messages"]["totalEmails"], &card["messages"]["emails"][0]["id"]), (&json!("2"), &sent["id"]));
    assert_eq!(card["consents"]["states"][0]["service"], true, "{}", card["consents"]);
    eventually_within(FRESH, "the letters in the timeline", || async {
        let entries = client.all(&format!("/v1/customers/{id}/timeline"), "entries").await;
        let kinds: Vec<String> =
            entries.iter().map(|e| format!("{} {}", text(&e["kind"]), text(&e["status"]))).collect();
        let wanted = [
            "TIMELINE_KIND_EMAIL_SETTLED SEND_STATE_SENT",
            "TIMELINE_KIND_EMAIL_SETTLED SEND_STATE_SUPPRESSED",
            "TIMELINE_KIND_CONSENT_GRANTED CONSENT_CHANNEL_EMAIL",
        ];
        wanted.iter().all(|wanted| kinds.iter().any(|kind| kind == wanted)).then_some(())
    })
    .await;

    // Withdrawn is withdrawn at once.
    let consent = json!({"channel": "CONSENT_CHANNEL_EMAIL", "contactPointId": point, "granted": false});
    client.post(&format!("/v1/customers/{id}/consents"), &consent).await.ok();
    let late = client.post("/v1/emails", &letter("late")).await.ok();
    let late = settled(&client, &text(&late["id"])).await;
    assert_eq!(late["reason"], "CONSENT_WITHDRAWN");
    client.post("/v1/emails", &json!({"customerId": id, "requestId": "x"})).await.problem(400, "INVALID_FIELD");
}

async fn settled(client: &Client, id: &str) -> Value {
    eventually_within(FRESH, "the letter's being settled", || async {
        let letter = client.get(&format!("/v1/emails/{id}")).await.ok();
        (letter["settledAt"].is_string()).then_some(letter)
    })
    .await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
