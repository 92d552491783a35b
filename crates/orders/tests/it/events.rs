//! What the others are told, and what nobody is.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::Partition;
use clientele_platform::{event, postgres::journal};
use prost::Message;
use sqlx::Row;

use crate::world::{World, line, moment, money, order, reference};

#[tokio::test]
async fn an_order_is_told_with_its_amounts_in_the_partition_of_its_customer() {
    let world = World::new().await;
    let customer_id = world.customer();
    let lines = vec![line("A", "0.250", "9.99"), line("B", "-1", "2")];
    let told = pb::Order { customer_id: customer_id.clone(), status: "completed".into(), lines, ..order("1") };
    let id = world.upsert(vec![told]).await[0].order_id.clone();
    let event = world.events_of(&id).await.remove(0);
    let partition = Partition::of(customer_id.parse().unwrap()).number();
    assert_eq!((event.partition, event.customer_id.as_str()), (i32::from(partition), customer_id.as_str()));
    assert_eq!(event.occurred_at, moment("2010-12-01T08:26:00Z"));
    let recorded = event::decode::<pb::OrderRecorded>(&event).unwrap().unwrap();
    assert_eq!((recorded.status.as_str(), recorded.status_group()), ("completed", pb::StatusGroup::Completed));
    assert_eq!((recorded.gross_minor, recorded.adjustment_minor, recorded.paid_minor), (250, -200, 0));
    let facts: Vec<_> =
        recorded.lines.iter().map(|line| (line.quantity_milli, line.amount_minor, line.kind())).collect();
    assert_eq!(facts, [(250, 250, pb::LineKind::Sale), (-1000, -200, pb::LineKind::Adjustment)]);
    let products: Vec<_> = world.order(&id).await.lines.into_iter().map(|line| line.product_id).collect();
    assert_eq!(recorded.lines.into_iter().map(|line| line.product_id).collect::<Vec<_>>(), products);
}

#[tokio::test]
async fn the_sealed_image_is_the_order_as_it_was() {
    let world = World::new().await;
    let id = world.upsert(vec![order("1")]).await[0].order_id.clone();
    let first = world.order(&id).await;
    let request = pb::ChangeOrderStatusRequest { id: id.clone(), status: "completed".into(), ..Default::default() };
    world.orders().change_order_status(request).await.unwrap();
    let second = world.order(&id).await;
    let rows = journal::images(&world.database.db, "order", id.parse().unwrap(), None, 10).await.unwrap();
    let images: Vec<_> =
        rows.iter().map(|row| pb::Order::decode(row.image.as_ref().unwrap().as_slice()).unwrap()).collect();
    assert_eq!(images, [second, first]);
}

#[tokio::test]
async fn nothing_that_people_wrote_is_told_in_public() {
    let world = World::new().await;
    let canary = "Canary-Ms-Birdwhistle";
    let customer_id = world.customer();
    let payment = pb::Payment {
        reference: reference(&format!("{canary}-payment")),
        method: canary.into(),
        amount: money(1, "GBP"),
        ..pb::Payment::default()
    };
    let product = pb::Product { source: "shop".into(), sku: "GIFT".into(), ..pb::Product::default() };
    let request = pb::BatchUpsertProductsRequest { products: vec![product], request_id: String::new() };
    world.products().batch_upsert_products(request).await.unwrap();
    let lines = vec![pb::OrderLine { name: canary.into(), ..line("GIFT", "1", "1") }];
    let told = pb::Order {
        reference: reference(&format!("{canary}-order")),
        number: canary.into(),
        customer_id: customer_id.clone(),
        payments: vec![payment],
        lines: lines.clone(),
        ..order("")
    };
    world.upsert(vec![told]).await;
    let note = pb::CreditNote {
        reference: reference(&format!("{canary}-note")),
        number: canary.into(),
        customer_id,
        issued_at: moment("2010-12-01T09:41:00Z"),
        currency: "GBP".into(),
        lines,
        ..pb::CreditNote::default()
    };
    let request = pb::BatchUpsertCreditNotesRequest { credit_notes: vec![note], request_id: "canary".into() };
    world.credit_notes().batch_upsert_credit_notes(request).await.unwrap();

    let events = world.events().await;
    let types: std::collections::BTreeSet<_> = events.iter().map(|event| event.aggregate_type.as_str()).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["credit_note", "order", "product"]);
    for event in &events {
        let bytes = event.encode_to_vec();
        assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{event:?}");
    }
    let mut conn = world.database.superuser().await;
    let rows =
        sqlx::query("select row_to_json(j)::text as row from orders.journal j").fetch_all(&mut conn).await.unwrap();
    for row in rows {
        let text: String = row.get("row");
        assert!(!text.contains(canary) && !text.contains(&hex(canary)), "{text}");
    }
}

fn hex(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
