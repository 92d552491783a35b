//! What every bus promises.

use std::collections::BTreeMap;

use clientele_contracts::platform::v1::Event;
use clientele_kernel::Code;
use clientele_platform::bus::Delivery;
use futures::future::join_all;

use crate::fixture::{Fixture, event, events, next, up_to};

fn positions(events: &[Event]) -> BTreeMap<i32, Vec<i64>> {
    let mut positions: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for event in events {
        positions.entry(event.partition).or_default().push(event.position);
    }
    positions
}

pub async fn the_first_delivery_is_a_gap(fixture: &Fixture) {
    let mut subscription = fixture.subscriber.subscribe("orders").await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Gap);
}

pub async fn events_arrive_whole_and_in_the_order_of_their_partition(fixture: &Fixture) {
    let mut subscription = fixture.follow("orders").await;
    let sent: Vec<Event> =
        (1..=100).flat_map(|position| (0..3).map(move |partition| event("orders", partition, position))).collect();
    for batch in sent.chunks(70) {
        fixture.publisher.publish(batch).await.unwrap();
    }
    let (received, gaps) = up_to(&mut subscription, sent.last().unwrap()).await;
    assert_eq!(received, sent);
    assert_eq!(gaps, 0);
}

pub async fn partitions_published_at_once_keep_their_order(fixture: &Fixture) {
    let mut subscription = fixture.follow("orders").await;
    join_all((0..8).map(|partition| async move {
        for batch in events("orders", partition, 1..=30).chunks(7) {
            fixture.publisher.publish(batch).await.unwrap();
        }
    }))
    .await;
    let end = event("orders", 31, 1);
    fixture.publisher.publish(std::slice::from_ref(&end)).await.unwrap();
    let (received, _) = up_to(&mut subscription, &end).await;
    for (partition, positions) in positions(&received[..received.len() - 1]) {
        assert_eq!(positions, (1..=30).collect::<Vec<_>>(), "partition {partition}");
    }
    assert_eq!(received.len(), 8 * 30 + 1);
}

pub async fn every_subscriber_gets_every_event(fixture: &Fixture) {
    let (mut one, mut two) = (fixture.follow("orders").await, fixture.follow("orders").await);
    let sent = events("orders", 4, 1..=50);
    fixture.publisher.publish(&sent).await.unwrap();
    let last = sent.last().unwrap();
    assert_eq!(up_to(&mut one, last).await.0, sent);
    assert_eq!(up_to(&mut two, last).await.0, sent);
}

pub async fn a_subscriber_gets_the_events_of_its_context_alone(fixture: &Fixture) {
    let mut subscription = fixture.follow("customers").await;
    let mixed = [event("orders", 1, 1), event("customers", 1, 1), event("orders", 1, 2), event("customers", 1, 2)];
    fixture.publisher.publish(&mixed).await.unwrap();
    let (received, _) = up_to(&mut subscription, &mixed[3]).await;
    assert_eq!(received, [mixed[1].clone(), mixed[3].clone()]);
}

pub async fn a_subscription_begins_now(fixture: &Fixture) {
    fixture.publisher.publish(&events("orders", 1, 1..=5)).await.unwrap();
    let mut subscription = fixture.follow("orders").await;
    let later = event("orders", 1, 6);
    fixture.publisher.publish(std::slice::from_ref(&later)).await.unwrap();
    assert_eq!(next(&mut subscription).await, Delivery::Event(later));
}

pub async fn events_published_again_do_no_harm(fixture: &Fixture) {
    let mut subscription = fixture.follow("orders").await;
    let first = events("orders", 1, 1..=10);
    fixture.publisher.publish(&first).await.unwrap();
    fixture.publisher.publish(&first).await.unwrap();
    let next = event("orders", 1, 11);
    fixture.publisher.publish(std::slice::from_ref(&next)).await.unwrap();

    let (received, _) = up_to(&mut subscription, &next).await;
    let once: Vec<Event> = first.iter().cloned().chain([next.clone()]).collect();
    let twice: Vec<Event> = first.iter().cloned().chain(once.clone()).collect();
    assert!(received == once || received == twice, "{:?}", positions(&received));
}

pub async fn a_subscriber_that_falls_behind_gets_a_gap_and_holds_up_nobody(fixture: &Fixture) {
    let mut slow = fixture.follow("orders").await;
    let mut quick = fixture.follow("orders").await;
    let sent = events("orders", 1, 1..=5000);
    let last = sent.last().unwrap();
    let reading = tokio::spawn({
        let last = last.clone();
        async move { up_to(&mut quick, &last).await }
    });
    for batch in sent.chunks(100) {
        fixture.publisher.publish(batch).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (received, gaps) = up_to(&mut slow, last).await;
    assert!(gaps > 0 && received.len() < sent.len(), "{gaps} gaps, {} events", received.len());
    assert!(positions(&received)[&1].is_sorted());
    reading.await.unwrap();

    // It is none the worse for it.
    let next_event = event("orders", 1, 5001);
    fixture.publisher.publish(std::slice::from_ref(&next_event)).await.unwrap();
    assert_eq!(next(&mut slow).await, Delivery::Event(next_event));
}

pub async fn giving_up_a_wait_loses_nothing(fixture: &Fixture) {
    let mut subscription = fixture.follow("orders").await;
    let sent = events("orders", 1, 1..=200);
    let publishing = async {
        for event in &sent {
            fixture.publisher.publish(std::slice::from_ref(event)).await.unwrap();
        }
    };
    let receiving = async {
        let mut received = Vec::new();
        while received.len() < sent.len() {
            tokio::select! {
                biased;
                delivery = subscription.next() => match delivery {
                    Some(Delivery::Event(event)) => received.push(event),
                    other => panic!("{other:?}"),
                },
                () = tokio::task::yield_now() => {}
            }
        }
        received
    };
    let both = async { tokio::join!(publishing, receiving) };
    let ((), received) = tokio::time::timeout(crate::fixture::DEADLINE, both).await.unwrap();
    assert_eq!(received, sent);
}

pub async fn what_is_no_name_of_a_context_is_refused(fixture: &Fixture) {
    for source in ["", "orders.>", "Orders", "or ders"] {
        let error = fixture.subscriber.subscribe(source).await.unwrap_err();
        assert_eq!((error.code, error.violations[0].field.as_str()), (Code::InvalidArgument, "source"), "{source}");
    }
}
