//! Programs that are killed at the worst moment: nothing acknowledged is lost, nothing happens twice, and what cannot be
//! served is said to be so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clientele_testkit::eventually_within;
use futures::future::join_all;
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::house::{Form, House, SERVICES, run};
use crate::rest::Client;
use crate::shop::{Books, CAUGHT_UP, FRESH, Sale, customer, customers, feed, moment};

#[tokio::test(flavor = "multi_thread")]
async fn a_house_killed_in_the_middle_of_a_burst_keeps_every_acknowledged_order_once() {
    let mut house = House::start(Form::OneProcess).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..8).map(|n| format!("Buyer {n}"))).await;
    let burst = Burst::prepare(&client, &ids, 240).await;

    // A second house on the same folder is refused while the first goes on.
    let data = house.data_dir();
    let folder = data.to_str().expect("the path is text");
    let second = run("clientele", &["up", "--data-dir", folder, "--listen", "127.0.0.1:0"], &[]).await;
    assert!(!second.status.success());
    let told = format!("{}{}", second.output, second.log);
    assert!(told.contains(folder) && told.contains(&house.process("gateway").pid().to_string()), "{told}");

    let sending = tokio::spawn(burst.clone().send(client.clone(), 8));
    burst.wait_for(60).await;
    house.kill9("gateway");
    sending.await.expect("nobody panics while sending");
    let acknowledged = burst.acknowledged().await;
    assert!((60..240).contains(&acknowledged.len()), "{} of 240 were acknowledged", acknowledged.len());

    house.start_service("gateway").await;
    assert!(!house.process("gateway").output().contains("password"), "the password is shown again");
    let client = house.administrator().await;
    let kept: Vec<_> = client.all("/v1/orders", "orders").await.iter().map(|order| order["id"].clone()).collect();
    for (key, id) in &acknowledged {
        assert!(kept.contains(id), "order {id} was acknowledged under {key} and is gone");
    }

    // Whoever had no answer sends again; whoever had one and sends again gets the same.
    burst.clone().send_all(&client, &acknowledged).await;
    let orders = client.all("/v1/orders", "orders").await;
    assert_eq!(orders.len(), 240, "an order is there twice, or missing");
    burst.books(&client).await.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    let events = feed(&client, "orders", 200).await;
    assert_eq!(events.iter().filter(|event| event["aggregateType"] == "order").count(), 240);
    feed(&client, "customers", 200).await;

    house.stop_service("gateway").await;
    house.start_service("gateway").await;
    let client = house.administrator().await;
    assert_eq!(client.all("/v1/orders", "orders").await.len(), 240);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_each_service_down_in_turn_the_card_serves_the_rest_and_says_so() {
    let mut house = House::start(Form::Apart).await;
    let client = house.administrator().await;
    let id = customer(&client, "Ever Present").await;
    let mut books = Books::default();
    books.sell(&client, &[Sale::nth(0, std::slice::from_ref(&id))]).await;
    books.agree_with_cards(&client, std::slice::from_ref(&id), FRESH).await;
    whole_card(&client, &id).await;

    for (n, service) in (1..).zip(SERVICES) {
        house.kill9(service);
        let down: &[&str] = match service {
            "customers" => &["customer", "consents"],
            "messaging" => &["messages"],
            "orders" => &["orders"],
            "campaigns" => &["segments"],
            "analytics" => &["metrics", "timeline"],
            _ => &["people"],
        };
        let card = eventually_within(FRESH, &format!("a card without {service}"), || async {
            let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
            down.iter().all(|section| state(&card, section) != "SECTION_STATE_OK").then_some(card)
        })
        .await;
        for section in SECTIONS {
            let expected = if down.contains(&section) { "SECTION_STATE_UNAVAILABLE" } else { "SECTION_STATE_OK" };
            assert_eq!(state(&card, section), expected, "{service} is down, {section}: {}", card[section]["status"]);
            let told = card[section]["status"]["message"].as_str().expect("a status has a message");
            assert_eq!(told.is_empty(), state(&card, section) == "SECTION_STATE_OK");
        }
        if service == "customers" {
            client.get(&format!("/v1/customers/{id}")).await.problem(503, "UNAVAILABLE");
        }
        // Work goes on where it can: a sale while the figures, the customers or the doorman are away.
        if service != "orders" {
            books.sell(&client, &[Sale::nth(n, std::slice::from_ref(&id))]).await;
        }
        house.start_service(service).await;
        eventually_within(CAUGHT_UP, &format!("the whole card with {service} back"), || async {
            let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
            SECTIONS.iter().all(|section| state(&card, section) == "SECTION_STATE_OK").then_some(())
        })
        .await;
        books.agree_with_cards(&client, std::slice::from_ref(&id), CAUGHT_UP).await;
    }

    // Orders were away while a customer came: they know them all the same.
    house.kill9("orders");
    let late = customer(&client, "Came Meanwhile").await;
    house.start_service("orders").await;
    let sale = Sale { number: "S-LATE".to_owned(), ..Sale::nth(0, std::slice::from_ref(&late)) };
    books.sell(&client, &[sale]).await;
    books.agree_with_cards(&client, &[late], CAUGHT_UP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_service_that_hangs_one_learns_within_seconds_and_it_comes_back_by_itself() {
    let house = House::start(Form::Apart).await;
    let client = house.administrator().await;
    let id = customer(&client, "Still Here").await;
    let path = format!("/v1/customers/{id}");
    client.get(&path).await.ok();
    let hung = ["customers", "identity"].map(|service| {
        let pid = Pid::from_raw(i32::try_from(house.process(service).pid()).expect("a process id fits"));
        kill(pid, Signal::SIGSTOP).expect("a child can be signalled");
        pid
    });

    // Ports are open and requests are taken: only that nobody answers shows what is the matter.
    // Learnt by asking, before the deadline of the request ends: that would be another answer, a 504.
    let (read, entered) = tokio::join!(client.get(&path), async {
        let sign_in = json!({ "login": "admin@localhost", "password": "whatever it may be" });
        house.visitor().post("/v1/session", &sign_in).await
    });
    read.problem(503, "UNAVAILABLE");
    entered.problem(503, "UNAVAILABLE");

    for pid in hung {
        kill(pid, Signal::SIGCONT).expect("a child can be signalled");
    }
    eventually_within(FRESH, "the customer with everybody back", || async {
        (client.get(&path).await.status == 200).then_some(())
    })
    .await;
    house.administrator().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_and_the_bus_killed_under_load_lose_nothing_and_double_nothing() {
    let mut house = House::start(Form::Apart).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..8).map(|n| format!("Buyer {n}"))).await;
    let burst = Burst::prepare(&client, &ids, 400).await;
    let sending = tokio::spawn(burst.clone().send_until_answered(client.clone(), 4));

    burst.wait_for(40).await;
    house.kill9("analytics");
    burst.wait_for(100).await;
    house.start_service("analytics").await;

    // The service that writes, and with it its relay.
    burst.wait_for(160).await;
    house.kill9("orders");
    house.start_service("orders").await;

    burst.wait_for(220).await;
    house.kill9_nats().await;
    burst.wait_for(280).await;
    house.start_nats().await;

    burst.wait_for(330).await;
    house.kill9("orders");
    house.kill9("analytics");
    house.start_services(&["orders", "analytics"]).await;

    sending.await.expect("nobody panics while sending");
    assert_eq!(client.all("/v1/orders", "orders").await.len(), 400, "an order is there twice, or missing");
    burst.books(&client).await.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    let events = feed(&client, "orders", 500).await;
    assert_eq!(events.iter().filter(|event| event["aggregateType"] == "order").count(), 400);
    let parked = client.get("/v1/operations/analytics/parkedEvents").await.ok();
    assert_eq!(parked["parkedEvents"], json!([]));
}

const SECTIONS: [&str; 8] = ["customer", "metrics", "orders", "timeline", "people", "consents", "messages", "segments"];

async fn whole_card(client: &Client, id: &str) {
    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
    for section in SECTIONS {
        assert_eq!(state(&card, section), "SECTION_STATE_OK", "{section}: {card:#}");
    }
    assert!(card["people"]["people"][0]["displayName"].is_string(), "{card:#}");
}

fn state<'a>(card: &'a Value, section: &str) -> &'a str {
    card[section]["status"]["state"].as_str().expect("a section has a state")
}

