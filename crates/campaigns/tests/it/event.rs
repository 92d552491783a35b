//! Memberships follow what other contexts tell.

use clientele_contracts::campaigns::v1 as pb;
use clientele_contracts::customers::v1::Customer;
use clientele_contracts::platform::v1::ListParkedEventsRequest;
use clientele_testkit::eventually;

use crate::source::{Totals, id, person, with_phone};
use crate::world::{World, all, gross_at_least, has_phone};

#[tokio::test]
async fn a_customer_enters_and_leaves_as_figures_change() {
    let world = World::new().await;
    let ann = id(10);
    let segment = world.segment("big spenders", gross_at_least(10_000)).await;
    world.buyer(ann, &[Totals::of(9_999, "2026-01-10T10:00:00Z")]).await;
    assert!(world.of(ann).await.is_empty());
    let event = world.analytics.figures(ann, &[Totals::of(10_000, "2026-01-10T10:00:00Z")]);
    world.tell(&[event]).await;
    let memberships = world.of(ann).await;
    assert_eq!(memberships.len(), 1);
    assert_eq!(
        (memberships[0].segment_id.as_str(), memberships[0].segment_name.as_str()),
        (&*segment.id, "big spenders")
    );
    assert_eq!(memberships[0].reasons.len(), 1);
    assert_eq!((memberships[0].reasons[0].actual.as_str(), memberships[0].reasons[0].holds), ("100.00 EUR", true));
    assert_eq!(memberships[0].next_change_at, None);
    assert_eq!(world.members(&segment.id).await, [ann]);
    assert_eq!(world.get(&segment.id).await.member_count, 1);

    let event = world.analytics.figures(ann, &[]);
    world.tell(&[event]).await;
    assert!(world.of(ann).await.is_empty());
    assert_eq!(world.get(&segment.id).await.member_count, 0);
}

#[tokio::test]
async fn facts_are_asked_for_after_the_event_and_decide_like_figures() {
    let world = World::new().await;
    let ann = id(10);
    let segment = world.segment("reachable", all(vec![has_phone(), gross_at_least(1)])).await;
    // Figures may come long before anything is known of the customer.
    let event = world.analytics.figures(ann, &[Totals::of(5, "2026-01-10T10:00:00Z")]);
    world.tell(&[event]).await;
    assert_eq!((world.of(ann).await, world.count(gross_at_least(1)).await), (Vec::new(), 0));
    let event = world.customers.save(&with_phone(person(ann)));
    world.tell(&[event]).await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    let event = world.customers.save(&person(ann));
    world.tell(&[event]).await;
    assert!(world.members(&segment.id).await.is_empty());
}

#[tokio::test]
async fn while_customers_cannot_be_asked_facts_wait_and_figures_go_on() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let segment = world.segment("big spenders", gross_at_least(100)).await;
    world.buyer(ann, &[]).await;
    world.customers.set_away(true);
    let asked = world.customers.asked();
    let created = world.customers.save(&person(bob));
    let bought =
        [ann, bob].map(|customer| world.analytics.figures(customer, &[Totals::of(500, "2026-01-10T10:00:00Z")]));
    world.harness.host.bus.publish(&[created, bought[0].clone(), bought[1].clone()]).await.unwrap();
    world.wait_for(ann, &segment.id, true).await;
    eventually("a second try", async || (world.customers.asked() >= asked + 2).then_some(())).await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    world.customers.set_away(false);
    world.settled().await;
    assert_eq!(world.members(&segment.id).await, [ann, bob]);
}

#[tokio::test]
async fn a_record_that_makes_no_sense_keeps_nobody_else_waiting_and_is_asked_for_again() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let segment = world.segment("reachable", has_phone()).await;
    let events = [
        world.customers.save(&Customer { kind: 0, ..with_phone(person(ann)) }),
        world.customers.save(&with_phone(person(bob))),
    ];
    world.harness.host.bus.publish(&events).await.unwrap();
    world.wait_for(bob, &segment.id, true).await;
    assert_eq!(world.members(&segment.id).await, [bob]);
    let _mended = world.customers.save(&with_phone(person(ann)));
    world.database.clock.advance(chrono::TimeDelta::seconds(31));
    world.wait_for(ann, &segment.id, true).await;
}

