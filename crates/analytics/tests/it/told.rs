//! What analytics tells the others of figures.

use clientele_contracts::analytics::v1::{FigureFact, RebuildProjectionRequest};
use clientele_kernel::Partition;
use clientele_platform::proto;
use clientele_testkit::eventually;

use crate::source::{CreditNote, Order, at, id};
use crate::world::World;

fn fact(orders: i64, gross_minor: i64, refunds_minor: i64, first: &str, last: &str) -> FigureFact {
    FigureFact {
        currency: "EUR".to_owned(),
        orders,
        gross_minor,
        refunds_minor,
        first_purchase_at: Some(proto::timestamp(at(first))),
        last_purchase_at: Some(proto::timestamp(at(last))),
    }
}

const NOVEMBER: &str = "2025-11-01T10:00:00Z";
const DECEMBER: &str = "2025-12-01T10:00:00Z";

#[tokio::test]
async fn each_change_of_figures_is_told_once_with_the_state_after_it() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let first = Order::of(1, Some(ann), NOVEMBER, 2000);
    world.apply(&[world.orders.order(&first)]).await;
    // A payment changes nothing of the figures.
    world.apply(&[world.orders.order(&first)]).await;
    world.apply(&[world.orders.order(&Order::of(2, Some(ann), DECEMBER, 500))]).await;
    world.apply(&[world.orders.credit_note(&CreditNote::of(1, Some(ann), DECEMBER, 300))]).await;
    world.apply(&[world.orders.deleted(&first)]).await;

    let told: Vec<_> = world.told(ann).await.into_iter().map(|(version, event)| (version, event.figures)).collect();
    assert_eq!(
        told,
        [
            (1, vec![fact(1, 2000, 0, NOVEMBER, NOVEMBER)]),
            (2, vec![fact(2, 2500, 0, NOVEMBER, DECEMBER)]),
            (3, vec![fact(2, 2500, 300, NOVEMBER, DECEMBER)]),
            (4, vec![fact(1, 500, 300, DECEMBER, DECEMBER)]),
        ]
    );
}

#[tokio::test]
async fn an_order_that_was_taken_back_is_gone_from_figures_and_timeline_for_good() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), NOVEMBER, 2000);
    let placed = world.orders.order(&order);
    let deleted = world.orders.deleted(&order);
    for batches in [[&placed, &deleted], [&deleted, &placed]] {
        for event in batches {
            world.apply(std::slice::from_ref(event)).await;
        }
        assert!(world.customer(ann).await.currencies.is_empty());
        assert!(world.timeline(ann).await.is_empty());
        let mut conn = world.database.superuser().await;
        sqlx::raw_sql("delete from analytics.document").execute(&mut conn).await.unwrap();
    }
}

#[tokio::test]
async fn building_figures_again_tells_nothing_unless_they_have_become_others() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    for number in 1..=5 {
        world.orders.order(&Order::of(number, Some(ann), NOVEMBER, 1000));
    }
    let last = world.orders.order(&Order::of(9, Some(bob), NOVEMBER, 700));
    world.tell(&[last]).await;
    let before = (world.told(ann).await, world.told(bob).await);
    // As if bob's figures had gone wrong.
    let mut conn = world.database.superuser().await;
    sqlx::query("update analytics.customer_told set figures = '\\x00' where customer_id = $1")
        .bind(bob)
        .execute(&mut conn)
        .await
        .unwrap();

    let request = RebuildProjectionRequest { consumer: "analytics.orders".to_owned() };
    world.operations().rebuild_projection(request).await.unwrap();
    world.settled().await;
    let bobs = eventually("bob's figures being told again", async || {
        let told = world.told(bob).await;
        (told.len() > before.1.len()).then_some(told)
    })
    .await;
    assert_eq!(bobs.last().unwrap().1, before.1.last().unwrap().1);
    assert_eq!(world.told(ann).await, before.0);
    assert_eq!(world.only(ann).await.figures.unwrap().orders, 5);
}

#[tokio::test]
async fn figures_from_before_anybody_was_told_are_told_at_the_next_start() {
    let world = World::still("UTC").await;
    let ann = id(10);
    world.apply(&[world.orders.order(&Order::of(1, Some(ann), NOVEMBER, 2000))]).await;
    let mut conn = world.database.superuser().await;
    // As a base is that was kept by a version which told nobody.
    let untold = "delete from analytics.customer_told; truncate analytics.journal; \
                  update analytics.journal_head set position = 0";
    sqlx::raw_sql(untold).execute(&mut conn).await.unwrap();
    world.start("UTC").await;
    world.settled().await;
    let told = eventually("the figures' being told", async || {
        let told = world.told(ann).await;
        (!told.is_empty()).then_some(told)
    })
    .await;
    assert_eq!(told.last().unwrap().1.figures, [fact(1, 2000, 0, NOVEMBER, NOVEMBER)]);
}

#[tokio::test]
async fn a_customer_who_comes_up_only_while_figures_are_built_again_is_told_at_the_end() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let bob = (11..1000).map(id).find(|bob| Partition::of(*bob) == Partition::of(ann)).unwrap();
    let mut conn = world.database.superuser().await;
    sqlx::query("insert into analytics.rebuilding (partition, until_position) values ($1, 2)")
        .bind(Partition::of(ann).number())
        .execute(&mut conn)
        .await
        .unwrap();
    world.apply(&[world.orders.order(&Order::of(1, Some(bob), NOVEMBER, 700))]).await;
    assert!(world.told(bob).await.is_empty());
    world.apply(&[world.orders.order(&Order::of(2, Some(ann), NOVEMBER, 2000))]).await;
    for (customer, minor) in [(bob, 700), (ann, 2000)] {
        let told: Vec<_> =
            world.told(customer).await.into_iter().map(|(version, event)| (version, event.figures)).collect();
        assert_eq!(told, [(1, vec![fact(1, minor, 0, NOVEMBER, NOVEMBER)])]);
    }
}

#[tokio::test]
async fn figures_built_again_are_told_although_the_last_event_is_parked_and_no_other_comes() {
    let world = World::new().await;
    let ann = id(10);
    let wrong = Order { currency: "EURO", ..Order::of(2, Some(ann), DECEMBER, 1) };
    let events = [world.orders.order(&Order::of(1, Some(ann), NOVEMBER, 1000)), world.orders.order(&wrong)];
    world.tell(&events).await;
    assert_eq!(world.told(ann).await.len(), 1);
    // As if ann's figures had gone wrong.
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql("update analytics.customer_told set figures = '\\x00'").execute(&mut conn).await.unwrap();

    let request = RebuildProjectionRequest { consumer: "analytics.orders".to_owned() };
    world.operations().rebuild_projection(request).await.unwrap();
    let told = eventually("the figures' being told again", async || {
        let told = world.told(ann).await;
        (told.len() == 2).then_some(told)
    })
    .await;
    assert_eq!((told[1].0, &told[1].1.figures), (2, &vec![fact(1, 1000, 0, NOVEMBER, NOVEMBER)]));
    let left: i64 = sqlx::query_scalar("select count(*) from analytics.rebuilding").fetch_one(&mut conn).await.unwrap();
    assert_eq!(left, 0);
}
