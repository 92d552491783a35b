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
/// Rows of a file that is brought in.
const ROWS: usize = 40;
/// Of so many files one is kept, the others are taken back.
const KEPT: usize = 8;
/// Between two looks at how far a file has come.
const LOOK: Duration = Duration::from_millis(100);
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
    /// One for each worker, who changes its rule.
    segments: Vec<String>,
    turn: AtomicUsize,
    files: AtomicUsize,
    round: AtomicUsize,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    failures: Vec<String>,
    /// Whatever was acknowledged: ids of orders, letters, and customers, what credit notes refer to, and so on.
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
        let mut segments = Vec::new();
        for worker in 0..WORKERS {
            let segment = json!({"segment": {"name": format!("Buyers {worker}"), "rule": buyers_of_more_than(5000)}});
            let segment = client.post("/v1/segments", &segment).await.ok();
            segments.push(segment["id"].as_str().expect("a segment has an id").to_owned());
        }
        Self(Arc::new(Shared {
            client,
            rotation,
            customers,
            product,
            widget,
            visitors,
            dialog,
            segments,
            turn: AtomicUsize::default(),
            files: AtomicUsize::default(),
            round: AtomicUsize::default(),
            done: Mutex::default(),
        }))
    }

    /// Begins to work.
    pub(super) fn begin(&self) -> Working {
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Whoever brings in files goes round and round as well.
        let rounds: Vec<_> = (0..=WORKERS).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut tasks: Vec<_> = rounds
            .iter()
            .enumerate()
            .map(|(worker, rounds)| {
                let (load, stop, rounds) = (self.clone(), stop.clone(), rounds.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Acquire) {
                        if worker == WORKERS {
                            load.bring_in().await;
                        } else {
                            load.round(worker).await;
                        }
                        rounds.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        tasks.push(tokio::spawn(self.clone().listen(stop.clone(), heard.clone())));
        Working { load: self.clone(), stop, rounds, heard, tasks }
    }

    /// Everything once.
    async fn round(&self, worker: usize) {
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
        if let Some(order) = &first {
            self.after_the_sale(order, customer, &key, n).await;
        }
        self.somebody_new(&key).await;

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

        let segment = format!("/v1/segments/{}", shared.segments[worker]);
        if let Some(found) = self.ask(Method::GET, &segment, None).await {
            let least = 1_000 + i64::try_from(n % 50).expect("it is small") * 100;
            let changed = json!({"rule": buyers_of_more_than(least), "etag": found["etag"]});
            self.ask(Method::PATCH, &format!("{segment}?updateMask=rule"), Some(&changed)).await;
        }
        self.ask(Method::GET, &format!("{segment}/members?pageSize=20"), None).await;
        self.ask(Method::GET, "/v1/session", None).await;
        self.ask(Method::GET, "/v1/users?pageSize=10", None).await;
    }

    /// What becomes of an order: paid, part of it given back, or opened again.
    async fn after_the_sale(&self, order: &Value, customer: &str, key: &str, n: usize) {
        let id = order["id"].as_str().unwrap_or_default();
        match n % 3 {
            0 => {
                let payment = json!({"payment": {"method": "card", "amount": {"minor": "100", "currency": "EUR"}}});
                self.keyed(&format!("/v1/orders/{id}/payments"), &payment, &format!("paid-{key}")).await;
            }
            1 => {
                let note = json!({"creditNotes": [{
                    "reference": {"source": "upgrade", "externalId": key}, "orderId": id, "customerId": customer,
                    "issuedAt": moment(301), "currency": "EUR",
                    "lines": [{"productId": self.0.product, "quantity": "1", "unitPrice": "0.50"}],
                }]});
                let answer = self.ask(Method::POST, "/v1/creditNotes:batchUpsert", Some(&note)).await;
                let outcome = answer.map(|answer| answer["results"][0]["outcome"].clone());
                match outcome {
                    Some(outcome) if outcome == "UPSERT_OUTCOME_CREATED" => {
                        self.acknowledge("credit notes", Some(&json!(key)));
                    }
                    Some(outcome) => self.fail(format!("a credit note came to {outcome}")),
                    None => {}
                }
            }
            _ => {
                let path = format!("/v1/orders/{id}:changeStatus");
                self.keyed(&path, &json!({"status": "new"}), &format!("opened-{key}")).await;
            }
        }
    }

    /// A customer is entered, called by another name, and agrees to be written to.
    async fn somebody_new(&self, key: &str) {
        let address = format!("{key}@upgrade.example");
        let new = json!({"customer": {"displayName": format!("New {key}"), "emails": [{ "address": address }]}});
        let Some(new) = self.keyed("/v1/customers", &new, &format!("new-{key}")).await else { return };
        self.acknowledge("customers", Some(&new["id"]));
        let path = format!("/v1/customers/{}", new["id"].as_str().unwrap_or_default());
        let renamed = json!({"displayName": format!("Renamed {key}"), "etag": new["etag"]});
        self.ask(Method::PATCH, &format!("{path}?updateMask=displayName"), Some(&renamed)).await;
        let consent = json!({"channel": "CONSENT_CHANNEL_EMAIL", "purpose": "CONSENT_PURPOSE_MARKETING",
                             "granted": true, "evidence": key});
        self.keyed(&format!("{path}/consents"), &consent, &format!("agreed-{key}")).await;
    }

    /// A file of customers is brought in, and most often taken back, whoever of the replicas begins with it and whoever ends.
    async fn bring_in(&self) {
        let key = Uuid::new_v4();
        let names: Vec<String> = (0..ROWS).map(|row| format!("Brought {key} {row}")).collect();
        let rows: Vec<String> =
            (0..).zip(&names).map(|(row, name)| format!("{name};{key}.{row}@upgrade.example\n")).collect();
        let file = format!("Name;E-mail\n{}", rows.concat());
        let made = json!({"kind": "IMPORT_KIND_CUSTOMERS", "fileName": format!("{key}.csv")});
        let Some(made) = self.ask(Method::POST, "/v1/imports", Some(&made)).await else { return };
        let path = format!("/v1/imports/{}", made["id"].as_str().unwrap_or_default());
        {
            let (client, _held) = self.client();
            let put =
                client.request(Method::PUT, &format!("{path}/file")).header("content-type", "text/csv").body(file);
            if self.answer(&format!("PUT {path}/file"), put).await.is_none() {
                return;
            }
        }
        let (mut started, all) = (false, json!(ROWS.to_string()));
        loop {
            let Some(import) = self.ask(Method::GET, &path, None).await else { return };
            match import["state"].as_str().unwrap_or_default() {
                "IMPORT_STATE_READY" if !started => {
                    started = true;
                    if self.ask(Method::POST, &format!("{path}:start"), Some(&json!({}))).await.is_none() {
                        return;
                    }
                }
                "IMPORT_STATE_READY"
                | "IMPORT_STATE_AWAITING_FILE"
                | "IMPORT_STATE_RUNNING"
                | "IMPORT_STATE_UNDOING" => {}
                "IMPORT_STATE_DONE" if import["progress"]["created"] == all => {
                    // Only so many files of one person are kept; what was taken back has none.
                    if self.0.files.fetch_add(1, Ordering::Relaxed).is_multiple_of(KEPT) {
                        for name in &names {
                            self.acknowledge("brought in", Some(&json!(name)));
                        }
                        return;
                    }
                    if self.ask(Method::POST, &format!("{path}:undo"), Some(&json!({}))).await.is_none() {
                        return;
                    }
                }
                "IMPORT_STATE_UNDONE" if import["undo"]["removed"] == all => return,
                _ => return self.fail(format!("a file came to {import}")),
            }
            tokio::time::sleep(LOOK).await;
        }
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

    /// The messages of the dialog, part by part, the newest part first.
    async fn messages(&self, client: &Client) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        let mut before = "0".to_owned();
        while before != "1" {
            let part = client.get(&format!("{}?before={before}&pageSize=200", self.0.dialog)).await.ok();
            let part = part["messages"].as_array().expect("a part has messages").clone();
            let first = part.first().and_then(|first| first["sequence"].as_str());
            first.unwrap_or_else(|| panic!("the dialog begins with {before}")).clone_into(&mut before);
            found.extend(part);
        }
        found
    }

    /// Whatever was acknowledged, by either release, is there, once.
    pub(super) async fn assert_all_is_there_once(&self, client: &Client) {
        let acknowledged = std::mem::take(&mut self.0.done.lock().unwrap_or_else(PoisonError::into_inner).acknowledged);
        let ids = |list: &[Value], id: &str| list.iter().map(|one| one[id].clone()).collect::<Vec<_>>();
        let customers = client.all("/v1/customers", "customers").await;
        let (imported, entered): (Vec<Value>, Vec<Value>) = customers
            .into_iter()
            .partition(|customer| customer["displayName"].as_str().is_some_and(|name| name.starts_with("Brought ")));
        let entered: Vec<Value> = entered
            .into_iter()
            .filter(|customer| !self.0.customers.iter().any(|(id, _)| customer["id"] == *id))
            .inspect(|customer| {
                let name = customer["displayName"].as_str().unwrap_or_default();
                assert!(name.starts_with("Renamed "), "a name that was changed is the old one: {customer}");
            })
            .collect();
        let notes = client.all("/v1/creditNotes", "creditNotes").await;
        let notes: Vec<Value> = notes.iter().map(|note| note["reference"]["externalId"].clone()).collect();
        for (what, there) in [
            ("orders", ids(&client.all("/v1/orders", "orders").await, "id")),
            ("emails", ids(&client.all("/v1/emails", "emails").await, "id")),
            ("messages", ids(&self.messages(client).await, "sequence")),
            ("customers", ids(&entered, "id")),
            ("brought in", ids(&imported, "displayName")),
            ("credit notes", notes),
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

fn buyers_of_more_than(minor: i64) -> Value {
    json!({"all": {"rules": [{"condition": {"field": "metrics.gross", "operator": "OPERATOR_MORE",
           "money": {"minor": minor.to_string(), "currency": "EUR"}}}]}})
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
