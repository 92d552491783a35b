//! Orders many at once, as a source knows them.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::LineKind::{Adjustment, Free, Sale};
use clientele_contracts::platform::v1::UpsertOutcome::{Created, Refused, Unchanged, Updated};
use clientele_kernel::Code;
use clientele_platform::grpc;

use crate::world::{World, fields, fields_of, line, money, order, outcomes, reason, reference};

#[tokio::test]
async fn the_same_batch_again_changes_nothing() {
    let world = World::new().await;
    let customer_id = world.customer();
    let named = pb::Order { customer_id, ..order("1") };
    let batch = vec![named, order("2")];
    assert_eq!(outcomes(&world.upsert(batch.clone()).await), [Created, Created]);
    let events = world.events().await;
    assert_eq!(outcomes(&world.upsert(batch.clone()).await), [Unchanged, Unchanged]);
    let spelled = batch.into_iter().map(|mut order| {
        order.lines[0].unit_price = "2.5500".into();
        order
    });
    assert_eq!(outcomes(&world.upsert(spelled.collect()).await), [Unchanged, Unchanged]);
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn an_order_of_which_the_source_says_something_else_gets_a_new_version_and_keeps_the_ids_of_its_lines() {
    let world = World::new().await;
    let first = pb::Order { lines: vec![line("A", "1", "1"), line("B", "2", "2")], ..order("1") };
    let id = world.upsert(vec![first.clone()]).await[0].order_id.clone();
    let before = world.order(&id).await;
    let changed = pb::Order { lines: vec![line("C", "1", "9.99"), line("A", "5", "1"), line("B", "2", "2")], ..first };
    let results = world.upsert(vec![changed]).await;
    assert_eq!((results[0].outcome(), &results[0].order_id), (Updated, &id));
    let after = world.order(&id).await;
    assert_eq!((after.etag.as_str(), after.gross.clone(), after.line_count), ("2", money(1899, "GBP"), 3));
    assert_eq!(after.lines[1].id, before.lines[0].id, "the line of product A is the same line");
    assert_eq!(after.lines[2].id, before.lines[1].id);
    assert_eq!(after.created_at, before.created_at);
    let versions: Vec<_> = world.events_of(&id).await.iter().map(|event| event.aggregate_version).collect();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn wrong_entries_are_refused_one_by_one_and_leave_no_trace() {
    let world = World::new().await;
    let nobody = world.database.ids.next::<clientele_kernel::CustomerId>().to_string();
    let with_lines = |lines| pb::Order { lines, ..order("wrong") };
    let results = world
        .upsert(vec![
            with_lines(vec![line("X", "1", "1"), line("X", "1", "1"), line("X", "NaN", "1")]),
            order("right"),
            order("right"),
            pb::Order { reference: None, ..order("") },
            pb::Order { reference: reference("2"), customer_id: nobody, lines: vec![line("Y", "1", "1")], ..order("") },
            pb::Order {
                reference: reference("3"),
                status: "flying".into(),
                lines: vec![line("Z", "1", "1")],
                ..order("")
            },
            pb::Order { reference: reference("4"), placed_at: None, currency: "XYZ".into(), ..order("") },
        ])
        .await;
    assert_eq!(outcomes(&results), [Refused, Created, Refused, Refused, Refused, Refused, Refused]);
    assert_eq!(fields_of(&results[0]), ["lines[2].quantity"]);
    assert_eq!(fields_of(&results[2]), ["reference"], "the reference came before in the batch");
    assert_eq!(fields_of(&results[3]), ["reference", "lines[0].product_id"]);
    assert_eq!(fields_of(&results[4]), ["customer_id"]);
    assert_eq!(fields_of(&results[5]), ["status"]);
    assert_eq!(fields_of(&results[6]), ["placed_at", "currency"]);
    let products =
        world.products().list_products(pb::ListProductsRequest::default()).await.unwrap().into_inner().products;
    let skus: Vec<_> = products.iter().map(|product| product.sku.as_str()).collect();
    assert_eq!(skus, ["85123A"], "a refused entry adds nothing to the catalogue");
}

#[tokio::test]
async fn the_size_of_a_batch_is_bounded() {
    let world = World::new().await;
    let many = (0..501).map(|n| order(&n.to_string())).collect();
    assert_eq!(fields(&world.try_upsert(many).await.unwrap_err()), ["orders"]);
    assert_eq!(fields(&world.try_upsert(Vec::new()).await.unwrap_err()), ["orders"]);
    let long = |n: i32| pb::Order { lines: vec![line("A", "1", "1"); 2000], ..order(&n.to_string()) };
    assert_eq!(fields(&world.try_upsert((0..11).map(long).collect()).await.unwrap_err()), ["orders"]);
}

#[tokio::test]
async fn the_kinds_of_lines_follow_the_written_rule() {
    let world = World::new().await;
    let lines = vec![line("S", "6", "2.55"), line("F", "1", "0"), line("W", "-2", "0"), line("B", "1", "-11062.06")];
    let id = world.upsert(vec![pb::Order { lines, ..order("1") }]).await[0].order_id.clone();
    let order = world.order(&id).await;
    let kinds: Vec<_> = order.lines.iter().map(pb::OrderLine::kind).collect();
    assert_eq!(kinds, [Sale, Free, Adjustment, Adjustment]);
    assert_eq!((order.gross, order.adjustment), (money(1530, "GBP"), money(-1_106_206, "GBP")));
}

#[tokio::test]
async fn writers_of_the_same_reference_at_once_make_one_order() {
    let world = World::new().await;
    let batch = |first: usize| (0..20).map(|n| order(&format!("{:02}", (first + n) % 20))).collect::<Vec<_>>();
    let all = futures_of((0..6).map(|first| world.upsert(batch(first * 3)))).await;
    let mut outcomes: Vec<_> = all.iter().flat_map(|results| outcomes(results)).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Created).count(), 20);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Unchanged).count(), 100);
    let mut ids: Vec<_> = all.iter().flatten().map(|result| result.order_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    let orders = world.events().await.into_iter().filter(|event| event.aggregate_type == "order").count();
    assert_eq!(orders, 20);
}

