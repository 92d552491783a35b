//! A visitor of a company's page and a colleague speak with each other.

use clientele_testkit::eventually_within;
use http::Method;
use serde_json::{Value, json};

use crate::house::House;
use crate::live::{Event, Live};
use crate::rest::Client;
use crate::shop::FRESH;

const PAGE: &str = "https://shop.example";

pub(crate) async fn a_visitor_and_a_colleague_speak_and_both_see_it_at_once(house: House) {
    let client = house.administrator().await;
    let channel = json!({"name": "Shop", "allowedOrigins": [PAGE], "greeting": "Hi!"});
    let channel = client.post("/v1/channels", &json!({ "channel": channel })).await.ok();
    let widget = format!("/v1/widget/{}", channel["siteKey"].as_str().expect("a channel has a site key"));
    let page = house.visitor();
    let script = page.get("/widget.js").await;
    assert!(script.status.is_success() && script.header("content-type").is_some_and(|t| t.contains("javascript")));

    let visit = visitor(&page, &format!("{widget}/visits"), &json!({})).await.ok();
    let secret = visit["visitorSecret"].clone();
    assert_eq!((&visit["greeting"], &visit["dialogId"]), (&json!("Hi!"), &json!("")));
    let inbox = Live::follow(&client, &["dialogs".to_owned()], None).await;
    let ask = json!({"visitorSecret": secret, "clientMessageId": "01940000-0000-7000-8000-000000000001",
                     "text": "Is it in stock?", "name": "Eva", "email": "eva@example.org"});
    let said = visitor(&page, &format!("{widget}/messages"), &ask).await.ok();
    let again = visitor(&page, &format!("{widget}/messages"), &ask).await.ok();
    assert_eq!(said, again, "the same message sent twice is one");
    inbox.wait_for("news in the inbox", |event: &Event| event.data["change"]["topics"][0] == "dialogs").await;

    let dialogs = client.all("/v1/dialogs?state=DIALOG_STATE_OPEN", "dialogs").await;
    assert_eq!((dialogs.len(), &dialogs[0]["unreadCount"], &dialogs[0]["visitorName"]), (1, &json!(1), &json!("Eva")));
    let dialog = format!("/v1/dialogs/{}", dialogs[0]["id"].as_str().expect("a dialog has an id"));

    // The page listens; the colleague answers; the page hears of it.
    let listen = page.request(Method::POST, &format!("{widget}/listen")).header("origin", PAGE);
    let live = Live::read(listen.json(&json!({"visitorSecret": secret}))).await;
    let answer = json!({"text": "Two left.", "clientMessageId": "01940000-0000-7000-8000-000000000002"});
    let answered = client.post(&format!("{dialog}/messages"), &answer).await.ok();
    let sequence = answered["sequence"].clone();
    live.wait_for("news on the page", |event| event.data["lastSequence"] == sequence).await;
    let list = json!({"visitorSecret": secret, "after": "0"});
    let heard = visitor(&page, &format!("{widget}/messages:list"), &list).await.ok();
    let texts: Vec<&str> =
        heard["messages"].as_array().into_iter().flatten().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["Is it in stock?", "Two left."]);

    // Sequence numbers are dense for those who work here, the system's entries included.
    let all = client.get(&format!("{dialog}/messages?pageSize=200")).await.ok();
    let numbers: Vec<String> = all["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| m["sequence"].as_str().unwrap_or("").to_owned())
        .collect();
    let dense: Vec<String> = (1..=numbers.len()).map(|n| n.to_string()).collect();
    assert_eq!(numbers, dense);

    a_wrong_page_or_secret_gets_nothing(&page, &widget, &secret).await;
    the_visitor_becomes_a_customer(&client, &dialog).await;
}

async fn a_wrong_page_or_secret_gets_nothing(page: &Client, widget: &str, secret: &Value) {
    let elsewhere = page.request(Method::POST, &format!("{widget}/visits")).header("origin", "https://thief.example");
    page.send(elsewhere.json(&json!({}))).await.problem(403, "ORIGIN_NOT_ALLOWED");
    let list = json!({"visitorSecret": "0".repeat(64), "after": "0"});
    let answer = visitor(page, &format!("{widget}/messages:list"), &list).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let unknown = visitor(page, "/v1/widget/nobody/messages:list", &json!({"visitorSecret": secret})).await;
    assert!(unknown.status.is_client_error(), "{unknown:?}");
}

async fn the_visitor_becomes_a_customer(client: &Client, dialog: &str) {
    let made = client.post("/v1/customers", &json!({"customer": {"displayName": "Eva"}})).await.ok();
    let link = json!({"customerId": made["id"]});
    let linked = client.post(&format!("{dialog}:linkCustomer"), &link).await.ok();
    assert_eq!(linked["customerId"], made["id"]);
    let id = made["id"].as_str().expect("a customer has an id");
    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
    assert_eq!(card["messages"]["totalDialogs"], "1", "{}", card["messages"]);
    eventually_within(FRESH, "the dialog in the timeline", || async {
        let entries = client.all(&format!("/v1/customers/{id}/timeline"), "entries").await;
        entries.iter().any(|entry| entry["kind"] == "TIMELINE_KIND_DIALOG_OPENED").then_some(())
    })
    .await;
}

async fn visitor(page: &Client, path: &str, body: &Value) -> crate::rest::Answer {
    page.send(page.request(Method::POST, path).header("origin", PAGE).json(body)).await
}
