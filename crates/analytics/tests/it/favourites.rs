//! What a customer buys most.

use clientele_contracts::analytics::v1::FavouriteKind;
use clientele_contracts::orders::v1::LineKind;

use crate::source::{CreditNote, Order, id};
use crate::world::World;

#[tokio::test]
async fn categories_rank_by_units_then_amount_then_name_and_are_seven_at_most() {
    let world = World::new().await;
    let ann = id(10);
    // Units, minor units, category.
    let bought = [
        (5000, 100, "Tea"),
        (3000, 900, "Cups"),
        (3000, 900, "Bags"),
        (3000, 950, "Lamps"),
        (2000, 1, "Pens"),
        (1500, 1, "Ink"),
        (1000, 1, "Paper"),
        (500, 9000, "Gold"),
    ];
    let mut events = Vec::new();
    let mut lines = Vec::new();
    for (n, (units, minor, category)) in (1..).zip(bought) {
        events.push(world.orders.product(id(n), &format!("S{n}"), &format!("Product {n}"), category));
        lines.push((id(n), LineKind::Sale, units, minor));
    }
    events.push(world.orders.order(&Order { lines, ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 0) }));
    world.tell(&events).await;

    let favourites = world.only(ann).await.favourites;
    let names: Vec<_> = favourites.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["Tea", "Lamps", "Bags", "Cups", "Pens", "Ink", "Paper"]);
    assert!(favourites.iter().all(|f| f.kind() == FavouriteKind::Category && f.product_id.is_empty()));
    assert_eq!(favourites[5].units, "1.5");
}

#[tokio::test]
async fn without_categories_products_rank_and_are_called_by_their_sku_where_they_have_no_name() {
    let world = World::new().await;
    let ann = id(10);
    let lines = vec![(id(1), LineKind::Sale, 1000, 10), (id(2), LineKind::Sale, 2000, 10)];
    // The order is there before the products: their partitions are others.
    let order = world.orders.order(&Order { lines, ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 0) });
    world.tell(&[order]).await;
    assert_eq!(world.only(ann).await.favourites[0].product_id, id(2).to_string());

    let events = [world.orders.product(id(1), "S1", "Cup", ""), world.orders.product(id(2), "S2", "", "")];
    world.tell(&events).await;
    let favourites = world.only(ann).await.favourites;
    let found: Vec<_> = favourites.iter().map(|f| (f.name.as_str(), f.kind())).collect();
    assert_eq!(found, [("S2", FavouriteKind::Product), ("Cup", FavouriteKind::Product)]);

    let renamed = [world.orders.product(id(2), "S2", "Lamp", "Light")];
    world.tell(&renamed).await;
    let favourites = world.only(ann).await.favourites;
    let found: Vec<_> = favourites.iter().map(|f| (f.name.as_str(), f.kind())).collect();
    assert_eq!(found, [("Light", FavouriteKind::Category)]);
}

#[tokio::test]
async fn what_was_taken_back_is_no_favourite() {
    let world = World::new().await;
    let ann = id(10);
    let lines = vec![(id(1), LineKind::Sale, 5000, 50), (id(2), LineKind::Sale, 2000, 10)];
    let events = [
        world.orders.order(&Order { lines, ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 0) }),
        world.orders.credit_note(&CreditNote {
            lines: vec![(id(1), 5000, 50)],
            ..CreditNote::of(1, Some(ann), "2025-12-01T10:00:00Z", 0)
        }),
    ];
    world.tell(&events).await;
    let favourites = world.only(ann).await.favourites;
    assert_eq!(favourites.len(), 1);
    assert_eq!(favourites[0].product_id, id(2).to_string());
}
