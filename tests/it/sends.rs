//! Letters, and a messaging service that is killed at any moment of sending them.

use std::collections::HashMap;
use std::time::Duration;

use clientele_testkit::smtp::{Act, Step};
use clientele_testkit::{SmtpServer, eventually_within};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::house::{Form, House, Options};
use crate::rest::Client;

const LETTERS: usize = 1_000;
const KILLS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_letters_survive_a_service_that_is_killed_nobody_gets_one_twice_and_the_ledger_is_honest() {
    // A little time at each step, so that the kills fall everywhere.
    let server = SmtpServer::scripted(|scene| match scene.step {
        Step::Data | Step::Body | Step::End => Act::Wait(Duration::from_millis(2)),
        _ => Act::Go,
    })
    .await;
    let settings = vec![
        ("messaging", "smtp_host", "127.0.0.1".to_owned()),
        ("messaging", "smtp_port", server.port().to_string()),
        ("messaging", "smtp_tls", "none".to_owned()),
        // A claim of the dead ends four times this later, and a little.
        ("messaging", "smtp_timeout", "2s".to_owned()),
    ];
    let mut house = House::start_with(Form::Apart, Options { settings, ..Options::default() }).await;
    let client = house.administrator().await;
    let people = people(&client).await;

    let asking = tokio::spawn(ask(client.clone(), people));
    for kill in 1..=KILLS {
        let wanted = kill * LETTERS / (KILLS + 2);
        eventually_within(Duration::from_mins(3), &format!("{wanted} letters being taken"), || async {
            (server.count() >= wanted).then_some(())
        })
        .await;
        house.kill9("messaging");
        house.start_service("messaging").await;
    }
    asking.await.expect("nobody panics while asking");

    let ledger = eventually_within(Duration::from_mins(4), "every letter's being settled", || async {
        let ledger = client.all("/v1/emails", "emails").await;
        ledger.iter().all(|email| email["settledAt"].is_string()).then_some(ledger)
    })
    .await;
    assert_eq!(ledger.len(), LETTERS);
    let mut got: HashMap<String, usize> = HashMap::new();
    for taken in server.taken() {
        *got.entry(taken.to).or_default() += 1;
    }
    let mut unknown = 0;
    for email in &ledger {
        let address = email["toAddress"].as_str().expect("a letter has an address");
        let times = got.get(address).copied().unwrap_or_default();
        assert!(times <= 1, "{address} got {times} letters");
        match email["state"].as_str() {
            Some("SEND_STATE_SENT") => assert_eq!(times, 1, "{address} is told to have got a letter"),
            Some("SEND_STATE_UNKNOWN") => unknown += 1,
            _ => panic!("nothing else can have become of it: {email}"),
        }
    }
    // What each of the four sessions had in doubt when the service was killed, four letters at most, and no more.
    assert!(unknown <= KILLS * 4 * 4, "{unknown} letters are unknown");
    house.verify(&["--quick"]).await.succeeded();

    // What is planted into the ledger behind the journal's back, `verify` finds; and a letter that waits for ever.
    let of = |place: usize| ledger[place]["id"].as_str().expect("a letter has an id");
    let (changed, gone, waiting) = (of(0), of(1), of(2));
    let mut database = house.database(None).await;
    for statement in [
        format!("update messaging.email set state = 'failed', reason = 'RECIPIENT_REFUSED' where id = '{changed}'"),
        format!("delete from messaging.email where id = '{gone}'"),
        format!(
            "update messaging.email
             set state = 'queued', reason = '', settled_at = null, next_attempt_at = created_at + interval '1 year',
                 created_at = created_at - interval '1 year'
             where id = '{waiting}'"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut database).await.expect("a fault can be planted");
    }
    let told = house.verify(&["--quick", "--patience", "1"]).await;
    assert!(!told.status.success(), "{}", told.output);
    for line in [
        format!("letter {changed}: the ledger says SEND_STATE_FAILED (RECIPIENT_REFUSED)"),
        format!("letter {gone}: the ledger says nothing, the journal's last word is SEND_STATE_"),
        format!("letter {waiting}: the ledger says SEND_STATE_QUEUED, the journal's last word is SEND_STATE_"),
        format!("letter {waiting} is stuck: it is not to be tried before"),
    ] {
        assert!(told.output.contains(&line), "{line}: {}", told.output);
    }
    assert!(told.log.contains("4 things do not agree"), "{}", told.log);
}

/// A thousand people who agreed to be written to.
async fn people(client: &Client) -> Vec<(String, String)> {
    let mut people = Vec::with_capacity(LETTERS);
    for batch in 0..LETTERS / 500 {
        let entry = |n: usize| {
            let address = format!("p{n}@letters.example");
            json!({
                "reference": {"source": "tests", "externalId": n.to_string()},
                "customer": {"displayName": format!("Person {n}"), "emails": [{ "address": address }]},
                "consents": [{"channel": "CONSENT_CHANNEL_EMAIL", "address": address, "granted": true, "evidence": "form 7"}],
            })
        };
        let numbers = batch * 500..(batch + 1) * 500;
        let entries: Vec<Value> = numbers.clone().map(entry).collect();
        let answer = client.post("/v1/customers:batchUpsert", &json!({ "entries": entries })).await.ok();
        let results = answer["results"].as_array().expect("a batch has results");
        people.extend(numbers.zip(results).map(|(n, result)| {
            assert_eq!(result["outcome"], "UPSERT_OUTCOME_CREATED", "{result}");
            let id = result["customerId"].as_str().expect("a created customer has an id").to_owned();
            (id, format!("p{n}@letters.example"))
        }));
    }
    people
}

/// Asks for a letter to each, again and again until there is an answer.
async fn ask(client: Client, people: Vec<(String, String)>) {
    futures::stream::iter(people)
        .for_each_concurrent(8, |(id, address)| {
            let client = client.clone();
            async move {
                let letter = json!({"customerId": id, "toAddress": address, "subject": "Hello", "text": "Good day.",
                                    "requestId": address});
                loop {
                    let request = client.request(http::Method::POST, "/v1/emails").json(&letter);
                    match client.try_send(request).await {
                        Ok(answer) if answer.status.is_success() => return,
                        Ok(answer) => assert!(answer.status.is_server_error() || answer.status == 429, "{answer:?}"),
                        Err(_) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        })
        .await;
}
