//! What a bus between processes goes through: servers that stop, streams that are lost, strangers.

use std::time::Duration;

use async_nats::jetstream::stream;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Code;
use clientele_platform::bus::{self, Bus, Delivery, Found, JetStream, Subscription};
use clientele_platform::config::BusKind;
use prost_types::Any;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::fixture::{DEADLINE, Nats, config, event, events, next, up_to};

/// Publishes until the bus takes it.
async fn publish_at_last(bus: &JetStream, events: &[Event]) {
    let publishing = async { while bus.publish(events).await.is_err() {} };
    tokio::time::timeout(DEADLINE, publishing).await.expect("the bus never took the events");
}

async fn follow(bus: &JetStream) -> Subscription {
    bus.prepare("orders").await.unwrap();
    let mut subscription = bus.subscribe("orders").await.unwrap();
    for _ in 0..2 {
        assert_eq!(next(&mut subscription).await, Delivery::Gap);
    }
    subscription
}

/// Publishes event after event until one arrives; gives the gaps that came before it.
async fn works_again(bus: &JetStream, subscription: &mut Subscription, first: i64) -> usize {
    let mut gaps = 0;
    for position in first.. {
        publish_at_last(bus, &[event("orders", 1, position)]).await;
        while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await {
            match delivery {
                Some(Delivery::Gap) => gaps += 1,
                Some(Delivery::Event(event)) if event.position >= first => return gaps,
                Some(Delivery::Event(_)) => {}
                None => panic!("the subscription has ended"),
            }
        }
        assert!(position < first + 100, "nothing arrives any more");
    }
    gaps
}

#[tokio::test]
async fn a_stream_that_is_lost_is_made_again_and_subscribers_get_a_gap() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    bus.publish(&events("orders", 1, 1..=3)).await.unwrap();
    up_to(&mut subscription, &event("orders", 1, 3)).await;

    nats.outsider().await.delete_stream("CLIENTELE_ORDERS").await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
    assert!(works_again(&bus, &mut subscription, 4).await > 0);
}

#[tokio::test]
async fn a_publisher_makes_a_lost_stream_again_by_itself() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    bus.publish(&events("orders", 1, 1..=3)).await.unwrap();
    let outsider = nats.outsider().await;
    outsider.delete_stream("CLIENTELE_ORDERS").await.unwrap();
    bus.publish(&events("orders", 1, 4..=6)).await.unwrap();
    let stream = outsider.get_stream("CLIENTELE_ORDERS").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 3);
}

#[tokio::test]
async fn after_a_restart_of_the_server_a_gap_comes_and_all_works_again() {
    let mut nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    nats.stop().await;
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
    nats.start_again().await;
    assert!(works_again(&bus, &mut subscription, 1).await > 0);
}

#[tokio::test]
async fn a_server_that_was_killed_and_lost_its_disk_is_followed_again() {
    let mut nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    bus.publish(&events("orders", 1, 1..=50)).await.unwrap();
    up_to(&mut subscription, &event("orders", 1, 50)).await;
    nats.kill9().await;
    nats.start_empty().await;
    assert!(works_again(&bus, &mut subscription, 51).await > 0);
}

#[tokio::test]
async fn while_the_server_is_away_publishing_fails_in_time_and_gaps_keep_coming() {
    let mut nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    nats.stop().await;
    let error = bus.publish(&[event("orders", 1, 1)]).await.unwrap_err();
    assert_eq!((error.code, error.reason), (Code::Unavailable, "BUS_UNAVAILABLE"));
    for _ in 0..3 {
        assert_eq!(next(&mut subscription).await, Delivery::Gap);
    }
}

#[tokio::test]
async fn a_bus_opened_before_its_server_works_once_the_server_is_there() {
    let mut nats = Nats::start().await;
    nats.stop().await;
    let settings = clientele_platform::config::Bus { kind: BusKind::JetStream, ..nats.config() };
    let bus = bus::open(&settings).await.unwrap();
    let mut subscription = bus.subscribe("orders").await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
    nats.start_again().await;
    let publisher = nats.bus();
    assert!(works_again(&publisher, &mut subscription, 1).await > 0);
}

