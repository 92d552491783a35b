//! Work that goes on while things break: each worker keeps a ledger of what it has asked for and what must have come of it.
//!
//! A command without an answer may have been done or not. It is asked again under the same key, at once or some time later,
//! until it is answered; some that were answered are asked again too, and some twice at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clientele_testkit::eventually_within;
use http::Method;
use serde_json::{Value, json};

use super::dice::Dice;
use crate::rest::{Answer, Client, escaped};
use crate::shop::{decimal, moment};

/// How long one request may take before its outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a command may go without an answer once nothing is broken any more.
const ANSWERED: Duration = Duration::from_secs(90);
/// Between two commands of a worker.
const PACE: Duration = Duration::from_millis(40);
pub(crate) const PAGE: &str = "https://shop.example";

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) product: String,
    /// Path of the widget.
    pub(crate) widget: String,
}

/// A customer as they must be.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) etag: Value,
    /// What shows each consent that was given.
    pub(crate) consents: Vec<String>,
    /// Whether anything of them has changed since the last look.
    pub(crate) touched: bool,
}

/// An order as it must be, known by its number.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) customer_id: String,
    pub(crate) minor: i64,
    pub(crate) paid: i64,
    pub(crate) status: &'static str,
    returned: bool,
}

/// What was said in the visitor's dialog, by both sides.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    pub(crate) secret: String,
    /// Texts by the writer's own ids.
    pub(crate) said: BTreeMap<String, String>,
    /// Empty before the first message.
    pub(crate) dialog: String,
}

/// What the figures of a worker are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) answered: usize,
    pub(crate) unknown: usize,
    pub(crate) repeated: usize,
    pub(crate) refused: usize,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            unknown: self.unknown + other.unknown,
            repeated: self.repeated + other.repeated,
            refused: self.refused + other.refused,
        }
    }
}

/// Somebody who works.
pub(crate) struct Worker {
    name: String,
    dice: Dice,
    client: Client,
    common: Arc<Common>,
    number: usize,
    /// Asked for, and not answered yet.
    open: Vec<Command>,
    pub(crate) customers: Vec<Customer>,
    pub(crate) orders: BTreeMap<String, Order>,
    /// Amounts given back, by the reference of the note.
    pub(crate) returns: BTreeMap<String, i64>,
    /// Subjects of letters with their addresses.
    pub(crate) letters: BTreeMap<String, String>,
    pub(crate) chat: Chat,
    segment: Option<Value>,
    pub(crate) counts: Counts,
}

/// Something asked for under a key.
#[derive(Debug, Clone)]
struct Command {
    key: String,
    method: Method,
    path: String,
    body: Value,
    effect: Effect,
}

