//! Lists of orders: paged by key, filtered, bounded.

use std::fmt::Write as _;

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::Error;
use clientele_platform::grpc;

use crate::world::{World, fields, line, moment, order, reason};

async fn list(world: &World, request: pb::ListOrdersRequest) -> Result<pb::ListOrdersResponse, Error> {
    world.orders().list_orders(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
}

/// The numbers of all orders of a list, page by page.
async fn numbers(world: &World, request: pb::ListOrdersRequest) -> Vec<String> {
    let mut request = request;
    let mut numbers = Vec::new();
    loop {
        let page = list(world, request.clone()).await.unwrap();
        numbers.extend(page.orders.into_iter().map(|order| order.number));
        if page.next_page_token.is_empty() {
            return numbers;
        }
        request.page_token = page.next_page_token;
    }
}

/// Orders 0 to 9, placed one a day, two customers by turns, every third cancelled.
async fn ten(world: &World) -> (String, String) {
    let (even, odd) = (world.customer(), world.customer());
    let orders = (0..10).map(|n| {
        let mut at = String::new();
        write!(at, "2011-01-{:02}T00:00:00Z", n + 1).unwrap();
        pb::Order {
            placed_at: moment(&at),
            customer_id: if n % 2 == 0 { even.clone() } else { odd.clone() },
            status: if n % 3 == 0 { "cancelled" } else { "completed" }.into(),
            ..order(&n.to_string())
        }
    });
    world.upsert(orders.collect()).await;
    (even, odd)
}

#[tokio::test]
async fn pages_hold_every_order_once_newest_first() {
    let world = World::new().await;
    let (even, _) = ten(&world).await;
    let pages_of_three = pb::ListOrdersRequest { page_size: 3, ..Default::default() };
    assert_eq!(numbers(&world, pages_of_three.clone()).await.concat(), "9876543210");
    let of_one = pb::ListOrdersRequest { customer_id: even, ..pages_of_three.clone() };
    assert_eq!(numbers(&world, of_one).await.concat(), "86420");
    let first = list(&world, pages_of_three).await.unwrap();
    assert_eq!((first.orders.len(), first.total_size), (3, 10));
    assert!(first.orders.iter().all(|order| order.lines.is_empty() && order.line_count == 1));
}

#[tokio::test]
async fn groups_and_ranges_narrow_a_list_with_and_without_a_customer() {
    let world = World::new().await;
    let (even, _) = ten(&world).await;
    let cancelled = vec![pb::StatusGroup::Cancelled.into()];
    let request = pb::ListOrdersRequest { status_groups: cancelled.clone(), page_size: 2, ..Default::default() };
    assert_eq!(numbers(&world, request.clone()).await.concat(), "9630");
    assert_eq!(list(&world, request.clone()).await.unwrap().total_size, 4);
    let of_one = pb::ListOrdersRequest { customer_id: even, ..request.clone() };
    assert_eq!(numbers(&world, of_one).await.concat(), "60");
    let all_groups = (1..=4).collect();
    let request = pb::ListOrdersRequest {
        status_groups: all_groups,
        placed_from: moment("2011-01-03T00:00:00Z"),
        placed_until: moment("2011-01-06T00:00:00Z"),
        ..request
    };
    assert_eq!(numbers(&world, request.clone()).await.concat(), "432");
    assert_eq!(numbers(&world, pb::ListOrdersRequest { status_groups: Vec::new(), ..request }).await.concat(), "432");
}

#[tokio::test]
async fn an_order_that_arrives_meanwhile_moves_no_page() {
    let world = World::new().await;
    ten(&world).await;
    let mut request = pb::ListOrdersRequest { page_size: 5, ..Default::default() };
    let first = list(&world, request.clone()).await.unwrap();
    world.upsert(vec![pb::Order { placed_at: moment("2012-01-01T00:00:00Z"), ..order("new") }]).await;
    request.page_token = first.next_page_token;
    let second = list(&world, request).await.unwrap();
    assert_eq!(second.orders.iter().map(|order| order.number.as_str()).collect::<String>(), "43210");
    assert_eq!(second.total_size, 0, "the first page tells how many there are");
}

#[tokio::test]
async fn orders_of_one_moment_are_paged_by_id() {
    let world = World::new().await;
    world.upsert((0..7).map(|n| order(&n.to_string())).collect()).await;
    let mut numbers = numbers(&world, pb::ListOrdersRequest { page_size: 2, ..Default::default() }).await;
    assert_eq!(numbers.len(), 7);
    numbers.sort_unstable();
    assert_eq!(numbers.concat(), "0123456");
}

#[tokio::test]
async fn a_page_with_lines_ends_where_it_would_be_too_large() {
    let world = World::new().await;
    let long = |n: i32| pb::Order { lines: vec![line("A", "1", "1"); 2000], ..order(&n.to_string()) };
    world.upsert((0..7).map(long).collect()).await;
    let request = pb::ListOrdersRequest { include_lines: true, page_size: 100, ..Default::default() };
    let first = list(&world, request.clone()).await.unwrap();
    assert_eq!(first.orders.len(), 5, "five times 2,000 lines are as many as a page holds");
    assert!(first.orders.iter().all(|order| order.lines.len() == 2000));
    assert_eq!(numbers(&world, request).await.len(), 7);
    let ids = list(&world, pb::ListOrdersRequest::default()).await.unwrap().orders.into_iter().map(|order| order.id);
    let request = pb::BatchGetOrdersRequest { ids: ids.collect() };
    let error = world.orders().batch_get_orders(request).await.map_err(grpc::error).unwrap_err();
    assert_eq!(reason(&error), "TOO_MANY_LINES");
}

#[tokio::test]
async fn those_asked_for_by_id_come_in_the_order_asked_each_once() {
    let world = World::new().await;
    let results = world.upsert(vec![order("1"), order("2")]).await;
    let (one, two) = (results[0].order_id.clone(), results[1].order_id.clone());
    let nobody = world.database.ids.next::<clientele_kernel::OrderId>().to_string();
    let request = pb::BatchGetOrdersRequest { ids: vec![two.clone(), nobody, one.clone(), two.clone()] };
    let orders = world.orders().batch_get_orders(request).await.unwrap().into_inner().orders;
    assert_eq!(orders.iter().map(|order| order.id.as_str()).collect::<Vec<_>>(), [two, one]);
    assert!(orders.iter().all(|order| order.lines.len() == 1));
}

#[tokio::test]
async fn wrong_lists_are_refused_by_field() {
    let world = World::new().await;
    ten(&world).await;
    let page_size = |page_size| pb::ListOrdersRequest { page_size, ..Default::default() };
    assert_eq!(fields(&list(&world, page_size(-1)).await.unwrap_err()), ["page_size"]);
    let token = list(&world, page_size(1)).await.unwrap().next_page_token;
    let other = pb::ListOrdersRequest { page_token: token, status_groups: vec![1], ..Default::default() };
    assert_eq!(fields(&list(&world, other).await.unwrap_err()), ["page_token"]);
    let wrong = pb::ListOrdersRequest {
        customer_id: "17850".into(),
        status_groups: vec![0, 9],
        placed_from: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        ..Default::default()
    };
    let error = list(&world, wrong).await.unwrap_err();
    assert_eq!(fields(&error), ["customer_id", "status_groups[0]", "status_groups[1]", "placed_from"]);
    let many = pb::ListOrdersRequest { status_groups: vec![1; 1000], ..Default::default() };
    assert_eq!(fields(&list(&world, many).await.unwrap_err()), ["status_groups"]);
}