#[tokio::test]
async fn settings_of_a_stream_that_differ_are_put_right_by_its_publisher() {
    let nats = Nats::start().await;
    let outsider = nats.outsider().await;
    let old = stream::Config {
        name: "CLIENTELE_ORDERS".to_owned(),
        subjects: vec!["clientele.orders.v1.>".to_owned()],
        max_messages: 5,
        max_age: Duration::from_mins(1),
        duplicate_window: Duration::from_secs(1),
        ..stream::Config::default()
    };
    outsider.create_stream(old).await.unwrap();
    nats.bus().publish(&events("orders", 1, 1..=10)).await.unwrap();
    let info = outsider.get_stream("CLIENTELE_ORDERS").await.unwrap().cached_info().clone();
    assert_eq!(info.state.messages, 10);
    assert_eq!((info.config.max_age, info.config.max_bytes), (Duration::from_hours(24), 1_000_000));
    assert_eq!(info.config.duplicate_window, Duration::from_mins(2));
}

#[tokio::test]
async fn a_stream_is_as_the_configuration_has_it_and_follows_its_changes() {
    let nats = Nats::start().await;
    let outsider = nats.outsider().await;
    for context in clientele_contracts::CONTEXTS {
        nats.bus().prepare(context).await.unwrap();
        let name = format!("CLIENTELE_{}", context.to_uppercase());
        let found = outsider.get_stream(&name).await.unwrap().cached_info().config.clone();
        // Everything that the server keeps, so that nothing is there that nobody has declared.
        let declared = stream::Config {
            name,
            description: Some(format!("events of {context}; the truth is its feed")),
            subjects: vec![format!("clientele.{context}.v1.>")],
            retention: stream::RetentionPolicy::Limits,
            discard: stream::DiscardPolicy::Old,
            storage: stream::StorageType::File,
            num_replicas: 1,
            max_age: Duration::from_hours(24),
            max_bytes: 1_000_000,
            duplicate_window: Duration::from_mins(2),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            max_message_size: -1,
            metadata: found.metadata.clone(),
            compression: Some(stream::Compression::None),
            consumer_limits: found.consumer_limits.clone(),
            ..stream::Config::default()
        };
        assert_eq!(found, declared);
    }

    let settings =
        clientele_platform::config::Bus { max_age: Duration::from_mins(1), max_bytes: 2_000_000, ..nats.config() };
    JetStream::try_new(settings).unwrap().prepare("orders").await.unwrap();
    let found = outsider.get_stream("CLIENTELE_ORDERS").await.unwrap().cached_info().config.clone();
    assert_eq!((found.max_age, found.max_bytes), (Duration::from_mins(1), 2_000_000));
    assert_eq!(found.duplicate_window, Duration::from_mins(1), "it is no longer than events are kept");
}

#[tokio::test]
async fn who_looks_for_a_stream_leaves_none_behind_and_none_changed() {
    let nats = Nats::start().await;
    let outsider = nats.outsider().await;
    assert_eq!(nats.bus().look("orders").await.unwrap(), Found::Missing);
    assert!(outsider.get_stream("CLIENTELE_ORDERS").await.is_err());
    nats.bus().prepare("orders").await.unwrap();
    assert_eq!(nats.bus().look("orders").await.unwrap(), Found::Declared);
    let other = clientele_platform::config::Bus { max_bytes: 2_000_000, ..nats.config() };
    assert_eq!(JetStream::try_new(other).unwrap().look("orders").await.unwrap(), Found::Otherwise);
    assert_eq!(outsider.get_stream("CLIENTELE_ORDERS").await.unwrap().cached_info().config.max_bytes, 1_000_000);
}

#[tokio::test]
async fn a_stream_that_copies_from_another_is_put_right() {
    let nats = Nats::start().await;
    let (bus, outsider) = (nats.bus(), nats.outsider().await);
    for context in ["customers", "orders"] {
        bus.prepare(context).await.unwrap();
    }
    let mut tampered = outsider.get_stream("CLIENTELE_ORDERS").await.unwrap().cached_info().config.clone();
    tampered.sources = Some(vec![stream::Source { name: "CLIENTELE_CUSTOMERS".to_owned(), ..Default::default() }]);
    outsider.update_stream(&tampered).await.unwrap();
    nats.bus().prepare("orders").await.unwrap();
    let found = outsider.get_stream("CLIENTELE_ORDERS").await.unwrap().cached_info().config.clone();
    assert_eq!(found.sources, None);
}