/// What must have come of a command once it is answered.
#[derive(Debug, Clone)]
enum Effect {
    Customer,
    Name(usize),
    Consent(usize),
    Order { customer: usize, minor: i64, status: &'static str },
    Payment { order: String, minor: i64 },
    Status { order: String, status: &'static str },
    Return { minor: i64 },
    Letter(String),
    Said,
    Answered,
    Segment,
}

impl Effect {
    /// Whether others may come in between without changing what comes of it.
    fn may_wait(&self) -> bool {
        !matches!(self, Self::Name(_) | Self::Consent(_) | Self::Status { .. } | Self::Segment | Self::Answered)
    }

    /// Whether two answers to one command are the same. A letter is told of as it is now, however often it is asked for.
    fn same(&self, one: &Value, other: &Value) -> bool {
        if let Self::Letter(_) = self { one["id"] == other["id"] } else { one == other }
    }
}

impl Worker {
    pub(crate) async fn new(n: usize, seed: u64, client: Client, common: Arc<Common>) -> Self {
        let path = format!("{}/visits", common.widget);
        let visit = || client.request(Method::POST, &path).header("origin", PAGE).json(&json!({}));
        let visit = until("a visit", &client, visit).await;
        let secret = visit["visitorSecret"].as_str().expect("a visitor has a secret").to_owned();
        Self {
            name: format!("w{n}"),
            dice: Dice::new(seed, &format!("worker {n}")),
            client,
            common,
            number: 0,
            open: Vec::new(),
            customers: Vec::new(),
            orders: BTreeMap::new(),
            returns: BTreeMap::new(),
            letters: BTreeMap::new(),
            chat: Chat { secret, ..Chat::default() },
            segment: None,
            counts: Counts::default(),
        }
    }

    /// Works until told to stop, and then until everything asked for is answered.
    pub(crate) async fn work(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Acquire) {
            if self.dice.percent(12) {
                self.look().await;
            } else if let Some(command) = self.next() {
                self.perform(command, &stop).await;
            }
            if !self.open.is_empty() && self.dice.percent(15) {
                let place = self.dice.below(self.open.len());
                let command = self.open.swap_remove(place);
                self.perform(command, &stop).await;
            }
            tokio::time::sleep(PACE).await;
        }
        for command in std::mem::take(&mut self.open) {
            self.insist(command).await;
        }
        self
    }

    /// Decides what to ask for next.
    fn next(&mut self) -> Option<Command> {
        self.number += 1;
        let key = format!("{}-{:05}", self.name, self.number);
        if self.customers.len() < 3 || self.dice.percent(4) {
            let customer = json!({"displayName": key, "emails": [{"address": format!("{key}@rounds.example")}]});
            return Some(command(key, "/v1/customers", json!({ "customer": customer }), Effect::Customer));
        }
        let place = self.dice.below(self.customers.len());
        let customer = self.customers[place].clone();
        let order = (!self.orders.is_empty()).then(|| {
            let place = self.dice.below(self.orders.len());
            self.orders.iter().nth(place).map(|(number, order)| (number.clone(), order.clone())).expect("it is there")
        });
        let made = match (self.dice.below(100), order) {
            (0..10, _) => Command {
                method: Method::PATCH,
                ..command(
                    key.clone(),
                    &format!("/v1/customers/{}?updateMask=displayName", customer.id),
                    json!({"displayName": format!("{} {key}", customer.name.split(' ').next().unwrap_or_default()), "etag": customer.etag}),
                    Effect::Name(place),
                )
            },
            (10..20, _) => {
                // Letters about orders once, advertising now and then: what holds already would be no entry.
                let (purpose, granted) = match customer.consents.len() {
                    0 => ("CONSENT_PURPOSE_SERVICE", true),
                    number => ("CONSENT_PURPOSE_MARKETING", number % 2 == 1),
                };
                let entry = json!({"channel": "CONSENT_CHANNEL_EMAIL", "purpose": purpose, "granted": granted, "evidence": key});
                command(key, &format!("/v1/customers/{}/consents", customer.id), entry, Effect::Consent(place))
            }
            (20..34, _) => {
                if customer.consents.is_empty() {
                    return None;
                }
                let letter = json!({"customerId": customer.id, "toAddress": customer.address, "subject": key,
                                    "text": "Good day.", "requestId": key});
                command(key, "/v1/emails", letter, Effect::Letter(customer.address))
            }
            (34..37, _) => {
                let id = self.own_id();
                let said = json!({"visitorSecret": self.chat.secret, "clientMessageId": id, "text": key});
                command(id, &format!("{}/messages", self.common.widget), said, Effect::Said)
            }
            (37..40, _) if !self.chat.dialog.is_empty() => {
                let id = self.own_id();
                let path = format!("/v1/dialogs/{}/messages", self.chat.dialog);
                command(id.clone(), &path, json!({"clientMessageId": id, "text": key}), Effect::Answered)
            }
            (40..41, _) => self.segment(key),
            (41..60, Some((number, order))) => {
                let minor = 100 + i64::from(self.dice.number() % 900);
                let payment = json!({"method": "card", "amount": {"minor": minor.to_string(), "currency": "EUR"}});
                let path = format!("/v1/orders/{}/payments", order.id);
                command(key, &path, json!({ "payment": payment }), Effect::Payment { order: number, minor })
            }
            (60..68, Some((number, order))) => {
                let status = if order.status == "new" { "completed" } else { "new" };
                let path = format!("/v1/orders/{}:changeStatus", order.id);
                command(key, &path, json!({ "status": status }), Effect::Status { order: number, status })
            }
            (68..74, Some((number, order))) if !order.returned => {
                self.orders.get_mut(&number).expect("it is there").returned = true;
                // No more than was sold: one piece of what an order has at least one of.
                let minor = 150;
                let note = json!({"reference": {"source": "rounds", "externalId": key}, "orderId": order.id,
                    "customerId": order.customer_id, "issuedAt": moment(2), "currency": "EUR",
                    "lines": [{"productId": self.common.product, "quantity": "1", "unitPrice": decimal(minor)}]});
                command(key, "/v1/creditNotes:batchUpsert", json!({"creditNotes": [note]}), Effect::Return { minor })
            }
            _ => {
                let (quantity, price) =
                    (1 + i64::from(self.dice.number() % 4), 200 + i64::from(self.dice.number() % 5_000));
                let status = if self.dice.percent(20) { "new" } else { "completed" };
                let order = json!({"customerId": customer.id, "number": key, "status": status, "currency": "EUR",
                    "placedAt": moment(i64::from(self.dice.number() % 300)),
                    "lines": [{"productId": self.common.product, "quantity": quantity.to_string(), "unitPrice": decimal(price)}]});
                let effect = Effect::Order { customer: place, minor: quantity * price, status };
                command(key, "/v1/orders", json!({ "order": order }), effect)
            }
        };
        Some(made)
    }

    /// Makes the worker's segment, or changes its rule.
    fn segment(&mut self, key: String) -> Command {
        let least = 1_000 + i64::from(self.dice.number() % 30_000);
        let rule = json!({"all": {"rules": [{"condition": {"field": "metrics.gross", "operator": "OPERATOR_MORE",
                          "money": {"minor": least.to_string(), "currency": "EUR"}}}]}});
        match &self.segment {
            None => {
                let body = json!({"segment": {"name": format!("Buyers of {}", self.name), "rule": rule}});
                command(key, "/v1/segments", body, Effect::Segment)
            }
            Some(segment) => {
                let path = format!("/v1/segments/{}?updateMask=rule", text(&segment["id"]));
                let body = json!({"rule": rule, "etag": segment["etag"]});
                Command { method: Method::PATCH, ..command(key, &path, body, Effect::Segment) }
            }
        }
    }

    /// An id that a writer gives to a message.
    fn own_id(&mut self) -> String {
        let (a, b) = (self.dice.number(), self.dice.number());
        format!("{a:08x}-{:04x}-4000-8000-{:012x}", b % 0x1_0000, u64::from(b) << 8 | self.number as u64 & 0xff)
    }

    /// Asks once, and again until answered where what comes after depends on it.
    async fn perform(&mut self, command: Command, stop: &AtomicBool) {
        let twice = self.dice.percent(3);
        let (first, second) = if twice {
            // At the same time over two connections: one effect, and no two answers.
            let (first, second) = tokio::join!(self.ask(&command), self.ask(&command));
            if let (Some(first), Some(second)) = (&first, &second) {
                assert!(command.effect.same(first, second), "two answers to {command:?}: {first} {second}");
            }
            (first, second)
        } else {
            (self.ask(&command).await, None)
        };
        if let Some(answer) = first.or(second) {
            if self.dice.percent(4) {
                self.counts.repeated += 1;
                if let Some(again) = self.ask(&command).await {
                    assert!(command.effect.same(&answer, &again), "two answers to {command:?}: {answer} {again}");
                }
            }
            self.note(command, &answer);
            return;
        }
        self.counts.unknown += 1;
        if command.effect.may_wait() && (stop.load(Ordering::Acquire) || self.dice.percent(60)) {
            self.open.push(command);
        } else {
            self.insist(command).await;
        }
    }

    /// Asks until there is an answer.
    async fn insist(&mut self, command: Command) {
        let what = format!("the answer to {command:?}");
        let this = &*self;
        let command_ = &command;
        let answer = eventually_within(ANSWERED, &what, || async move {
            let answer = this.ask(command_).await;
            if answer.is_none() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer
        })
        .await;
        self.note(command, &answer);
    }

    /// Asks once; none where the outcome is unknown or nothing was done.
    async fn ask(&self, command: &Command) -> Option<Value> {
        let request = self.client.request(command.method.clone(), &command.path).timeout(PATIENCE);
        let request = if matches!(command.effect, Effect::Said) { request.header("origin", PAGE) } else { request };
        let request = request.header("idempotency-key", &command.key).json(&command.body);
        judge(&format!("{command:?}"), self.client.try_send(request).await)
    }

    /// Writes into the ledger what must have come of a command.
    fn note(&mut self, command: Command, answer: &Value) {
        self.counts.answered += 1;
        let id = || text(&answer["id"]).to_owned();
        match command.effect {
            Effect::Customer => self.customers.push(Customer {
                id: id(),
                address: format!("{}@rounds.example", command.key),
                name: command.key,
                etag: answer["etag"].clone(),
                consents: Vec::new(),
                touched: true,
            }),
            Effect::Name(place) => {
                let customer = &mut self.customers[place];
                text(&command.body["displayName"]).clone_into(&mut customer.name);
                customer.etag = answer["etag"].clone();
                customer.touched = true;
            }
            Effect::Consent(place) => {
                self.customers[place].consents.push(command.key);
                self.customers[place].touched = true;
            }
            Effect::Order { customer, minor, status } => {
                let customer_id = self.customers[customer].id.clone();
                let order = Order { id: id(), customer_id, minor, paid: 0, status, returned: false };
                assert!(self.orders.insert(command.key, order).is_none(), "a key is used once");
            }
            Effect::Payment { order, minor } => self.orders.get_mut(&order).expect("it is there").paid += minor,
            Effect::Status { order, status } => self.orders.get_mut(&order).expect("it is there").status = status,
            Effect::Return { minor } => {
                let outcome = &answer["results"][0]["outcome"];
                // Repeated past its answer's life it would be known by its reference.
                assert_eq!(outcome, "UPSERT_OUTCOME_CREATED", "{answer}");
                self.returns.insert(command.key, minor);
            }
            Effect::Letter(address) => {
                self.letters.insert(command.key, address);
            }
            Effect::Said | Effect::Answered => {
                self.chat.said.insert(command.key, text(&command.body["text"]).to_owned());
            }
            Effect::Segment => self.segment = Some(answer.clone()),
        }
    }

    /// Reads something: it comes, or it is said that it cannot.
    async fn look(&mut self) {
        let id = (!self.customers.is_empty()).then(|| {
            let place = self.dice.below(self.customers.len());
            self.customers[place].id.clone()
        });
        let path = match (self.dice.below(5), id) {
            (0, Some(id)) => format!("/v1/customers/{id}/timeline"),
            (1, _) => "/v1/customers?query=rounds.example".to_owned(),
            (2, _) => "/v1/orders?pageSize=20".to_owned(),
            (_, Some(id)) => format!("/v1/customers/{id}/card"),
            (_, None) => "/v1/segments".to_owned(),
        };
        let request = self.client.request(Method::GET, &path).timeout(PATIENCE);
        if judge(&path, self.client.try_send(request).await).is_none() {
            self.counts.refused += 1;
        }
        if self.chat.dialog.is_empty() && !self.chat.said.is_empty() {
            let list = json!({"visitorSecret": self.chat.secret, "after": "0"});
            let path = format!("{}/messages:list", self.common.widget);
            let request = self.client.request(Method::POST, &path).timeout(PATIENCE).header("origin", PAGE).json(&list);
            if let Some(heard) = judge(&path, self.client.try_send(request).await) {
                text(&heard["dialogId"]).clone_into(&mut self.chat.dialog);
            }
        }
    }
}

fn command(key: String, path: &str, body: Value, effect: Effect) -> Command {
    Command { key, method: Method::POST, path: path.to_owned(), body, effect }
}

/// Asks for something that changes nothing, or not twice, until it comes.
pub(crate) async fn until(what: &str, client: &Client, request: impl Fn() -> reqwest::RequestBuilder) -> Value {
    eventually_within(ANSWERED, what, || async {
        let answer = judge(what, client.try_send(request().timeout(PATIENCE)).await);
        if answer.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        answer
    })
    .await
}

/// Reads something, however busy the house is.
pub(crate) async fn get(client: &Client, path: &str) -> Value {
    until(path, client, || client.request(Method::GET, path)).await
}

/// Reads a whole list, page by page.
pub(crate) async fn all(client: &Client, path: &str, field: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let page = get(client, &format!("{path}?pageSize=200&pageToken={}", escaped(&token))).await;
        found.extend(page[field].as_array().unwrap_or_else(|| panic!("no {field} in {page}")).iter().cloned());
        text(&page["nextPageToken"]).clone_into(&mut token);
        if token.is_empty() {
            return found;
        }
    }
}

/// Sends a command of the test itself under a key, however busy the house is.
pub(crate) async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Value {
    until(path, client, || client.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

/// What an answer tells: the thing itself, or that it may be asked for again. Whatever else is an answer nobody was promised.
pub(crate) fn judge(what: &str, answer: reqwest::Result<Answer>) -> Option<Value> {
    // The connection broke, or nothing came in time.
    let answer = answer.ok()?;
    if answer.status.is_success() {
        return Some(answer.ok());
    }
    match answer.status.as_u16() {
        429 | 503 => {
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some(), "{what}: nobody says when to come again: {answer:?}");
        }
        504 => {}
        _ => panic!("{what} was answered by {}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
    }
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {answer:?}");
    None
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
