//! Orders and credit notes become the figures of their customers.

use clientele_contracts::analytics::v1::{BatchGetCustomerMetricsRequest, GetCustomerMetricsRequest};
use clientele_contracts::orders::v1::LineKind;
use clientele_platform::proto;

use crate::source::{CreditNote, Order, at, id};
use crate::world::{World, totals};

#[tokio::test]
async fn an_order_becomes_the_figures_of_its_customer() {
    let world = World::new().await;
    let ann = id(10);
    let first = world.orders.order(&Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000));
    let second = world.orders.order(&Order::of(2, Some(ann), "2025-11-05T22:00:00Z", 1001));
    world.tell(&[first, second]).await;

    let metrics = world.customer(ann).await;
    let figures = metrics.currencies[0].figures.clone().unwrap();
    assert_eq!(totals(&metrics.currencies[0]), (2, 3001, 0, 3001));
    assert_eq!(figures.average.unwrap().minor, 1500);
    assert_eq!(figures.first_purchase_at, Some(proto::timestamp(at("2025-11-01T10:00:00Z"))));
    assert_eq!(figures.last_purchase_at, Some(proto::timestamp(at("2025-11-05T22:00:00Z"))));
    assert!((figures.mean_days_between.unwrap() - 4.5).abs() < 1e-9);
    assert_eq!(metrics.as_of, Some(proto::timestamp(at("2026-01-15T09:00:00Z"))));
}

#[tokio::test]
async fn a_cancelled_order_leaves_nothing_and_counts_again_when_it_is_taken_up_again() {
    let world = World::new().await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let placed = world.orders.order(&order);
    let kept = world.orders.order(&Order::of(2, Some(ann), "2025-11-03T10:00:00Z", 500));
    let cancelled = world.orders.order(&Order { cancelled: true, ..order.clone() });
    world.tell(&[placed, kept, cancelled]).await;

    let metrics = world.only(ann).await;
    assert_eq!(totals(&metrics), (1, 500, 0, 500));
    let figures = metrics.figures.unwrap();
    assert_eq!(figures.first_purchase_at, Some(proto::timestamp(at("2025-11-03T10:00:00Z"))));
    assert_eq!(figures.mean_days_between, None);
    assert_eq!(metrics.favourites[0].units, "1");

    let again = world.orders.order(&order);
    world.tell(&[again]).await;
    let metrics = world.only(ann).await;
    assert_eq!(totals(&metrics), (2, 2500, 0, 2500));
    let figures = metrics.figures.unwrap();
    assert_eq!(figures.first_purchase_at, Some(proto::timestamp(at("2025-11-01T10:00:00Z"))));
}

#[tokio::test]
async fn a_customer_whose_every_order_is_cancelled_has_no_figures() {
    let world = World::new().await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let events = [world.orders.order(&order), world.orders.order(&Order { cancelled: true, ..order })];
    world.tell(&events).await;
    assert_eq!(world.customer(ann).await.currencies, []);
    assert_eq!(world.summary().await.currencies, []);
}

#[tokio::test]
async fn a_credit_note_is_taken_off_once_and_in_its_own_month() {
    let world = World::new().await;
    let ann = id(10);
    let order = world.orders.order(&Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000));
    let note = CreditNote::of(1, Some(ann), "2025-12-24T10:00:00Z", 700);
    let issued = world.orders.credit_note(&note);
    let corrected = world.orders.credit_note(&CreditNote { lines: vec![(id(1), 500, 600)], ..note });
    world.tell(&[order, issued, corrected]).await;

    let metrics = world.only(ann).await;
    assert_eq!(totals(&metrics), (1, 2000, 600, 1400));
    let month = |name: &str| metrics.months.iter().find(|m| m.month == name).unwrap().clone();
    assert_eq!(month("2025-11").gross.unwrap().minor, 2000);
    assert_eq!(month("2025-12").refunds.unwrap().minor, 600);
    assert_eq!(month("2025-12").net.unwrap().minor, -600);
    assert_eq!(metrics.favourites[0].units, "0.5");
    assert_eq!(metrics.favourites[0].amount.clone().unwrap().minor, 1400);
}

