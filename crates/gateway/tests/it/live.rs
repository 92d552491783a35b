//! What changes, as it changes.

use std::num::NonZeroU16;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use chrono::TimeDelta;
use clientele_contracts::customers::v1 as customers;
use clientele_contracts::messaging::v1 as messaging;
use clientele_contracts::platform::v1::Event;
use clientele_platform::bus::Bus;
use clientele_testkit::eventually;
use futures::StreamExt;
use http::StatusCode;
use prost::{Message, Name};
use prost_types::Any;
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{ANA, Answer, CUSTOMER, World, request};

/// Longer than anything here takes on a busy machine.
const FOREVER: Duration = Duration::from_secs(20);
const DIALOG: &str = "01900000-0000-7000-8000-0000000000f1";

/// An open stream.
struct Stream {
    body: BodyDataStream,
    text: String,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    id: Option<String>,
    data: Option<Value>,
}

impl Stream {
    /// The next block that carries something: an event, or an id.
    async fn block(&mut self) -> Option<Sent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name).map(|text| text.trim().to_owned()))
                };
                let data = line("data:").map(|json| serde_json::from_str(&json).unwrap());
                let sent = Sent { id: line("id:"), data };
                self.text = rest.into();
                return Some(sent);
            }
            let chunk = tokio::time::timeout(FOREVER, self.body.next()).await.expect("the stream says something")?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The next event.
    async fn event(&mut self) -> Sent {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if block.data.is_some() {
                return block;
            }
        }
    }

    async fn ended(&mut self) {
        while self.block().await.is_some() {}
    }
}

/// Opens a stream, and waits until it has begun: its first id.
async fn open(world: &World, key: &str, topics: &[&str], last: Option<&str>) -> Result<(Stream, String), Answer> {
    let query: Vec<_> = topics.iter().map(|topic| format!("topics={topic}")).collect();
    let mut head =
        request("GET", &format!("/v1/stream?{}", query.join("&"))).header("authorization", format!("Bearer {key}"));
    if let Some(last) = last {
        head = head.header("last-event-id", last);
    }
    let response = world.router.clone().oneshot(head.body(Body::empty()).unwrap()).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(Answer::read(response).await);
    }
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(response.headers().get("content-encoding").is_none());
    let mut stream = Stream { body: response.into_body().into_data_stream(), text: String::new() };
    let first = stream.block().await.unwrap();
    Ok((stream, first.id.expect("a stream begins with its place")))
}

fn event<M: Message + Name>(aggregate: &str, id: &str, customer: &str, data: &M) -> Event {
    Event {
        context: M::PACKAGE.split('.').nth(1).unwrap().to_owned(),
        aggregate_type: aggregate.to_owned(),
        aggregate_id: id.to_owned(),
        aggregate_version: 2,
        customer_id: customer.to_owned(),
        data: Some(Any { type_url: M::type_url(), value: data.encode_to_vec() }),
        ..Event::default()
    }
}

fn customer_event() -> Event {
    event("customer", CUSTOMER, CUSTOMER, &customers::CustomerUpdated::default())
}

fn dialog_event(last_sequence: i64) -> Event {
    let data = messaging::DialogRecorded { dialog_id: DIALOG.into(), last_sequence, ..Default::default() };
    event("dialog", DIALOG, CUSTOMER, &data)
}

