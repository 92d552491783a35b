//! The catalogue.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::platform::v1::UpsertOutcome::{self, Created, Refused, Unchanged, Updated};
use clientele_kernel::Error;
use clientele_platform::grpc;

use crate::world::{World, fields, order};

fn product(sku: &str, name: &str, category: &str) -> pb::Product {
    pb::Product {
        source: "shop".into(),
        sku: sku.into(),
        name: name.into(),
        category: category.into(),
        ..pb::Product::default()
    }
}

async fn upsert(world: &World, products: Vec<pb::Product>) -> Vec<pb::UpsertProductResult> {
    let request = pb::BatchUpsertProductsRequest { products, request_id: String::new() };
    world.products().batch_upsert_products(request).await.unwrap().into_inner().results
}

fn outcomes(results: &[pb::UpsertProductResult]) -> Vec<UpsertOutcome> {
    results.iter().map(pb::UpsertProductResult::outcome).collect()
}

async fn find(world: &World, query: &str) -> Result<Vec<String>, Error> {
    let mut request = pb::ListProductsRequest { query: query.into(), page_size: 2, ..Default::default() };
    let mut skus = Vec::new();
    loop {
        let page = world.products().list_products(request.clone()).await.map_err(grpc::error)?.into_inner();
        skus.extend(page.products.into_iter().map(|product| product.sku));
        if page.next_page_token.is_empty() {
            return Ok(skus);
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn products_are_created_changed_and_left_alone() {
    let world = World::new().await;
    let first = upsert(&world, vec![product("A", "Lantern", ""), product("B", "", "")]).await;
    assert_eq!(outcomes(&first), [Created, Created]);
    let again =
        upsert(&world, vec![product("B", "", ""), product("A", "Lantern", "Lights"), product("A", "x", "")]).await;
    assert_eq!(outcomes(&again), [Unchanged, Updated, Refused]);
    let id = first[0].product_id.clone();
    let read = world.products().get_product(pb::GetProductRequest { id: id.clone() }).await.unwrap().into_inner();
    assert_eq!((read.name.as_str(), read.category.as_str(), read.etag.as_str()), ("Lantern", "Lights", "2"));
    assert_eq!(outcomes(&upsert(&world, vec![product("A", "", "")]).await), [Unchanged], "what is left out stays");
    assert_eq!(world.events_of(&id).await.len(), 2);
}

#[tokio::test]
async fn wrong_products_are_refused_one_by_one() {
    let world = World::new().await;
    let wrong = pb::Product { source: "Shop!".into(), ..product("", &"x".repeat(501), "a\u{7}") };
    let results = upsert(&world, vec![wrong, product("A", "", "")]).await;
    assert_eq!(outcomes(&results), [Refused, Created]);
    let named: Vec<_> = results[0].violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, ["source", "sku", "name", "category"]);
}

#[tokio::test]
async fn writers_of_the_same_product_at_once_make_one() {
    let world = World::new().await;
    let batch = || (0..50).map(|n| product(&n.to_string(), "Lantern", "")).collect::<Vec<_>>();
    let (a, b, c) = tokio::join!(upsert(&world, batch()), upsert(&world, batch()), upsert(&world, batch()));
    let all: Vec<_> = [a, b, c].concat();
    assert_eq!(outcomes(&all).iter().filter(|outcome| **outcome == Created).count(), 50);
    assert_eq!(outcomes(&all).iter().filter(|outcome| **outcome == Unchanged).count(), 100);
}

#[tokio::test]
async fn a_product_that_a_line_names_first_is_created_with_the_name_of_the_line_and_keeps_it() {
    let world = World::new().await;
    let id = world.upsert(vec![order("1")]).await[0].order_id.clone();
    let mut renamed = order("2");
    renamed.lines[0].name = "ANOTHER NAME".into();
    let mut nameless = order("3");
    nameless.lines[0].name = String::new();
    let results = world.upsert(vec![renamed, nameless]).await;
    let product_id = world.order(&id).await.lines[0].product_id.clone();
    let read =
        world.products().get_product(pb::GetProductRequest { id: product_id.clone() }).await.unwrap().into_inner();
    assert_eq!((read.sku.as_str(), read.name.as_str()), ("85123A", "PRODUCT 85123A"));
    let line = world.order(&results[0].order_id).await.lines.remove(0);
    assert_eq!((line.product_id.as_str(), line.name.as_str()), (product_id.as_str(), "ANOTHER NAME"));
    assert_eq!(world.order(&results[1].order_id).await.lines[0].name, "PRODUCT 85123A", "the product's own name holds");
}

#[tokio::test]
async fn products_are_found_by_any_part_in_any_script_in_the_order_of_their_names() {
    let world = World::new().await;
    let products = [
        ("1", "White Metal LANTERN", "Lights"),
        ("2", "Фонарь белый", "Свет"),
        ("3", "Café crème", ""),
        ("50%", "SALE_50% off", ""),
        ("x", "SALE 500 off", ""),
        ("85123A", "", ""),
    ];
    upsert(&world, products.map(|(sku, name, category)| product(sku, name, category)).to_vec()).await;
    for (query, skus) in [
        ("lantern white", vec!["1"]),
        ("ЛАНТЕРН", vec!["1"]),
        ("lanterne", vec![]),
        ("фонарь", vec!["2"]),
        ("fonar bel", vec!["2"]),
        ("cafe CREME", vec!["3"]),
        ("50%", vec!["50%"]),
        ("e_5", vec!["50%"]),
        ("512", vec!["85123A"]),
        ("lights", vec!["1"]),
        ("", vec!["85123A", "3", "x", "50%", "1", "2"]),
    ] {
        assert_eq!(find(&world, query).await.unwrap(), skus, "{query}");
    }
    assert_eq!(fields(&find(&world, "a\u{0}").await.unwrap_err()), ["query"]);
    assert_eq!(fields(&find(&world, &"x".repeat(10_000)).await.unwrap_err()), ["query"]);
}
