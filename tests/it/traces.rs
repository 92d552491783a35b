//! What leaves a house: one trace from the browser to the consumer, and no personal value anywhere on the way.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use clientele_testkit::{eventually, eventually_within};
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Row};

use crate::collector::Collector;
use crate::house::{Form, House, Options, SERVICES};
use crate::rest::Client;
use crate::shop::{Books, FRESH, Sale, customer, feed};

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_through_journal_and_bus_to_the_consumer() {
    let (collector, address) = Collector::start().await;
    let house = House::start_with(Form::Apart, Options { collector: Some(address), ..Options::default() }).await;
    let client = house.administrator().await;
    let id = customer(&client, "Followed Closely").await;

    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let sale = Sale::nth(0, std::slice::from_ref(&id));
    let request =
        client.request(Method::POST, "/v1/orders:batchUpsert").header("traceparent", format!("00-{trace}-{parent}-01"));
    client.send(request.json(&json!({"orders": [sale.entry()]}))).await.ok();

    let events = feed(&client, "orders", 200).await;
    let order = events.iter().find(|event| event["aggregateType"] == "order").expect("the order is in the feed");
    let traceparent = order["traceparent"].as_str().expect("the event tells its trace");
    assert!(traceparent.starts_with(&format!("00-{trace}-")), "{traceparent}");

    for service in ["gateway", "orders", "analytics"] {
        eventually(&format!("a span of {service} in the trace"), || async {
            collector.trace(trace).iter().any(|span| span.service.contains(service)).then_some(())
        })
        .await;
    }
    for step in ["postgres.commit", "relay.publish", "consumer.apply"] {
        eventually(&format!("a span {step} in the trace"), || async {
            collector.trace(trace).iter().any(|span| span.name == step).then_some(())
        })
        .await;
    }
    let spans = collector.trace(trace);
    let edge = spans.iter().find(|span| span.service.contains("gateway") && span.parent_id == parent);
    assert!(edge.is_some(), "the gateway does not go on with the caller's trace: {spans:#?}");
    for span in &spans {
        let known = span.parent_id == parent || spans.iter().any(|other| other.span_id == span.parent_id);
        assert!(known, "{span:?} has a parent that nobody sent: {spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_value_is_in_logs_spans_bus_or_public_payloads_in_one_process() {
    nothing_personal_leaves(Form::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_value_is_in_logs_spans_bus_or_public_payloads_apart() {
    nothing_personal_leaves(Form::Apart).await;
}

/// What must not be found anywhere: nothing else in the world is called like this.
const CANARIES: [&str; 7] =
    ["Qanarius", "Вжецкивич", "612345987", "345 987", "qanary.mail", "QANARY-REF-77", "a qanary password 7"];

async fn nothing_personal_leaves(form: Form) {
    let (collector, address) = Collector::start().await;
    // More is logged than in production, so that more could be given away.
    let options = Options { log: Some("debug"), collector: Some(address), ..Options::default() };
    let house = House::start_with(form, options).await;
    let client = house.administrator().await;
    live_a_personal_life(&house, &client).await;

    for context in SERVICES {
        let events = feed(&client, context, 500).await;
        assert!(context == "analytics" || !events.is_empty());
        assert_clean(&format!("the feed of {context}"), json!(events).to_string().as_bytes());
    }
    let mut database = house.database(None).await;
    for context in SERVICES {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "select public_payload, private_payload, event_type, actor_id, coalesce(integration, '') as integration from {context}.journal"
        )))
        .fetch_all(&mut database)
        .await
        .expect("the journal can be read");
        for row in rows {
            assert_clean(&format!("a public payload of {context}"), &row.get::<Vec<u8>, _>("public_payload"));
            let sealed: Option<Vec<u8>> = row.get("private_payload");
            assert_clean(&format!("a sealed payload of {context}"), &sealed.unwrap_or_default());
            for name in ["event_type", "actor_id", "integration"] {
                assert_clean(&format!("{name} of {context}"), row.get::<String, _>(name).as_bytes());
            }
        }
        let kept: Vec<Option<Vec<u8>>> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select response from {context}.request_log")))
                .fetch_all(&mut database)
                .await
                .expect("the answers can be read");
        for answer in kept.into_iter().flatten() {
            assert_clean(&format!("an answer kept by {context}"), &answer);
        }
    }
    database.close().await.expect("a connection closes");
    if let Some(nats) = house.nats_url() {
        assert_clean("the streams", &streams(&nats).await);
    }

    eventually_within(Duration::from_secs(40), "spans at the collector", || async {
        (!collector.everything().is_empty()).then_some(())
    })
    .await;
    assert_clean("spans and metrics", &collector.everything());
    let logs = house.logs();
    assert!(logs.iter().all(|(_, log)| log.contains("DEBUG")), "the logs are not what they should be");
    for (name, log) in logs {
        assert_clean(&format!("the log of {name}"), log.as_bytes());
    }
}

async fn live_a_personal_life(house: &House, client: &Client) {
    let body = json!({"customer": {
        "displayName": "Leopold Qanarius Вжецкивич",
        "phones": [{"number": "+34 612 345 987"}],
        "emails": [{"address": "leo@qanary.mail"}],
        "references": [{"source": "shop", "externalId": "QANARY-REF-77"}],
    }});
    let request = client.request(Method::POST, "/v1/customers").header("idempotency-key", "canary");
    let made = client.send(request.json(&body)).await.ok();
    let id = made["id"].as_str().expect("a customer has an id");
    let path = format!("/v1/customers/{id}?updateMask=displayName,emails");
    let change =
        json!({"displayName": "Leo Qanarius", "emails": [{"address": "qanarius@qanary.mail"}], "etag": made["etag"]});
    client.patch(&path, &change).await.ok();
    for path in [
        "/v1/customers?query=qanarius".to_owned(),
        "/v1/customers?query=612345987".to_owned(),
        format!("/v1/customers/{id}/changes"),
        format!("/v1/customers/{id}/card"),
        format!("/v1/customers/{id}/duplicates"),
    ] {
        client.get(&path).await.ok();
    }
    write_and_be_written_to(house, client, id, &made["emails"][0]["id"]).await;
    // What is refused must not be logged either.
    let taken = client.post("/v1/customers", &body).await;
    assert_eq!(taken.status, 409);
    let wrong = json!({"customer": {"displayName": "Qanarius", "emails": [{"address": "qanary.mail qanary.mail"}]}});
    assert_eq!(client.post("/v1/customers", &wrong).await.status, 400);
    client.get("/v1/customers?filter=Qanarius").await;
    let sign_in = json!({"login": "leo@qanary.mail", "password": "a qanary password 7"});
    assert_eq!(house.visitor().post("/v1/session", &sign_in).await.status, 401);
    let user = json!({
        "user": {"login": "qanarius@qanary.mail", "displayName": "Leo Qanarius"},
        "password": "a qanary password 7",
    });
    client.post("/v1/users", &user).await.ok();
    house.visitor().sign_in("qanarius@qanary.mail", "a qanary password 7").await;

    let mut books = Books::default();
    books.sell(client, &[Sale::nth(0, &[id.to_owned()])]).await;
    books.agree_with_cards(client, &[id.to_owned()], FRESH).await;
}

/// A consent with its evidence, a letter, a dialog of a visitor who becomes this customer, a segment.
async fn write_and_be_written_to(house: &House, client: &Client, id: &str, email: &Value) {
    let now = client.get(&format!("/v1/customers/{id}")).await.ok();
    let point = now["emails"][0]["id"].as_str().or(email.as_str()).expect("an e-mail has an id");
    let consent = json!({"channel": "CONSENT_CHANNEL_EMAIL", "contactPointId": point, "granted": true,
                         "evidence": "Leo Qanarius said so on the phone"});
    client.post(&format!("/v1/customers/{id}/consents"), &consent).await.ok();
    let letter = json!({"customerId": id, "contactPointId": point, "subject": "To {{ customer.name }}",
                        "text": "Dear Qanarius, call 612345987.", "requestId": "canary-letter"});
    client.post("/v1/emails", &letter).await.ok();
    let channel = json!({"channel": {"name": "Canary page"}});
    let channel = client.post("/v1/channels", &channel).await.ok();
    let widget = format!("/v1/widget/{}", channel["siteKey"].as_str().expect("a channel has a site key"));
    let page = house.visitor();
    let visit = page.post(&format!("{widget}/visits"), &json!({})).await.ok();
    let message = json!({"visitorSecret": visit["visitorSecret"], "clientMessageId": uuid::Uuid::from_u128(7).to_string(),
                         "text": "It is me, Qanarius", "name": "Qanarius", "email": "leo@qanary.mail"});
    page.post(&format!("{widget}/messages"), &message).await.ok();
    let dialogs = client.get("/v1/dialogs").await.ok();
    let dialog = dialogs["dialogs"][0]["id"].as_str().expect("the dialog is there");
    client.post(&format!("/v1/dialogs/{dialog}:linkCustomer"), &json!({ "customerId": id })).await.ok();
    let rule = json!({"condition": {"field": "customer.has_email", "operator": "OPERATOR_EQUAL", "flag": true}});
    client.post("/v1/segments", &json!({"segment": {"name": "Reachable", "rule": rule}})).await.ok();
    eventually_within(FRESH, "the letter's being settled", || async {
        let letters = client.get(&format!("/v1/emails?customerId={id}")).await.ok();
        (letters["emails"][0]["state"] == "SEND_STATE_SENT").then_some(())
    })
    .await;
}

/// Subjects, headers and payloads of all messages in all streams.
async fn streams(url: &str) -> Vec<u8> {
    let jetstream = jetstream::new(async_nats::connect(url).await.expect("NATS answers"));
    let mut all = Vec::new();
    let mut names = jetstream.stream_names();
    let mut messages = 0;
    while let Some(name) = names.next().await {
        let stream = jetstream.get_stream(name.expect("a stream has a name")).await.expect("the stream is there");
        let settings =
            jetstream::consumer::pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let count = stream.get_info().await.expect("the stream tells of itself").state.messages;
        let mut read =
            stream.create_consumer(settings).await.expect("a stream can be read").messages().await.expect("it is read");
        for _ in 0..count {
            let message = read.next().await.expect("there are more messages").expect("a message can be read");
            all.extend(message.subject.as_bytes());
            for (header, values) in message.headers.iter().flat_map(async_nats::HeaderMap::iter) {
                all.extend(header.to_string().bytes());
                all.extend(values.iter().flat_map(|value| value.as_str().bytes()));
            }
            all.extend(&message.payload);
            messages += 1;
        }
    }
    assert!(messages > 0, "nothing is on the bus");
    all
}

#[track_caller]
fn assert_clean(place: &str, bytes: &[u8]) {
    for canary in CANARIES {
        for form in [canary.to_owned(), canary.to_lowercase(), crate::rest::escaped(canary)] {
            if let Some(at) = bytes.windows(form.len()).position(|window| window == form.as_bytes()) {
                let around = &bytes[at.saturating_sub(300)..(at + 100).min(bytes.len())];
                panic!("`{canary}` is in {place}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}