#[tokio::test]
async fn figures_are_kept_for_each_currency_apart_the_largest_first() {
    let world = World::new().await;
    let ann = id(10);
    let euros = world.orders.order(&Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000));
    let yen = world.orders.order(&Order { currency: "JPY", ..Order::of(2, Some(ann), "2025-11-02T10:00:00Z", 3000) });
    world.tell(&[euros, yen]).await;

    let currencies: Vec<_> = world.customer(ann).await.currencies.into_iter().map(|c| c.figures.unwrap()).collect();
    let found: Vec<_> = currencies.iter().map(|f| (f.currency.as_str(), f.gross.clone().unwrap().minor)).collect();
    assert_eq!(found, [("JPY", 3000), ("EUR", 2000)]);
}

#[tokio::test]
async fn an_order_that_changes_its_currency_and_date_leaves_nothing_where_it_was() {
    let world = World::new().await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let other = Order { currency: "USD", at: at("2025-12-31T10:00:00Z"), ..order.clone() };
    let events = [world.orders.order(&order), world.orders.order(&other)];
    world.tell(&events).await;

    let metrics = world.only(ann).await;
    assert_eq!(metrics.figures.as_ref().unwrap().currency, "USD");
    let busy: Vec<_> = metrics.months.iter().filter(|m| m.orders > 0).map(|m| m.month.as_str()).collect();
    assert_eq!(busy, ["2025-12"]);
}

#[tokio::test]
async fn goods_given_away_and_adjustments_are_no_purchase() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let free = Order {
        lines: vec![(id(1), LineKind::Free, 1000, 0), (id(2), LineKind::Adjustment, 1000, -300)],
        ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 0)
    };
    let mixed = Order {
        lines: vec![(id(1), LineKind::Sale, 2000, 900), (id(1), LineKind::Free, 1000, 0)],
        ..Order::of(2, Some(bob), "2025-11-01T10:00:00Z", 0)
    };
    let events = [world.orders.order(&free), world.orders.order(&mixed)];
    world.tell(&events).await;

    assert_eq!(world.customer(ann).await.currencies, []);
    let metrics = world.only(bob).await;
    assert_eq!(totals(&metrics), (1, 900, 0, 900));
    assert_eq!(metrics.favourites[0].units, "2");
    assert_eq!(world.summary().await.currencies[0].adjustment_minor, -300);
}

#[tokio::test]
async fn a_sale_to_nobody_known_moves_to_the_customer_it_gets() {
    let world = World::new().await;
    let ann = id(10);
    let order = Order::of(1, None, "2025-11-01T10:00:00Z", 2000);
    let anonymous = world.orders.order(&order);
    world.tell(&[anonymous]).await;
    let sales = world.summary().await.currencies.remove(0);
    assert_eq!((sales.known.unwrap().orders, sales.anonymous.unwrap().orders, sales.paying_customers), (0, 1, 0));

    let known = world.orders.order(&Order { customer: Some(ann), ..order });
    world.tell(&[known]).await;
    assert_eq!(totals(&world.only(ann).await), (1, 2000, 0, 2000));
    let sales = world.summary().await.currencies.remove(0);
    assert_eq!((sales.known.unwrap().orders, sales.anonymous.unwrap().orders, sales.paying_customers), (1, 0, 1));
}

#[tokio::test]
async fn an_older_state_that_comes_late_changes_nothing() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, None, "2025-11-01T10:00:00Z", 2000);
    // The order moved from its own partition to the customer's: the partitions are not in order with each other.
    let anonymous = world.orders.order(&order);
    let known = world.orders.order(&Order { customer: Some(ann), ..order });
    world.apply(&[known]).await;
    world.apply(&[anonymous]).await;
    assert_eq!(totals(&world.only(ann).await), (1, 2000, 0, 2000));
    assert_eq!(world.summary().await.currencies[0].anonymous.as_ref().unwrap().orders, 0);
}

#[tokio::test]
async fn two_states_of_an_order_applied_at_the_same_time_count_once() {
    let world = World::still("UTC").await;
    let ann = id(10);
    for number in 0..20 {
        let order = Order::of(number, None, "2025-11-01T10:00:00Z", 100);
        let anonymous = [world.orders.order(&order)];
        let known = [world.orders.order(&Order { customer: Some(ann), ..order })];
        tokio::join!(world.apply(&anonymous), world.apply(&known));
    }
    assert_eq!(totals(&world.only(ann).await), (20, 2000, 0, 2000));
    let sales = world.summary().await.currencies.remove(0);
    assert_eq!((sales.known.unwrap().orders, sales.anonymous.unwrap().orders), (20, 0));
    assert_eq!((sales.paying_customers, sales.repeat_customers), (1, 1));
}