#[tokio::test]
async fn writers_of_different_content_at_once_give_one_version_after_the_other() {
    let world = World::new().await;
    let said = |n: usize| vec![pb::Order { number: n.to_string(), ..order("1") }];
    let all = futures_of((0..6).map(|n| world.upsert(said(n)))).await;
    let id = all[0][0].order_id.clone();
    assert!(all.iter().all(|results| results[0].order_id == id));
    let versions: Vec<_> = world.events_of(&id).await.iter().map(|event| event.aggregate_version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.order(&id).await.lines.len(), 1);
}

async fn futures_of<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut work: Vec<_> = work.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (work, done) in work.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = work.as_mut().poll(cx) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_status_given_here_stays_until_the_source_says_something_else() {
    let world = World::new().await;
    let said = pb::Order { status: "delivering".into(), ..order("1") };
    let id = world.upsert(vec![said.clone()]).await[0].order_id.clone();
    let request = pb::ChangeOrderStatusRequest { id: id.clone(), status: "completed".into(), ..Default::default() };
    world.orders().change_order_status(request).await.unwrap();
    assert_eq!(outcomes(&world.upsert(vec![said.clone()]).await), [Unchanged]);
    assert_eq!(world.order(&id).await.status, "completed");
    let silent = pb::Order { status: String::new(), number: "7".into(), ..said.clone() };
    assert_eq!(outcomes(&world.upsert(vec![silent]).await), [Updated]);
    assert_eq!(world.order(&id).await.status, "completed", "a status left out stays");
    assert_eq!(outcomes(&world.upsert(vec![said]).await), [Updated]);
    assert_eq!(world.order(&id).await.status, "delivering");
}

#[tokio::test]
async fn a_customer_can_be_added_to_an_order_but_not_exchanged() {
    let world = World::new().await;
    let (one, other) = (world.customer(), world.customer());
    let of = |customer_id: &str| vec![pb::Order { customer_id: customer_id.into(), ..order("1") }];
    let id = world.upsert(of("")).await[0].order_id.clone();
    assert_eq!(outcomes(&world.upsert(of(&one)).await), [Updated]);
    assert_eq!(outcomes(&world.upsert(of("")).await), [Unchanged], "leaving the customer out says nothing");
    let refused = world.upsert(of(&other)).await;
    assert_eq!(fields_of(&refused[0]), ["customer_id"]);
    assert_eq!(world.order(&id).await.customer_id, one);
    let customers: Vec<_> = world.events_of(&id).await.into_iter().map(|event| event.customer_id).collect();
    assert_eq!(customers, [String::new(), one]);
}

