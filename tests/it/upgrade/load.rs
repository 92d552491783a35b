//! Everything that people and programs do, at the gateways that take requests at the moment.
//!
//! A request has failed when its connection broke, when the answer is not a success (to come again later is none), or when
//! it says that a part of it is missing. Nothing is tried twice, but for what a client repeats on purpose: under a key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_testkit::eventually_within;
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::fleet::Rotation;
use crate::rest::Client;
use crate::shop::moment;

const PAGE: &str = "https://shop.example";
const CUSTOMERS: usize = 12;
const VISITORS: usize = 10;
/// How many work at the same time, each at one thing after the other.
const WORKERS: usize = 3;
/// What a worker rests between two requests: it is not the machine that is tested.
const REST: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_mins(1);

/// What there is to work with.
#[derive(Clone)]
pub(super) struct Load(Arc<Shared>);

struct Shared {
    client: Client,
    rotation: Rotation,
    /// Ids and addresses of people who may be written to.
    customers: Vec<(String, String)>,
    product: String,
    widget: String,
    visitors: Vec<Value>,
    /// The messages of the first visitor's dialog.
    dialog: String,
    segment: String,
    turn: AtomicUsize,
    round: AtomicUsize,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    failures: Vec<String>,
    /// Whatever was acknowledged: ids of orders, letters, and messages.
    acknowledged: BTreeMap<&'static str, Vec<Value>>,
}

/// Work under way.
pub(super) struct Working {
    load: Load,
    stop: Arc<AtomicBool>,
    rounds: Vec<Arc<AtomicUsize>>,
    heard: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes what is worked with.
    pub(super) async fn prepare(client: Client, rotation: Rotation) -> Self {
        let entry = |n: usize| {
            let address = format!("p{n}@upgrade.example");
            json!({
                "reference": {"source": "upgrade", "externalId": n.to_string()},
                "customer": {"displayName": format!("Person {n}"), "emails": [{ "address": address }]},
                "consents": [{"channel": "CONSENT_CHANNEL_EMAIL", "address": address, "granted": true, "evidence": "form 7"}],
            })
        };
        let entries: Vec<Value> = (0..CUSTOMERS).map(entry).collect();
        let made = client.post("/v1/customers:batchUpsert", &json!({ "entries": entries })).await.ok();
        let id = |result: &Value| result["customerId"].as_str().expect("a created customer has an id").to_owned();
        let ids = made["results"].as_array().into_iter().flatten().map(id);
        let customers: Vec<_> = ids.zip((0..).map(|n| format!("p{n}@upgrade.example"))).collect();
        assert_eq!(customers.len(), CUSTOMERS);
        let product = json!({"products": [{"source": "upgrade", "sku": "GOODS", "name": "Goods"}]});
        let made = client.post("/v1/products:batchUpsert", &product).await.ok();
        let product = made["results"][0]["productId"].as_str().expect("a product has an id").to_owned();
        let channel = json!({"channel": {"name": "Shop", "allowedOrigins": [PAGE]}});
        let channel = client.post("/v1/channels", &channel).await.ok();
        let widget = format!("/v1/widget/{}", channel["siteKey"].as_str().expect("a channel has a site key"));
        let mut visitors = Vec::new();
        for _ in 0..VISITORS {
            let visit = client.request(Method::POST, &format!("{widget}/visits")).header("origin", PAGE);
            visitors.push(client.send(visit.json(&json!({}))).await.ok()["visitorSecret"].clone());
        }
        let first = json!({"visitorSecret": visitors[0], "clientMessageId": Uuid::new_v4(), "text": "Hello"});
        let first = client.request(Method::POST, &format!("{widget}/messages")).header("origin", PAGE).json(&first);
        client.send(first).await.ok();
        let dialogs = client.all("/v1/dialogs", "dialogs").await;
        let dialog = format!("/v1/dialogs/{}/messages", dialogs[0]["id"].as_str().expect("a dialog has an id"));
        let rule = json!({"all": {"rules": [{"condition": {"field": "metrics.gross", "operator": "OPERATOR_MORE",
                          "money": {"minor": "5000", "currency": "EUR"}}}]}});
        let segment = client.post("/v1/segments", &json!({"segment": {"name": "Buyers", "rule": rule}})).await.ok();
        let segment = segment["id"].as_str().expect("a segment has an id").to_owned();
        Self(Arc::new(Shared {
            client,
            rotation,
            customers,
            product,
            widget,
            visitors,
            dialog,
            segment,
            turn: AtomicUsize::default(),
            round: AtomicUsize::default(),
            done: Mutex::default(),
        }))
    }