#[tokio::test]
async fn events_that_are_delivered_again_change_nothing() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let events = [
        world.orders.order(&order),
        world.orders.credit_note(&CreditNote::of(1, Some(ann), "2025-12-01T10:00:00Z", 500)),
        world.orders.order(&Order { cancelled: true, ..order.clone() }),
        world.orders.order(&order),
    ];
    world.apply(&events).await;
    let (metrics, timeline) = (world.customer(ann).await, world.timeline(ann).await);
    world.apply(&events).await;
    world.apply(&events[1..3]).await;
    assert_eq!(world.customer(ann).await, metrics);
    assert_eq!(world.timeline(ann).await, timeline);
    assert_eq!(totals(&metrics.currencies[0]), (1, 2000, 500, 1500));
}

#[tokio::test]
async fn a_thousand_orders_of_one_customer_add_up() {
    let world = World::new().await;
    let ann = id(10);
    let start = at("2023-01-01T00:00:00Z");
    let events: Vec<_> = (0..1000)
        .map(|n: u32| {
            let order = Order {
                at: start + chrono::TimeDelta::days(n.into()),
                ..Order::of(n.into(), Some(ann), "2023-01-01T00:00:00Z", i64::from(n) + 1)
            };
            world.orders.order(&order)
        })
        .collect();
    world.tell(&events).await;
    let metrics = world.only(ann).await;
    assert_eq!(totals(&metrics), (1000, 500_500, 0, 500_500));
    assert!((metrics.figures.unwrap().mean_days_between.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(metrics.favourites[0].units, "1000");
}

#[tokio::test]
async fn several_customers_are_answered_in_the_order_asked_known_or_not() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let event = world.orders.order(&Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000));
    world.tell(&[event]).await;

    let ask = |ids: Vec<String>| BatchGetCustomerMetricsRequest { customer_ids: ids };
    let found = world.metrics().batch_get_customer_metrics(ask(vec![bob.to_string(), ann.to_string()])).await.unwrap();
    let found = found.into_inner().metrics;
    assert_eq!(found[0].customer_id, bob.to_string());
    assert_eq!(found[0].currencies, []);
    assert_eq!(totals(&found[1].currencies[0]), (1, 2000, 0, 2000));

    let error = world.metrics().batch_get_customer_metrics(ask(vec![ann.to_string(); 501])).await.unwrap_err();
    assert!(error.message().contains("at most 500"), "{error}");
    let error = world.metrics().batch_get_customer_metrics(ask(vec![ann.to_string(), "7".into()])).await.unwrap_err();
    assert!(error.message().contains("customer_ids[1]"), "{error}");
}

#[tokio::test]
async fn what_is_no_id_is_refused_and_names_the_field() {
    let world = World::still("UTC").await;
    for wrong in ["", "1", "'; drop table analytics.document; --", "0193a1f0-0000-7000-8000-00000000000\u{0}"] {
        let request = GetCustomerMetricsRequest { customer_id: wrong.to_owned() };
        let error = world.metrics().get_customer_metrics(request).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        assert!(error.message().starts_with("customer_id: "), "{error}");
    }
}

#[tokio::test]
async fn figures_are_told_to_those_who_may_read_them_only() {
    let world = World::still("UTC").await;
    let request = || GetCustomerMetricsRequest { customer_id: id(10).to_string() };
    let ask = async |permissions: &[&str]| {
        let transport = world.harness.client("analytics", permissions);
        let mut client = clientele_contracts::analytics::v1::metrics_client::MetricsClient::new(transport);
        client.get_customer_metrics(request()).await.map(|_| ()).map_err(|status| status.code())
    };
    assert_eq!(ask(&["analytics.metric.read"]).await, Ok(()));
    assert_eq!(ask(&["analytics.timeline.read"]).await, Err(tonic::Code::PermissionDenied));
}