#[tokio::test]
async fn an_event_of_another_context_in_the_stream_gives_a_gap() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    let outsider = nats.outsider().await;
    // As it comes about when somebody has events of customers delivered to where those of orders are.
    bus.publish(&[event("customers", 1, 1)]).await.unwrap();
    let genuine = outsider.get_stream("CLIENTELE_CUSTOMERS").await.unwrap().get_raw_message(1).await.unwrap();
    outsider
        .publish_with_headers("clientele.orders.v1.1.order.order_placed", genuine.headers, genuine.payload)
        .await
        .unwrap()
        .await
        .unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
    bus.publish(&[event("orders", 1, 1)]).await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Event(event("orders", 1, 1)));
}

#[tokio::test]
async fn an_event_published_again_is_kept_once() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let batch = events("orders", 1, 1..=10);
    for _ in 0..3 {
        bus.publish(&batch).await.unwrap();
    }
    let stream = nats.outsider().await.get_stream("CLIENTELE_ORDERS").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 10);
}

#[tokio::test]
async fn a_strangers_message_gives_a_gap_and_the_rest_flows_on() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    let stranger = nats.outsider().await;
    stranger.publish("clientele.orders.v1.0.order.forged", "junk".into()).await.unwrap().await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
    bus.publish(&[event("orders", 1, 1)]).await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Event(event("orders", 1, 1)));
}

#[tokio::test]
async fn an_event_too_large_for_the_server_is_left_to_the_feed() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let mut subscription = follow(&bus).await;
    let large = Event {
        data: Some(Any { type_url: "/clientele.orders.v1.OrderPlaced".to_owned(), value: vec![1; 2_000_000] }),
        ..event("orders", 1, 1)
    };
    bus.publish(&[large, event("orders", 1, 2)]).await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Event(event("orders", 1, 2)));
}

#[tokio::test]
async fn a_dropped_subscription_leaves_the_others_alone() {
    let nats = Nats::start().await;
    let bus = nats.bus();
    let (one, mut two) = (follow(&bus).await, follow(&bus).await);
    drop(one);
    bus.publish(&[event("orders", 1, 1)]).await.unwrap();
    assert_eq!(next(&mut two).await, Delivery::Event(event("orders", 1, 1)));
}

/// Speaks as much of the protocol as a connection takes to be made or refused.
async fn answering_server(version: &'static str, answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let info = format!(
                r#"INFO {{"server_id":"x","version":"{version}","max_payload":1048576,"headers":true,"jetstream":true}}"#
            );
            write.write_all(format!("{info}\r\n").as_bytes()).await.unwrap();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("PING") {
                    write.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    let port = answering_server("2.11.9", "PONG\r\n").await;
    let settings = clientele_platform::config::Bus { kind: BusKind::JetStream, ..config(port) };
    let error = bus::open(&settings).await.unwrap_err();
    assert_eq!((error.code, error.reason), (Code::FailedPrecondition, "BUS_TOO_OLD"));
    assert_eq!(error.message, "nats-server has version `2.11.9`; 2.12 or newer is needed");
}

#[tokio::test]
async fn a_server_that_refuses_us_is_told_apart_from_one_that_is_away() {
    let port = answering_server("2.12.1", "-ERR 'Authorization Violation'\r\n").await;
    let settings = clientele_platform::config::Bus { kind: BusKind::JetStream, ..config(port) };
    let error = bus::open(&settings).await.unwrap_err();
    assert_eq!((error.code, error.reason), (Code::FailedPrecondition, "BUS_REFUSED"));
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_refused_without_showing_it() {
    let settings = clientele_platform::config::Bus { url: "nats://u:hunter2@[".into(), ..config(1) };
    let error = JetStream::try_new(settings).unwrap_err();
    assert_eq!((error.code, error.violations[0].field.as_str()), (Code::InvalidArgument, "bus.url"));
    assert!(!format!("{error:?}").contains("hunter2"));
}
