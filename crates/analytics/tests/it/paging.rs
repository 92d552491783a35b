//! Lists of customers with their figures.

use clientele_contracts::analytics::v1::{ListCustomerFiguresRequest, ListCustomerFiguresResponse};

use crate::source::{Order, id};
use crate::world::World;

async fn world() -> World {
    let world = World::still("UTC").await;
    // Ten customers; each gross occurs twice, so that a page ends among equals.
    for n in 0..10 {
        let minor = 100 * i64::try_from(n / 2 + 1).unwrap();
        let event = world.orders.order(&Order::of(n, Some(id(10 + n)), "2025-11-01T10:00:00Z", minor));
        world.apply(&[event]).await;
    }
    let dollars = Order { currency: "USD", ..Order::of(90, Some(id(10)), "2025-11-01T10:00:00Z", 1) };
    let dollars = world.orders.order(&dollars);
    world.apply(&[dollars]).await;
    // One who bought and took all back by cancelling is in no list.
    let order = Order::of(91, Some(id(30)), "2025-11-01T10:00:00Z", 1);
    let events = [world.orders.order(&order), world.orders.order(&Order { cancelled: true, ..order })];
    world.apply(&events).await;
    world
}

async fn page(
    world: &World,
    currency: &str,
    order_by: &str,
    page_token: &str,
) -> Result<ListCustomerFiguresResponse, tonic::Status> {
    let request = ListCustomerFiguresRequest {
        currency: currency.to_owned(),
        order_by: order_by.to_owned(),
        page_size: 3,
        page_token: page_token.to_owned(),
    };
    world.metrics().list_customer_figures(request).await.map(tonic::Response::into_inner)
}

async fn all(world: &World, currency: &str, order_by: &str) -> Vec<(String, String, i64)> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let found = page(world, currency, order_by, &token).await.unwrap();
        rows.extend(found.customers.into_iter().map(|row| {
            let figures = row.figures.unwrap();
            (row.customer_id, figures.currency, figures.gross.unwrap().minor)
        }));
        if found.next_page_token.is_empty() {
            return rows;
        }
        token = found.next_page_token;
    }
}

#[tokio::test]
async fn pages_by_gross_hold_every_customer_once_the_largest_first() {
    let world = world().await;
    let rows = all(&world, "EUR", "gross desc").await;
    assert_eq!(rows.iter().map(|row| row.2).collect::<Vec<_>>(), [500, 500, 400, 400, 300, 300, 200, 200, 100, 100]);
    let distinct: std::collections::HashSet<_> = rows.iter().map(|row| &row.0).collect();
    assert_eq!(distinct.len(), 10);
}

#[tokio::test]
async fn pages_by_customer_hold_every_currency_of_each() {
    let world = world().await;
    let rows = all(&world, "", "").await;
    assert_eq!(rows.len(), 11);
    assert!(rows.is_sorted());
    assert_eq!((rows[0].1.as_str(), rows[1].1.as_str()), ("EUR", "USD"));
    assert_eq!(all(&world, "USD", "").await, [(id(10).to_string(), "USD".into(), 1)]);
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused_with_its_field() {
    let world = world().await;
    let token = page(&world, "EUR", "gross desc", "").await.unwrap().next_page_token;
    for (currency, order_by, token, field) in [
        ("", "gross desc", "", "currency"),
        ("EURO", "", "", "currency"),
        ("eur", "", "", "currency"),
        ("EUR", "name", "", "order_by"),
        ("USD", "gross desc", token.as_str(), "page_token"),
        ("EUR", "", token.as_str(), "page_token"),
        ("EUR", "gross desc", "AAAA", "page_token"),
    ] {
        let error = page(&world, currency, order_by, token).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument, "{currency} {order_by}");
        assert!(error.message().starts_with(&format!("{field}: ")), "{error}");
    }
    let request = ListCustomerFiguresRequest { page_size: -1, ..ListCustomerFiguresRequest::default() };
    let error = world.metrics().list_customer_figures(request).await.unwrap_err();
    assert!(error.message().starts_with("page_size: "), "{error}");
}