/// Orders sent one by one, many at once, each under a key of its own.
#[derive(Clone)]
struct Burst {
    orders: Arc<Vec<(String, Value)>>,
    answers: Arc<Mutex<Vec<(String, Value)>>>,
    count: Arc<AtomicUsize>,
}

impl Burst {
    async fn prepare(client: &Client, customers: &[String], count: usize) -> Self {
        let product = json!({"products": [{"source": "shop", "sku": "BURST", "name": "Goods"}]});
        let made = client.post("/v1/products:batchUpsert", &product).await.ok();
        let product = made["results"][0]["productId"].as_str().expect("a product has an id").to_owned();
        let order = |n: usize| {
            let price = format!("{}.{:02}", 1 + n % 40, n * 7 % 100);
            let order = json!({
                "customerId": customers[n % customers.len()],
                "status": "completed",
                "placedAt": moment(i64::try_from(n).expect("it is small")),
                "currency": "EUR",
                "lines": [{"productId": product, "quantity": (1 + n % 3).to_string(), "unitPrice": price}],
            });
            (format!("burst-{n:04}"), json!({ "order": order }))
        };
        Self { orders: Arc::new((0..count).map(order).collect()), answers: Arc::default(), count: Arc::default() }
    }

    /// Sends all orders over so many connections; a sender whose connection breaks gives up.
    async fn send(self, client: Client, senders: usize) {
        self.each(senders, |burst, key, order| {
            let client = client.clone();
            async move {
                match client.try_send(command(&client, key, order)).await {
                    Ok(answer) if answer.status.is_success() => {
                        burst.note(key, &answer.ok()).await;
                        true
                    }
                    _ => false,
                }
            }
        })
        .await;
    }