    /// Begins to work.
    pub(super) fn begin(&self) -> Working {
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let rounds: Vec<_> = (0..WORKERS).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut tasks: Vec<_> = rounds
            .iter()
            .map(|rounds| {
                let (load, stop, rounds) = (self.clone(), stop.clone(), rounds.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Acquire) {
                        load.round().await;
                        rounds.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        tasks.push(tokio::spawn(self.clone().listen(stop.clone(), heard.clone())));
        Working { load: self.clone(), stop, rounds, heard, tasks }
    }

    /// Everything once.
    async fn round(&self) {
        let shared = &self.0;
        let n = shared.turn.fetch_add(1, Ordering::Relaxed);
        let (customer, address) = &shared.customers[n % CUSTOMERS];
        let key = Uuid::new_v4().to_string();

        if let Some(card) = self.ask(Method::GET, &format!("/v1/customers/{customer}/card"), None).await {
            for (section, content) in card.as_object().into_iter().flatten() {
                let state = &content["status"]["state"];
                if state.is_string() && state != "SECTION_STATE_OK" {
                    self.fail(format!("the card without {section}: {}", content["status"]));
                }
            }
        }
        self.ask(Method::GET, "/v1/customers?pageSize=20", None).await;
        self.ask(Method::GET, "/v1/orders?pageSize=20", None).await;

        let price = format!("{}.{:02}", 1 + n % 40, n * 7 % 100);
        let order = json!({"order": {
            "customerId": customer, "status": "completed", "currency": "EUR",
            "placedAt": moment(i64::try_from(n % 300).expect("it is small")),
            "lines": [{"productId": shared.product, "quantity": "1", "unitPrice": price}],
        }});
        let first = self.keyed("/v1/orders", &order, &key).await;
        // A program that has not heard its answer asks again.
        let again = self.keyed("/v1/orders", &order, &key).await;
        if let (Some(first), Some(again)) = (&first, &again)
            && first["id"] != again["id"]
        {
            self.fail(format!("one key, two orders: {} and {}", first["id"], again["id"]));
        }
        self.acknowledge("orders", first.as_ref().map(|order| &order["id"]));

        let letter = json!({"customerId": customer, "toAddress": address, "subject": "Hello", "text": "Good day.",
                            "requestId": key});
        let letter = self.ask(Method::POST, "/v1/emails", Some(&letter)).await;
        self.acknowledge("emails", letter.as_ref().map(|letter| &letter["id"]));

        let said = json!({"clientMessageId": key, "text": format!("number {n}")});
        let said = self.ask(Method::POST, &shared.dialog, Some(&said)).await;
        self.acknowledge("messages", said.as_ref().map(|message| &message["sequence"]));
        // Each of the visitors may say something twenty times in a minute.
        let round = self.0.round.fetch_add(1, Ordering::Relaxed);
        if round.is_multiple_of(8) {
            let said = json!({"visitorSecret": shared.visitors[round / 8 % VISITORS],
                              "clientMessageId": Uuid::new_v4(), "text": key});
            self.ask(Method::POST, &format!("{}/messages", shared.widget), Some(&said)).await;
        }
        self.ask(Method::GET, "/v1/dialogs?pageSize=10", None).await;

        self.ask(Method::GET, &format!("/v1/segments/{}", shared.segment), None).await;
        self.ask(Method::GET, &format!("/v1/segments/{}/members?pageSize=20", shared.segment), None).await;
        self.ask(Method::GET, "/v1/session", None).await;
        self.ask(Method::GET, "/v1/users?pageSize=10", None).await;
    }

    async fn keyed(&self, path: &str, body: &Value, key: &str) -> Option<Value> {
        let (client, _held) = self.client();
        let request = client.request(Method::POST, path).header("idempotency-key", key).json(body);
        self.answer(&format!("POST {path}"), request).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        let what = format!("{method} {path}");
        let (client, _held) = self.client();
        let mut request = client.request(method, path);
        if path.starts_with("/v1/widget/") {
            request = request.header("origin", PAGE);
        }
        self.answer(&what, body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
    }

    async fn answer(&self, what: &str, request: reqwest::RequestBuilder) -> Option<Value> {
        let answer = self.0.client.try_send(request).await;
        tokio::time::sleep(REST).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Some(answer.json()),
            Ok(answer) => {
                self.fail(format!("{what}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
                None
            }
            Err(error) => {
                self.fail(format!("{what}: {error:?}"));
                None
            }
        }
    }

    /// The client at the next gateway in turn, and what is to be held until it has answered.
    fn client(&self) -> (Client, Arc<String>) {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let gateways = self.0.rotation.read().unwrap_or_else(PoisonError::into_inner);
        let gateway = gateways[turn % gateways.len()].clone();
        (self.0.client.at(&gateway), gateway)
    }

    /// Follows what changes. A stream that ends in order is taken up where it ended.
    async fn listen(self, stop: Arc<AtomicBool>, heard: Arc<AtomicUsize>) {
        let mut last = String::new();
        while !stop.load(Ordering::Acquire) {
            let (client, held) = self.client();
            let request = client.request(Method::GET, "/v1/stream?topics=dialogs&topics=customers");
            let request = request.header("last-event-id", &last).timeout(Duration::from_mins(10));
            let mut parts = match request.send().await {
                Ok(answer) if answer.status() == 200 => answer.bytes_stream(),
                Ok(answer) => {
                    self.fail(format!("the stream: {}", answer.status()));
                    continue;
                }
                Err(error) => {
                    self.fail(format!("the stream: {error:?}"));
                    continue;
                }
            };
            drop(held);
            loop {
                let part = match tokio::time::timeout(Duration::from_millis(200), parts.next()).await {
                    Err(_quiet) if stop.load(Ordering::Acquire) => return,
                    Err(_quiet) => continue,
                    Ok(part) => part,
                };
                match part {
                    Some(Ok(bytes)) => {
                        for line in String::from_utf8_lossy(&bytes).lines() {
                            match line.split_once(": ") {
                                Some(("id", id)) => id.clone_into(&mut last),
                                Some(("data", _)) => {
                                    heard.fetch_add(1, Ordering::Release);
                                }
                                _ => {}
                            }
                        }
                    }
                    Some(Err(error)) => {
                        self.fail(format!("the stream broke: {error:?}"));
                        break;
                    }
                    None => break,
                }
            }
        }
    }

    fn fail(&self, what: String) {
        self.0.done.lock().unwrap_or_else(PoisonError::into_inner).failures.push(what);
    }

    fn acknowledge(&self, what: &'static str, id: Option<&Value>) {
        let mut done = self.0.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.acknowledged.entry(what).or_default().extend(id.cloned());
    }

    /// The messages of the dialog, from the first to the last.
    async fn messages(&self, client: &Client) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        loop {
            let after = found.last().and_then(|last| last["sequence"].as_str()).unwrap_or("0").to_owned();
            let part = client.get(&format!("{}?after={after}&pageSize=200", self.0.dialog)).await.ok();
            found.extend(part["messages"].as_array().into_iter().flatten().cloned());
            if part["more"] != true {
                return found;
            }
        }
    }

    /// Whatever was acknowledged, by either release, is there, once.
    pub(super) async fn assert_all_is_there_once(&self, client: &Client) {
        let acknowledged = std::mem::take(&mut self.0.done.lock().unwrap_or_else(PoisonError::into_inner).acknowledged);
        let ids = |list: &[Value], id: &str| list.iter().map(|one| one[id].clone()).collect::<Vec<_>>();
        for (what, there) in [
            ("orders", ids(&client.all("/v1/orders", "orders").await, "id")),
            ("emails", ids(&client.all("/v1/emails", "emails").await, "id")),
            ("messages", ids(&self.messages(client).await, "sequence")),
        ] {
            let wanted = &acknowledged[what];
            assert!(!wanted.is_empty(), "no {what}");
            for one in wanted {
                assert_eq!(there.iter().filter(|other| *other == one).count(), 1, "{what}: {one}");
            }
            if what != "messages" {
                assert_eq!(there.len(), wanted.len(), "there are {what} that nobody asked for");
            }
        }
    }
}

impl Working {
    /// Waits until each has done everything so many times more: begun after now, and ended.
    pub(super) async fn wait_for(&self, times: usize) {
        for rounds in &self.rounds {
            let wanted = rounds.load(Ordering::Acquire) + times + 1;
            eventually_within(PATIENCE, "the work's going on", || async {
                (rounds.load(Ordering::Acquire) >= wanted).then_some(())
            })
            .await;
        }
        self.assert_nothing_failed();
    }

    /// Ends the work; panics when something has failed.
    pub(super) async fn end(mut self) {
        eventually_within(PATIENCE, "news on the stream", || async {
            (self.heard.load(Ordering::Acquire) > 0).then_some(())
        })
        .await;
        self.stop.store(true, Ordering::Release);
        for task in std::mem::take(&mut self.tasks) {
            task.await.expect("nobody panics while working");
        }
        let rounds: usize = self.rounds.iter().map(|rounds| rounds.load(Ordering::Acquire)).sum();
        println!("{rounds} rounds, {} events heard", self.heard.load(Ordering::Acquire));
        self.assert_nothing_failed();
    }

    fn assert_nothing_failed(&self) {
        let failures = self.load.0.done.lock().unwrap_or_else(PoisonError::into_inner).failures.clone();
        assert!(failures.is_empty(), "{} requests failed:\n{}", failures.len(), failures.join("\n"));
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