#[tokio::test]
async fn a_customer_who_is_deleted_leaves_everything_and_late_figures_bring_nobody_back() {
    let world = World::new().await;
    let ann = id(10);
    let spenders = world.segment("big spenders", gross_at_least(100)).await;
    world.buyer(ann, &[Totals::of(500, "2026-01-10T10:00:00Z")]).await;
    assert_eq!(world.members(&spenders.id).await, [ann]);
    let deleted = world.customers.delete(ann);
    world.tell(&[deleted]).await;
    let late = world.analytics.figures(ann, &[Totals::of(900, "2026-01-11T10:00:00Z")]);
    world.tell(&[late]).await;
    assert_eq!((world.members(&spenders.id).await, world.get(&spenders.id).await.member_count), (Vec::new(), 0));
    assert_eq!(world.count(gross_at_least(100)).await, 0);
    let mut conn = world.database.superuser().await;
    let rows: i64 = sqlx::query_scalar(
        "select (select count(*) from campaigns.customer) + (select count(*) from campaigns.figure)",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(rows, 0, "something is kept of a customer who is gone");
    let left: Vec<_> = world.events().await.into_iter().filter(|event| event.customer_id == ann.to_string()).collect();
    assert_eq!(left.len(), 2);
    assert!(left[1].data.as_ref().unwrap().type_url.ends_with("SegmentLeft"));
    let told: pb::SegmentLeft = prost::Message::decode(left[1].data.as_ref().unwrap().value.as_slice()).unwrap();
    assert_eq!((told.cause(), told.segment_name.as_str()), (pb::MembershipCause::Event, "big spenders"));
}

#[tokio::test]
async fn events_tell_ids_and_names_of_segments_and_no_value_of_a_person() {
    let world = World::new().await;
    let ann = id(10);
    let in_country =
        crate::world::condition("customer.country", pb::Operator::Equal, pb::condition::Value::Text("Zanzibar".into()));
    world.segment("from afar", in_country).await;
    let mut customer = person(ann);
    customer.country = "Zanzibar".into();
    let event = world.customers.save(&customer);
    world.tell(&[event]).await;
    assert_eq!(world.of(ann).await[0].reasons[0].actual, "Zanzibar");
    let told = format!(
        "{:?}",
        world.events().await.into_iter().filter(|event| !event.customer_id.is_empty()).collect::<Vec<_>>()
    );
    assert!(!told.is_empty() && !told.contains("Zanzibar"));
    let bytes: Vec<u8> = world.events().await.iter().flat_map(|event| event.data.clone().unwrap().value).collect();
    assert!(!bytes.windows(8).any(|window| window == b"Zanzibar"));
    // Nor can it be read in the journal.
    let mut conn = world.database.superuser().await;
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("select private_payload from campaigns.journal where customer_id is not null")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(sealed.len(), 1);
    assert!(!sealed[0].windows(8).any(|window| window == b"Zanzibar"));
}

#[tokio::test]
async fn figures_that_make_no_sense_are_parked_with_the_field_at_fault() {
    let world = World::new().await;
    let ann = id(10);
    let wrong = [
        Totals { currency: "EURO", ..Totals::of(1, "2026-01-10T10:00:00Z") },
        Totals { refunds: i64::MAX, ..Totals::of(-5, "2026-01-10T10:00:00Z") },
        Totals { orders: -1, ..Totals::of(1, "2026-01-10T10:00:00Z") },
    ];
    let events: Vec<_> =
        wrong.iter().enumerate().map(|(i, t)| world.analytics.figures(id(20 + i as u128), &[*t])).collect();
    world.tell(&events).await;
    let parked = world.operations().list_parked_events(ListParkedEventsRequest::default()).await.unwrap().into_inner();
    let mut reasons: Vec<_> = parked.parked_events.iter().map(|p| p.reason.split(':').next().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["figures.currency", "figures.gross_minor", "figures.orders"]);
    world.buyer(ann, &[Totals::of(1, "2026-01-10T10:00:00Z")]).await;
    assert_eq!(world.count(gross_at_least(1)).await, 1);
}
