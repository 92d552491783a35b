//! Figures of the whole company.

use clientele_contracts::orders::v1::LineKind;
use clientele_platform::proto;

use crate::source::{CreditNote, Order, at, id};
use crate::world::World;

#[tokio::test]
async fn the_summary_keeps_known_customers_and_sales_to_nobody_apart() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let adjustment = Order {
        lines: vec![(id(1), LineKind::Adjustment, -1000, -250)],
        ..Order::of(5, None, "2025-10-02T10:00:00Z", 0)
    };
    let events = [
        world.orders.order(&Order::of(1, Some(ann), "2025-10-01T10:00:00Z", 1000)),
        world.orders.order(&Order::of(2, Some(ann), "2025-11-01T10:00:00Z", 2000)),
        world.orders.order(&Order::of(3, Some(bob), "2025-11-02T10:00:00Z", 4000)),
        world.orders.order(&Order::of(4, None, "2025-09-01T10:00:00Z", 8000)),
        world.orders.order(&adjustment),
        world.orders.credit_note(&CreditNote::of(1, Some(bob), "2025-12-01T10:00:00Z", 300)),
        world.orders.credit_note(&CreditNote::of(2, None, "2025-12-01T10:00:00Z", 70)),
        world.orders.order(&Order { currency: "USD", ..Order::of(6, Some(bob), "2025-11-02T10:00:00Z", 5) }),
    ];
    world.tell(&events).await;

    let summary = world.summary().await;
    assert_eq!(summary.as_of, Some(proto::timestamp(at("2026-01-15T09:00:00Z"))));
    let codes: Vec<_> = summary.currencies.iter().map(|c| c.known.as_ref().unwrap().currency.as_str()).collect();
    assert_eq!(codes, ["EUR", "USD"]);
    let euros = &summary.currencies[0];
    let (known, anonymous) = (euros.known.clone().unwrap(), euros.anonymous.clone().unwrap());
    assert_eq!((known.orders, known.gross.unwrap().minor, known.refunds.unwrap().minor), (3, 7000, 300));
    assert_eq!(known.first_purchase_at, Some(proto::timestamp(at("2025-10-01T10:00:00Z"))));
    assert_eq!(known.last_purchase_at, Some(proto::timestamp(at("2025-11-02T10:00:00Z"))));
    assert_eq!((anonymous.orders, anonymous.gross.unwrap().minor, anonymous.refunds.unwrap().minor), (1, 8000, 70));
    assert_eq!((euros.paying_customers, euros.repeat_customers, euros.adjustment_minor), (2, 1, -250));
    let months: Vec<_> =
        euros.months.iter().map(|m| (m.month.as_str(), m.orders, m.net.clone().unwrap().minor)).collect();
    assert_eq!(months, [("2025-10", 1, 1000), ("2025-11", 2, 6000), ("2025-12", 0, -300)]);
}

#[tokio::test]
async fn adjustments_of_a_cancelled_order_are_taken_out() {
    let world = World::new().await;
    let order = Order {
        lines: vec![(id(1), LineKind::Sale, 1000, 100), (id(1), LineKind::Adjustment, -1000, -250)],
        ..Order::of(1, Some(id(10)), "2025-10-02T10:00:00Z", 0)
    };
    let placed = world.orders.order(&order);
    world.tell(&[placed]).await;
    assert_eq!(world.summary().await.currencies[0].adjustment_minor, -250);
    let cancelled = world.orders.order(&Order { cancelled: true, ..order });
    world.tell(&[cancelled]).await;
    assert_eq!(world.summary().await.currencies, []);
}

#[tokio::test]
async fn a_company_that_has_sold_nothing_has_an_empty_summary() {
    let summary = World::still("UTC").await.summary().await;
    assert_eq!(summary.currencies, []);
    assert_eq!(summary.as_of, None);
}
