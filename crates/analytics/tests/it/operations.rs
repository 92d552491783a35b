//! What the people who run analytics see and do.

use clientele_contracts::analytics::v1::RebuildProjectionRequest;
use clientele_contracts::analytics::v1::feed_client::FeedClient;
use clientele_contracts::customers::v1::CustomerCreated;
use clientele_contracts::platform::v1::{ListParkedEventsRequest, ReadFeedRequest, ReplayParkedEventsRequest};
use clientele_testkit::eventually;

use crate::source::{CreditNote, Order, at, id};
use crate::world::{World, totals};

#[tokio::test]
async fn an_event_that_cannot_be_counted_is_parked_and_applied_once_the_cause_is_mended() {
    let world = World::new().await;
    let ann = id(10);
    let huge = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", i64::MAX);
    let poison = Order::of(2, Some(ann), "2025-11-02T10:00:00Z", 500);
    let events = [
        world.orders.order(&huge),
        // With this one the customer's gross leaves 64 bits.
        world.orders.order(&poison),
        world.orders.order(&Order { at: at("2025-11-03T10:00:00Z"), ..poison.clone() }),
    ];
    world.tell(&events).await;
    assert_eq!(totals(&world.only(ann).await).0, 1);
    let parked = world.operations().list_parked_events(ListParkedEventsRequest::default()).await.unwrap().into_inner();
    let parked: Vec<_> = parked.parked_events.iter().map(|p| p.event.as_ref().unwrap().id.as_str()).collect();
    assert_eq!(parked, [events[1].id.as_str(), events[2].id.as_str()]);

    // The rest flows on.
    let corrected = world.orders.order(&Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 1000));
    let other = world.orders.order(&Order::of(3, Some(ann), "2025-11-04T10:00:00Z", 7));
    world.tell(&[corrected, other]).await;
    assert_eq!(totals(&world.only(ann).await), (2, 1007, 0, 1007));

    let request =
        ReplayParkedEventsRequest { consumer: "analytics.orders".into(), aggregate_id: poison.id.to_string() };
    let replayed = world.operations().replay_parked_events(request.clone()).await.unwrap().into_inner();
    assert_eq!((replayed.applied, replayed.remaining, replayed.reason.as_str()), (2, 0, ""));
    assert_eq!(totals(&world.only(ann).await), (3, 1507, 0, 1507));
    let error = world.operations().replay_parked_events(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn an_event_that_makes_no_sense_is_parked_with_the_field_at_fault() {
    let world = World::new().await;
    let ann = id(10);
    let wrong = world.orders.order(&Order { currency: "EURO", ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 1) });
    let right = world.orders.order(&Order::of(2, Some(ann), "2025-11-02T10:00:00Z", 500));
    world.tell(&[wrong, right]).await;
    let parked = world.operations().list_parked_events(ListParkedEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!(parked.parked_events.len(), 1);
    assert!(parked.parked_events[0].reason.starts_with("currency: `EURO`"), "{}", parked.parked_events[0].reason);
    assert_eq!(totals(&world.only(ann).await), (1, 500, 0, 500));
}

#[tokio::test]
async fn a_projection_built_again_from_the_first_event_is_the_same() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    world.customers.record(
        ann,
        Some(ann),
        at("2025-10-01T10:00:00Z"),
        &CustomerCreated { customer_id: ann.to_string(), ..CustomerCreated::default() },
    );
    let events = [
        world.orders.product(id(1), "S1", "Cup", ""),
        world.orders.order(&order),
        world.orders.order(&Order { cancelled: true, ..order.clone() }),
        world.orders.order(&order),
        world.orders.order(&Order::of(2, Some(bob), "2025-11-02T10:00:00Z", 4000)),
        world.orders.order(&Order::of(3, None, "2025-11-02T10:00:00Z", 70)),
        world.orders.credit_note(&CreditNote::of(1, Some(bob), "2025-12-01T10:00:00Z", 300)),
    ];
    world.tell(&events).await;
    let before =
        (world.customer(ann).await, world.customer(bob).await, world.summary().await, world.timeline(ann).await);
    assert_eq!(before.3.len(), 4);

    // Damage that only building again can mend.
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql(
        "update analytics.customer_figure set gross_minor = 1; update analytics.document set amount_minor = 2",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    for consumer in ["analytics.orders", "analytics.customers"] {
        let request = RebuildProjectionRequest { consumer: consumer.into() };
        world.operations().rebuild_projection(request).await.unwrap();
    }
    eventually("the figures' being what they were", async || {
        let now =
            (world.customer(ann).await, world.customer(bob).await, world.summary().await, world.timeline(ann).await);
        (now == before).then_some(())
    })
    .await;

    let request = RebuildProjectionRequest { consumer: "orders.customers".into() };
    let error = world.operations().rebuild_projection(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    assert!(error.message().contains("analytics.orders"), "{error}");
}

#[tokio::test]
async fn another_time_zone_of_the_reports_has_the_months_counted_anew() {
    let world = World::in_zone("UTC").await;
    let ann = id(10);
    let event = world.orders.order(&Order::of(1, Some(ann), "2025-11-30T23:30:00Z", 1));
    world.tell(&[event]).await;
    assert_eq!(busy(&world, ann).await, ["2025-11"]);
    world.harness.stop().await;

    let moved = World { harness: clientele_testkit::Harness::new(world.database.clock.clone()), ..world };
    moved.harness.host.network.serve("orders", moved.orders.routes());
    moved.harness.host.network.serve("customers", moved.customers.routes());
    let moved = World { deps: moved.harness.deps(&moved.database), ..moved };
    moved.start("Europe/Madrid").await;
    eventually("the sale's being in December", async || (busy(&moved, ann).await == ["2025-12"]).then_some(())).await;
    assert_eq!(totals(&moved.only(ann).await), (1, 1, 0, 1));
}

async fn busy(world: &World, customer: uuid::Uuid) -> Vec<String> {
    let metrics = world.customer(customer).await;
    let months = metrics.currencies.into_iter().flat_map(|currency| currency.months);
    months.filter(|month| month.orders > 0).map(|month| month.month).collect()
}

#[tokio::test]
async fn analytics_has_a_feed_of_its_own_that_is_empty_so_far() {
    let world = World::still("UTC").await;
    let mut feed = FeedClient::new(world.harness.client("analytics", &["analytics.feed.read"]));
    let page = feed
        .read(ReadFeedRequest { partition: 0, after: 0, page_size: 10, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((page.events.len(), page.head), (0, 0));
    let error =
        feed.read(ReadFeedRequest { partition: 32, after: 0, page_size: 10, ..Default::default() }).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
}
