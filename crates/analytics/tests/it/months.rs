//! Twelve months, in the zone of the reports.

use chrono::{TimeZone, Utc};

use crate::source::{CreditNote, Order, id};
use crate::world::World;

fn busy(metrics: &clientele_contracts::analytics::v1::CurrencyMetrics) -> Vec<(String, i64)> {
    metrics.months.iter().filter(|m| m.orders > 0).map(|m| (m.month.clone(), m.orders)).collect()
}

#[tokio::test]
async fn twelve_months_end_with_the_present_one_and_cross_the_year() {
    let world = World::new().await;
    let ann = id(10);
    let events = [
        world.orders.order(&Order::of(1, Some(ann), "2025-01-31T23:59:59Z", 1)),
        world.orders.order(&Order::of(2, Some(ann), "2025-02-01T00:00:00Z", 2)),
        world.orders.order(&Order::of(3, Some(ann), "2025-12-31T23:59:59Z", 3)),
        world.orders.order(&Order::of(4, Some(ann), "2026-01-01T00:00:00Z", 4)),
    ];
    world.tell(&events).await;

    let metrics = world.only(ann).await;
    assert_eq!(metrics.months.len(), 12);
    assert_eq!((metrics.months[0].month.as_str(), metrics.months[11].month.as_str()), ("2025-02", "2026-01"));
    assert_eq!(busy(&metrics), [("2025-02".into(), 1), ("2025-12".into(), 1), ("2026-01".into(), 1)]);
    // What lies before the window is in the totals all the same.
    assert_eq!(metrics.figures.unwrap().orders, 4);
}

#[tokio::test]
async fn where_nothing_was_bought_of_late_the_months_end_with_the_last_purchase_or_refund() {
    let world = World::new().await;
    let ann = id(10);
    let events = [
        world.orders.order(&Order::of(1, Some(ann), "2010-12-05T10:00:00Z", 100)),
        world.orders.credit_note(&CreditNote::of(1, Some(ann), "2011-08-05T10:00:00Z", 50)),
    ];
    world.tell(&events).await;
    let months = world.only(ann).await.months;
    assert_eq!((months[0].month.as_str(), months[11].month.as_str()), ("2010-09", "2011-08"));
    assert_eq!(months[3].gross.clone().unwrap().minor, 100);
    assert_eq!(months[11].refunds.clone().unwrap().minor, 50);
}

#[tokio::test]
async fn the_month_is_that_of_the_reports_zone_on_both_sides_of_summer_time() {
    let world = World::in_zone("Europe/Madrid").await;
    let ann = id(10);
    let events = [
        // Half past midnight in Madrid, in winter (one hour ahead) and in summer (two hours ahead).
        world.orders.order(&Order::of(1, Some(ann), "2025-11-30T23:30:00Z", 1)),
        world.orders.order(&Order::of(2, Some(ann), "2025-06-30T22:30:00Z", 2)),
        // Half past eleven in the evening there, on the last day of the month.
        world.orders.order(&Order::of(3, Some(ann), "2025-11-30T22:30:00Z", 3)),
        world.orders.order(&Order::of(4, Some(ann), "2025-06-30T21:30:00Z", 4)),
    ];
    world.tell(&events).await;
    let found = busy(&world.only(ann).await);
    assert_eq!(found, [("2025-06".into(), 1), ("2025-07".into(), 1), ("2025-11".into(), 1), ("2025-12".into(), 1)]);
}

#[tokio::test]
async fn the_window_moves_with_the_clock() {
    let world = World::new().await;
    let ann = id(10);
    let event = world.orders.order(&Order::of(1, Some(ann), "2025-12-10T00:00:00Z", 1));
    world.tell(&[event]).await;
    assert_eq!(world.only(ann).await.months[11].month, "2026-01");
    world.database.clock.set(Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap());
    assert_eq!(world.only(ann).await.months[11].month, "2026-03");
    world.database.clock.set(Utc.with_ymd_and_hms(2026, 12, 1, 0, 0, 0).unwrap());
    assert_eq!(world.only(ann).await.months[11].month, "2025-12");
}

#[tokio::test]
async fn sales_at_the_ends_of_the_calendar_are_counted_like_any_other() {
    let world = World::in_zone("America/New_York").await;
    let (ann, bob) = (id(10), id(11));
    let events = [
        world.orders.order(&Order::of(1, Some(ann), "0001-01-01T00:00:00Z", 1)),
        world.orders.order(&Order::of(2, Some(bob), "9999-12-31T23:59:59Z", 2)),
    ];
    world.tell(&events).await;
    assert_eq!(busy(&world.only(ann).await), [("0001-01".into(), 1)]);
    assert_eq!(busy(&world.only(bob).await), [("9999-12".into(), 1)]);
    assert_eq!(world.summary().await.currencies[0].months.len(), 2);
}