#[tokio::test]
async fn payments_recorded_here_stay_when_the_source_gives_its_own() {
    let world = World::new().await;
    let payment = |external_id: &str, minor| pb::Payment {
        reference: reference(external_id),
        amount: money(minor, "GBP"),
        ..pb::Payment::default()
    };
    let with = |payments| vec![pb::Order { payments, ..order("1") }];
    let id = world.upsert(with(vec![payment("a", 100), payment("b", 200)])).await[0].order_id.clone();
    let before = world.order(&id).await;
    let here = pb::Payment { reference: None, ..payment("", 7) };
    let request = pb::RecordPaymentRequest { order_id: id.clone(), payment: Some(here), request_id: String::new() };
    world.orders().record_payment(request).await.unwrap();
    assert_eq!(outcomes(&world.upsert(with(vec![payment("b", 250)])).await), [Updated]);
    let after = world.order(&id).await;
    assert_eq!((after.paid.clone(), after.payments.len()), (money(257, "GBP"), 2));
    let id_of = |order: &pb::Order, external_id: &str| {
        order
            .payments
            .iter()
            .find(|payment| payment.reference == reference(external_id))
            .map(|payment| payment.id.clone())
    };
    assert_eq!(id_of(&after, "b"), id_of(&before, "b"));
    let thief = pb::Order { payments: vec![payment("b", 250)], ..order("2") };
    assert_eq!(fields_of(&world.upsert(vec![thief]).await[0]), ["payments[0].reference"]);
    let mut euros = with(vec![pb::Payment { amount: money(1, "EUR"), ..payment("b", 1) }]);
    euros[0].currency = "EUR".into();
    assert_eq!(fields_of(&world.upsert(euros).await[0]), ["currency"], "the payment made here is in GBP");
}

#[tokio::test]
async fn amounts_that_would_break_the_sums_of_others_are_refused() {
    let world = World::new().await;
    let with = |lines| pb::Order { lines, ..order("1") };
    let paid = |amounts: &[i64]| {
        let payment = |minor: &i64| pb::Payment { amount: money(*minor, "GBP"), ..pb::Payment::default() };
        pb::Order { payments: amounts.iter().map(payment).collect(), ..order("1") }
    };
    let most = 100_000_000_000_000;
    for (absurd, field) in [
        (with(vec![line("A", "90000", "1000000000000")]), "lines[0].unit_price"),
        (with(vec![line("A", "-90000", "1000000000000")]), "lines[0].unit_price"),
        (with(vec![line("A", "1", "1000000000000"), line("A", "1", "0.01")]), "lines"),
        (with(vec![line("A", "-1", "1000000000000"), line("A", "-1", "0.01")]), "lines"),
        (paid(&[most + 1]), "payments[0].amount.minor"),
        (paid(&[most, 1]), "payments"),
    ] {
        assert_eq!(fields_of(&world.upsert(vec![absurd]).await[0]), [field]);
    }
    let largest = pb::Order { lines: vec![line("A", "1", "1000000000000")], ..paid(&[most]) };
    let id = world.upsert(vec![largest]).await[0].order_id.clone();
    let payment = pb::Payment { amount: money(1, "GBP"), ..pb::Payment::default() };
    let request = pb::RecordPaymentRequest { order_id: id.clone(), payment: Some(payment), request_id: String::new() };
    let error = world.orders().record_payment(request).await.map_err(grpc::error).unwrap_err();
    assert_eq!(fields(&error), ["payment.amount"]);
    assert_eq!(world.order(&id).await.gross, money(most, "GBP"));
}

#[tokio::test]
async fn mixed_currencies_are_refused() {
    let world = World::new().await;
    let payment = pb::Payment { amount: money(1, "EUR"), ..pb::Payment::default() };
    let results = world.upsert(vec![pb::Order { payments: vec![payment], ..order("1") }]).await;
    assert_eq!(fields_of(&results[0]), ["payments[0].amount.currency"]);
}

#[tokio::test]
async fn the_same_number_from_two_sources_is_two_orders() {
    let world = World::new().await;
    let mut other = order("1");
    other.reference.as_mut().unwrap().source = "erp.es".into();
    assert_eq!(outcomes(&world.upsert(vec![order("1"), other]).await), [Created, Created]);
    let products =
        world.products().list_products(pb::ListProductsRequest::default()).await.unwrap().into_inner().products;
    assert_eq!(products.len(), 2, "a SKU means something within its source only");
}

#[tokio::test]
async fn a_batch_with_a_request_id_is_done_once() {
    let world = World::new().await;
    let request =
        pb::BatchUpsertOrdersRequest { orders: vec![order("1")], request_id: "batch-1".into(), ..Default::default() };
    let first = world.orders().batch_upsert_orders(request.clone()).await.unwrap().into_inner();
    let again = world.orders().batch_upsert_orders(request).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(outcomes(&again.results), [Created], "the answer of the first time");
    let other =
        pb::BatchUpsertOrdersRequest { orders: vec![order("2")], request_id: "batch-1".into(), ..Default::default() };
    let error = world.orders().batch_upsert_orders(other).await.map_err(grpc::error).unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
}