/// A world whose hub follows the bus: it has told of the gaps that every subscription begins with.
async fn world(change: impl FnOnce(&mut clientele_gateway::Settings)) -> World {
    let world = World::with(change);
    world.allow("clk_all", &["*"]);
    let (mut stream, _) = open(&world, "clk_all", &["me"], None).await.unwrap();
    eventually("the hub hears the bus", || {
        let note = messaging::NotificationRecorded { user_id: ANA.to_owned(), ..Default::default() };
        let bus = world.bus.clone();
        async move {
            bus.publish(&[event("notification", DIALOG, "", &note)]).await.unwrap();
            Some(())
        }
    })
    .await;
    loop {
        let sent = stream.event().await;
        if sent.data.unwrap().get("change").is_some() {
            return world;
        }
        let note = messaging::NotificationRecorded { user_id: ANA.to_owned(), ..Default::default() };
        world.bus.publish(&[event("notification", DIALOG, "", &note)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_arrives_with_ids_and_version_well_within_a_second() {
    let world = world(|_| {}).await;
    let card = format!("customer/{CUSTOMER}");
    let (mut stream, _) = open(&world, "clk_all", &[&card, "customers"], None).await.unwrap();
    let begun = std::time::Instant::now();
    world.bus.publish(&[customer_event()]).await.unwrap();
    let own = stream.event().await;
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    let change = &own.data.unwrap()["change"];
    assert_eq!((change["topics"][0].as_str(), change["context"].as_str()), (Some(card.as_str()), Some("customers")));
    assert_eq!((change["aggregateType"].as_str(), change["aggregateId"].as_str()), (Some("customer"), Some(CUSTOMER)));
    assert_eq!((change["version"].as_str(), change["customerId"].as_str()), (Some("2"), Some(CUSTOMER)));
    assert_eq!(stream.event().await.data.unwrap()["change"]["topics"][0], "customers");
}

#[tokio::test]
async fn an_open_card_hears_of_every_context_that_its_reader_may_see() {
    let world = world(|_| {}).await;
    world.allow("clk_some", &["customers.customer.read", "orders.order.read"]);
    let card = format!("customer/{CUSTOMER}");
    let (mut stream, _) = open(&world, "clk_some", &[&card], None).await.unwrap();
    let order = event("order", DIALOG, CUSTOMER, &clientele_contracts::orders::v1::OrderRecorded::default());
    let entered = event("membership", DIALOG, CUSTOMER, &clientele_contracts::campaigns::v1::SegmentEntered::default());
    world.bus.publish(&[dialog_event(1)]).await.unwrap();
    world.bus.publish(&[entered]).await.unwrap();
    world.bus.publish(&[order]).await.unwrap();
    world.bus.publish(&[customer_event()]).await.unwrap();
    let mut heard =
        [stream.event().await, stream.event().await].map(|sent| sent.data.unwrap()["change"]["context"].to_string());
    heard.sort();
    assert_eq!(heard, ["\"customers\"", "\"orders\""], "of dialogs and segments this reader hears nothing");
}

#[tokio::test]
async fn whoever_was_away_gets_what_they_missed_and_nothing_twice() {
    let world = world(|_| {}).await;
    let topic = format!("dialog/{DIALOG}");
    let (mut stream, _) = open(&world, "clk_all", &[&topic], None).await.unwrap();
    world.bus.publish(&[dialog_event(1)]).await.unwrap();
    let first = stream.event().await;
    drop(stream);
    world.bus.publish(&[dialog_event(2)]).await.unwrap();
    let (mut stream, _) = open(&world, "clk_all", &[&topic], first.id.as_deref()).await.unwrap();
    let second = stream.event().await;
    assert!(second.data.as_ref().unwrap().get("change").is_some(), "{second:?}");
    assert_ne!(first.id, second.id);
    world.bus.publish(&[customer_event()]).await.unwrap();
    world.bus.publish(&[dialog_event(3)]).await.unwrap();
    let third = stream.event().await;
    assert!(third.data.unwrap().get("change").is_some());
}

#[tokio::test]
async fn what_cannot_be_told_any_more_is_a_reset() {
    let world = world(|settings| settings.gateway.stream_buffer = NonZeroU16::new(8).unwrap()).await;
    let topic = format!("dialog/{DIALOG}");
    let (stream, place) = open(&world, "clk_all", &[&topic], None).await.unwrap();
    drop(stream);
    for n in 1..=20 {
        world.bus.publish(&[dialog_event(n)]).await.unwrap();
    }
    let elsewhere = "0123456789abcdef-3";
    for last in [elsewhere, "nonsense"] {
        let (mut stream, _) = open(&world, "clk_all", &[&topic], Some(last)).await.unwrap();
        assert!(stream.event().await.data.unwrap().get("reset").is_some(), "{last}");
    }
    eventually("the place is gone", || async {
        let (mut stream, _) = open(&world, "clk_all", &[&topic], Some(&place)).await.unwrap();
        stream.event().await.data.unwrap().get("reset").map(|_| ())
    })
    .await;
}

#[tokio::test]
async fn a_reader_who_falls_behind_is_reset_and_takes_no_memory() {
    let world = world(|settings| settings.gateway.stream_buffer = NonZeroU16::new(16).unwrap()).await;
    let topic = format!("dialog/{DIALOG}");
    let (mut slow, _) = open(&world, "clk_all", &[&topic], None).await.unwrap();
    let (mut quick, _) = open(&world, "clk_all", &[&topic], None).await.unwrap();
    for n in 1..=200 {
        world.bus.publish(&[dialog_event(n)]).await.unwrap();
        if n % 4 == 0 {
            // The quick one reads on, which also lets the hub keep up.
            assert!(quick.event().await.data.is_some());
        }
    }
    assert!(slow.event().await.data.unwrap().get("reset").is_some());
    drop(quick);
    world.bus.publish(&[dialog_event(201)]).await.unwrap();
    assert!(slow.event().await.data.unwrap().get("change").is_some());
}

#[tokio::test]
async fn imports_and_notifications_are_told_to_their_own_user_only() {
    let world = world(|_| {}).await;
    world.allow("clk_mine", &["customers.customer.import"]);
    let (mut stream, _) = open(&world, "clk_mine", &["imports", "me"], None).await.unwrap();
    let import = |user: &str| customers::ImportRecorded { user_id: user.to_owned(), ..Default::default() };
    let others = event("import", DIALOG, "", &import("01900000-0000-7000-8000-00000000000b"));
    let mine = event("import", CUSTOMER, "", &import(ANA));
    world.bus.publish(&[others, mine]).await.unwrap();
    assert_eq!(stream.event().await.data.unwrap()["change"]["aggregateId"], CUSTOMER);
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_lives_and_moves_its_place_on() {
    let world = world(|settings| settings.gateway.stream_heartbeat = Duration::from_millis(50)).await;
    let (mut stream, begun) = open(&world, "clk_all", &[&format!("dialog/{DIALOG}")], None).await.unwrap();
    world.bus.publish(&[customer_event()]).await.unwrap();
    let moved = tokio::time::timeout(FOREVER, async {
        loop {
            let beat = stream.block().await.unwrap();
            assert_eq!(beat.data, None);
            if beat.id.as_ref() != Some(&begun) {
                return beat.id;
            }
        }
    });
    assert!(moved.await.unwrap().is_some());
}

#[tokio::test]
async fn a_stream_ends_with_its_credential_and_loses_rights_that_were_taken() {
    let world = world(|settings| settings.gateway.stream_proof_interval = Duration::from_millis(50)).await;
    world.allow("clk_1", &["messaging.dialog.read", "customers.customer.read"]);
    let topics = [format!("dialog/{DIALOG}"), format!("customer/{CUSTOMER}")];
    let topics = topics.each_ref().map(String::as_str);
    let (mut stream, _) = open(&world, "clk_1", &topics, None).await.unwrap();
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while let Some(block) = stream.block().await {
            if let Some(data) = block.data {
                let _ = heard.send(data["change"]["context"].as_str().unwrap_or("reset").to_owned());
            }
        }
    });
    world.bus.publish(&[dialog_event(1)]).await.unwrap();
    assert_eq!(hearing.recv().await.as_deref(), Some("messaging"));

    world.allow("clk_1", &["customers.customer.read"]);
    let asked = world.identity.asked.load(Ordering::SeqCst);
    world.clock.advance(TimeDelta::minutes(5));
    eventually("identity is asked again", || async {
        (world.identity.asked.load(Ordering::SeqCst) > asked).then_some(())
    })
    .await;
    // Identity has answered when the next change of a dialog is not heard before one of the customer.
    let gone = tokio::time::timeout(FOREVER, async {
        loop {
            world.bus.publish(&[dialog_event(2)]).await.unwrap();
            world.bus.publish(&[customer_event()]).await.unwrap();
            let first = hearing.recv().await.unwrap();
            if first == "customers" {
                return;
            }
            assert_eq!((first.as_str(), hearing.recv().await.as_deref()), ("messaging", Some("customers")));
        }
    });
    gone.await.expect("the right is gone");

    world.identity.secrets.lock().unwrap().remove("clk_1");
    world.clock.advance(TimeDelta::minutes(5));
    tokio::time::timeout(FOREVER, listening).await.expect("the stream ends").unwrap();
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_gives_its_place_back() {
    let world = world(|settings| settings.gateway.max_streams_per_caller = NonZeroU16::new(2).unwrap()).await;
    let first =
        eventually("the world's own stream is closed", || async { open(&world, "clk_all", &["me"], None).await.ok() })
            .await;
    let _second = open(&world, "clk_all", &["me"], None).await.unwrap();
    let refused = open(&world, "clk_all", &["me"], None).await.err().unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS"));
    assert!(!refused.header("retry-after").is_empty());
    drop(first);
    assert!(open(&world, "clk_all", &["me"], None).await.is_ok());
}

#[tokio::test]
async fn open_streams_take_nothing_of_the_capacity_for_requests_and_end_when_the_process_does() {
    let world = world(|settings| {
        settings.common.server.max_concurrent_requests = NonZeroU16::MIN;
        settings.common.server.request_deadline = Duration::from_millis(500);
    })
    .await;
    let (mut one, _) = open(&world, "clk_all", &["me"], None).await.unwrap();
    let (mut other, _) = open(&world, "clk_all", &["me"], None).await.unwrap();
    assert_eq!(world.get("/v1/signingKeys").await.status, StatusCode::OK);
    world.stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), async {
        one.ended().await;
        other.ended().await;
    })
    .await
    .expect("streams end at once");
}

#[tokio::test]
async fn what_is_no_topic_is_refused_by_its_place_and_a_stranger_hears_nothing() {
    let world = World::new();
    world.allow("clk_1", &[]);
    let wrong = open(&world, "clk_1", &["customers", "customer/seven"], None).await.err().unwrap();
    assert_eq!((wrong.status, wrong.fields()), (StatusCode::BAD_REQUEST, vec!["topics[1]".to_owned()]));
    let stranger = open(&world, "clk_nobody", &["customers"], None).await.err().unwrap();
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}