    /// Sends each order again until it is acknowledged.
    async fn send_until_answered(self, client: Client, senders: usize) {
        self.each(senders, |burst, key, order| {
            let client = client.clone();
            async move {
                let answer = eventually_within(CAUGHT_UP, &format!("the acknowledgement of {key}"), || async {
                    let answer = client.try_send(command(&client, key, order)).await.ok()?;
                    assert!(!answer.status.is_client_error() || answer.status == 429, "{answer:?}");
                    answer.status.is_success().then(|| answer.ok())
                })
                .await;
                burst.note(key, &answer).await;
                true
            }
        })
        .await;
    }

    /// Sends everything again; what was acknowledged before must be answered as before.
    async fn send_all(self, client: &Client, acknowledged: &[(String, Value)]) {
        for (key, order) in self.orders.iter() {
            let answer = client.send(command(client, key, order)).await.ok();
            if let Some((_, id)) = acknowledged.iter().find(|(known, _)| known == key) {
                assert_eq!(answer["id"], *id, "{key} has a second effect");
            }
        }
    }

    async fn each<'a, F: Future<Output = bool>>(
        &'a self,
        senders: usize,
        send: impl Fn(&'a Self, &'a str, &'a Value) -> F,
    ) {
        let senders = (0..senders).map(|sender| {
            let mine = self.orders.iter().skip(sender).step_by(senders);
            let send = &send;
            async move {
                for (key, order) in mine {
                    if !send(self, key, order).await {
                        return;
                    }
                }
            }
        });
        join_all(senders).await;
    }

    async fn note(&self, key: &str, answer: &Value) {
        self.answers.lock().await.push((key.to_owned(), answer["id"].clone()));
        self.count.fetch_add(1, Ordering::Release);
    }

    async fn acknowledged(&self) -> Vec<(String, Value)> {
        self.answers.lock().await.clone()
    }

    /// Waits until so many orders are acknowledged.
    async fn wait_for(&self, count: usize) {
        eventually_within(Duration::from_mins(2), &format!("{count} acknowledged orders"), || async {
            (self.count.load(Ordering::Acquire) >= count).then_some(())
        })
        .await;
    }

    /// What the figures must be, from what was sent.
    async fn books(&self, client: &Client) -> Books {
        let mut books = Books::default();
        for order in client.all("/v1/orders?includeLines=true", "orders").await {
            let customer_id = order["customerId"].as_str().expect("an order of the burst has a customer").to_owned();
            let sent = self.orders.iter().find(|(_, sent)| sent["order"]["placedAt"] == order["placedAt"]);
            let (key, sent) = sent.unwrap_or_else(|| panic!("nobody sent {order}"));
            let line = &sent["order"]["lines"][0];
            let number = |name: &str| line[name].as_str().expect("a line has numbers").replace('.', "");
            books.note(&[Sale {
                number: key.clone(),
                customer_id,
                placed_at: order["placedAt"].as_str().and_then(|text| text.parse().ok()).expect("a moment is RFC 3339"),
                currency: "EUR",
                status: "completed",
                lines: vec![(
                    "BURST".to_owned(),
                    number("quantity").parse().expect("a quantity is a number"),
                    number("unitPrice").parse().expect("a price is a number"),
                )],
            }]);
        }
        assert_eq!(books.sales.len(), self.orders.len());
        books
    }
}

fn command(client: &Client, key: &str, order: &Value) -> reqwest::RequestBuilder {
    client.request(Method::POST, "/v1/orders").header("idempotency-key", key).json(order)
}
