//! Taking back what an import has written.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::RevertOutcome::{Kept, Removed, Restored};
use clientele_contracts::platform::v1::Origin;
use clientele_contracts::platform::v1::UpsertOutcome::{Created, Refused, Updated};
use clientele_kernel::Code;
use clientele_platform::grpc::{self, HEADER_INTEGRATION, HEADER_ORIGIN};
use tonic::Request;

use crate::world::{World, fields, line, moment, money, order, outcomes, reference};

#[tokio::test]
async fn an_order_that_the_import_created_is_removed_with_all_that_belongs_to_it() {
    let world = World::new().await;
    let customer_id = world.customer();
    let named = pb::Order { customer_id: customer_id.clone(), payments: vec![payment("p1", 100)], ..order("1") };
    let written = world.upsert(vec![named.clone()]).await.remove(0);
    assert_eq!(written.version, 1);
    assert_eq!(buyers(&world, std::slice::from_ref(&customer_id)).await, std::slice::from_ref(&customer_id));

    assert_eq!(revert(&world, &[(&written.order_id, 0, 1)]).await, [Removed]);
    let get = pb::GetOrderRequest { id: written.order_id.clone() };
    assert_eq!(grpc::error(world.orders().get_order(get).await.unwrap_err()).code, Code::NotFound);
    assert!(buyers(&world, std::slice::from_ref(&customer_id)).await.is_empty());
    let last = world.events_of(&written.order_id).await.pop().unwrap();
    assert_eq!((last.aggregate_version, last.customer_id), (2, customer_id));
    assert!(last.data.unwrap().type_url.ends_with("clientele.orders.v1.OrderDeleted"));
    assert_eq!(outcomes(&world.upsert(vec![named]).await), [Created], "its references are free again");
}

#[tokio::test]
async fn the_versions_of_orders_are_told_by_their_references_and_the_unknown_left_out() {
    let world = World::new().await;
    let first = world.upsert(vec![order("1")]).await.remove(0);
    world.upsert(vec![pb::Order { lines: vec![line("Z", "3", "4")], ..order("1") }]).await;
    let ask = |ids: &[&str]| pb::FindOrderVersionsRequest {
        references: ids.iter().filter_map(|id| reference(id)).collect(),
        before_versions: Vec::new(),
    };
    let found = world.orders().find_order_versions(ask(&["2", "1"])).await.unwrap().into_inner().orders;
    let known = pb::OrderVersion {
        reference: reference("1"),
        order_id: first.order_id,
        version: 2,
        ..pb::OrderVersion::default()
    };
    assert_eq!(found, std::slice::from_ref(&known));
    let odd = ask(&["", "two\u{2028}lines", "1", &"\u{958}".repeat(200)]);
    assert_eq!(
        world.orders().find_order_versions(odd).await.unwrap().into_inner().orders,
        [known],
        "odd ones have none"
    );
    let refused = world.orders().find_order_versions(ask(&["1"; 501])).await.unwrap_err();
    assert_eq!(fields(&grpc::error(refused)), ["references"]);
}

#[tokio::test]
async fn the_change_after_a_version_is_told_with_where_it_came_from_and_its_label() {
    let world = World::new().await;
    let mut labelled = Request::new(pb::BatchUpsertOrdersRequest { orders: vec![order("1")], ..Default::default() });
    for (name, value) in [(HEADER_ORIGIN, "import"), (HEADER_INTEGRATION, "import-7")] {
        labelled.metadata_mut().insert(name, value.parse().unwrap());
    }
    world.orders().batch_upsert_orders(labelled).await.unwrap();
    world.upsert(vec![pb::Order { status: "completed".into(), ..order("1") }]).await;
    let next = |before| {
        let mut orders = world.orders();
        async move {
            let request = pb::FindOrderVersionsRequest {
                references: vec![reference("1").unwrap()],
                before_versions: vec![before],
            };
            let found = orders.find_order_versions(request).await.unwrap().into_inner().orders.remove(0);
            (found.version, found.next_origin(), found.next_integration)
        }
    };
    assert_eq!(next(0).await, (2, Origin::Import, "import-7".to_owned()));
    assert_eq!(next(1).await, (2, Origin::Api, String::new()));
    assert_eq!(next(2).await, (2, Origin::Unspecified, String::new()), "there is no such change");
    for (befores, field) in [(vec![0, 0], "before_versions"), (vec![-1], "before_versions[0]")] {
        let request =
            pb::FindOrderVersionsRequest { references: vec![reference("1").unwrap()], before_versions: befores };
        let refused = world.orders().find_order_versions(request).await.unwrap_err();
        assert_eq!(fields(&grpc::error(refused)), [field]);
    }
}

#[tokio::test]
async fn an_order_that_the_import_changed_becomes_what_it_was() {
    let world = World::new().await;
    let first = pb::Order {
        lines: vec![
            pb::OrderLine { name: "a lamp".into(), ..line("A", "1", "1") },
            line("B", "2", "2"),
            line("B", "-1", "0.5"),
        ],
        payments: vec![payment("p1", 100)],
        status: "delivering".into(),
        ..order("1")
    };
    let id = world.upsert(vec![first.clone()]).await[0].order_id.clone();
    let record = pb::RecordPaymentRequest {
        order_id: id.clone(),
        payment: Some(pb::Payment { reference: None, paid_at: moment("2011-01-02T00:00:00Z"), ..payment("", 50) }),
        ..Default::default()
    };
    world.orders().record_payment(record).await.unwrap();
    let before = world.order(&id).await;

    let changed = pb::Order {
        lines: vec![line("C", "7", "9")],
        status: "completed".into(),
        payments: Vec::new(),
        ..first.clone()
    };
    let written = world.upsert(vec![changed]).await.remove(0);
    assert_eq!((written.outcome(), written.version), (Updated, 3));
    assert_eq!(revert(&world, &[(&id, 2, 3)]).await, [Restored]);

    let after = world.order(&id).await;
    assert_eq!(after.etag, "4");
    let facts = |order: &pb::Order| {
        let lines: Vec<_> =
            order.lines.iter().map(|l| (l.sku.clone(), l.name.clone(), l.quantity.clone(), l.amount.clone())).collect();
        let payments: Vec<_> =
            order.payments.iter().map(|p| (p.reference.clone(), p.amount.clone(), p.paid_at)).collect();
        (lines, payments, order.status.clone(), order.gross.clone(), order.paid.clone(), order.number.clone())
    };
    assert_eq!(facts(&after), facts(&before));
    assert_eq!(revert(&world, &[(&id, 2, 3)]).await, [Kept], "a second time there is nothing to take back");
}

#[tokio::test]
async fn an_order_whose_payment_is_another_orders_by_now_stays_and_the_others_are_taken_back() {
    let world = World::new().await;
    let paid = pb::Order { payments: vec![payment("p1", 100)], ..order("1") };
    let unpaid = pb::Order { payments: Vec::new(), ..paid.clone() };
    let id = world.upsert(vec![paid]).await[0].order_id.clone();
    let imported = world.upsert(vec![unpaid, order("3")]).await;
    assert_eq!(outcomes(&imported), [Updated, Created]);
    // After the import the payment goes to an order that has nothing to do with it.
    world.upsert(vec![pb::Order { payments: vec![payment("p1", 100)], ..order("2") }]).await;

    assert_eq!(revert(&world, &[(&id, 1, 2), (&imported[1].order_id, 0, 1)]).await, [Kept, Removed]);
    let kept = world.order(&id).await;
    assert_eq!((kept.etag.as_str(), kept.payments.len()), ("2", 0));
}

#[tokio::test]
async fn payments_that_an_import_moved_from_order_to_order_go_back_to_where_they_were() {
    let world = World::new().await;
    let with = |order: pb::Order, payments: &[&str]| pb::Order {
        payments: payments.iter().map(|external_id| payment(external_id, 100)).collect(),
        ..order
    };
    let before = world.upsert(vec![with(order("1"), &["p1"]), with(order("2"), &["p2"])]).await;
    let (first, second) = (before[0].order_id.clone(), before[1].order_id.clone());
    world.upsert(vec![with(order("1"), &[]), with(order("2"), &["p2"])]).await;
    let moved = world.upsert(vec![with(order("2"), &["p1"]), with(order("3"), &["p2"])]).await;
    assert_eq!(outcomes(&moved), [Updated, Refused], "p2 was still that of order 2 when the batch began");
    let third = world.upsert(vec![with(order("3"), &["p2"])]).await.remove(0).order_id;

    let all = [(first.as_str(), 1, 2), (&second, 1, 2), (&third, 0, 1)];
    assert_eq!(revert(&world, &all).await, [Restored, Restored, Removed]);
    for (id, wanted) in [(&first, "p1"), (&second, "p2")] {
        let payments = world.order(id).await.payments;
        let references: Vec<_> = payments.into_iter().map(|p| p.reference.unwrap().external_id).collect();
        assert_eq!(references, [wanted]);
    }
}

#[tokio::test]
async fn an_order_is_not_restored_while_one_that_stays_has_its_payment() {
    let world = World::new().await;
    let with = |order: pb::Order, payments: &[&str]| pb::Order {
        payments: payments.iter().map(|external_id| payment(external_id, 100)).collect(),
        ..order
    };
    let before = world.upsert(vec![with(order("1"), &["p1"]), with(order("2"), &["p2"])]).await;
    let (first, second) = (before[0].order_id.clone(), before[1].order_id.clone());
    world.upsert(vec![with(order("1"), &[]), with(order("2"), &[])]).await;
    world.upsert(vec![with(order("2"), &["p1"])]).await;
    // Order 2 would give up p1, but it cannot have p2 again, and so stays.
    world.upsert(vec![with(order("3"), &["p2"])]).await;
    assert_eq!(revert(&world, &[(&first, 1, 2), (&second, 1, 3)]).await, [Kept, Kept]);
    assert_eq!(world.order(&second).await.etag, "3");
}

#[tokio::test]
async fn what_anything_else_has_touched_since_stays() {
    let world = World::new().await;
    let written = world.upsert(vec![order("1"), order("2"), order("3")]).await;
    let ids: Vec<String> = written.iter().map(|result| result.order_id.clone()).collect();
    let status = pb::ChangeOrderStatusRequest { id: ids[0].clone(), status: "completed".into(), ..Default::default() };
    world.orders().change_order_status(status).await.unwrap();
    let note = pb::CreditNote {
        reference: reference("n1"),
        order_id: ids[1].clone(),
        issued_at: moment("2011-02-01T00:00:00Z"),
        currency: "GBP".into(),
        lines: vec![line("85123A", "1", "1")],
        ..Default::default()
    };
    let request = pb::BatchUpsertCreditNotesRequest { credit_notes: vec![note], ..Default::default() };
    world.credit_notes().batch_upsert_credit_notes(request).await.unwrap();
    let nobody = world.database.ids.next::<clientele_kernel::OrderId>().to_string();
    let all = [(ids[0].as_str(), 0, 1), (&ids[1], 0, 1), (&ids[2], 0, 1), (&nobody, 0, 1)];
    assert_eq!(revert(&world, &all).await, [Kept, Kept, Removed, Kept]);
    assert_eq!(world.order(&ids[0]).await.status, "completed");
}

#[tokio::test]
async fn a_trial_says_what_a_batch_would_do_and_writes_nothing() {
    let world = World::new().await;
    let known = world.upsert(vec![order("1"), order("2")]).await;
    let events = world.events().await;
    let batch = vec![
        order("1"),
        pb::Order { number: "other".into(), ..order("2") },
        pb::Order { lines: vec![line("NEW", "1", "1")], ..order("3") },
        pb::Order { currency: "XYZ".into(), ..order("4") },
    ];
    let request =
        pb::BatchUpsertOrdersRequest { orders: batch.clone(), validate_only: true, request_id: "once".into() };
    let trial = world.orders().batch_upsert_orders(request).await.unwrap().into_inner().results;
    let ids: Vec<&str> = trial.iter().map(|result| result.order_id.as_str()).collect();
    assert_eq!(ids, [known[0].order_id.as_str(), &known[1].order_id, "", ""]);
    assert_eq!(world.events().await, events);
    let real = pb::BatchUpsertOrdersRequest { orders: batch, validate_only: false, request_id: "once".into() };
    let real = world.orders().batch_upsert_orders(real).await.unwrap().into_inner().results;
    assert_eq!(outcomes(&real), outcomes(&trial), "the trial has not used up the request's id");
}

#[tokio::test]
async fn a_revert_names_what_is_wrong_with_it() {
    let world = World::new().await;
    let id = world.upsert(vec![order("1")]).await[0].order_id.clone();
    let refused = |orders: Vec<pb::RevertOrder>| {
        let mut client = world.orders();
        async move {
            let request = pb::BatchRevertOrdersRequest { orders, ..Default::default() };
            grpc::error(client.batch_revert_orders(request).await.unwrap_err())
        }
    };
    let entry = |order_id: &str, before_version, version| pb::RevertOrder {
        order_id: order_id.into(),
        before_version,
        version,
    };
    assert_eq!(fields(&refused(Vec::new()).await), ["orders"]);
    assert_eq!(fields(&refused(vec![entry("7", 0, 1)]).await), ["orders[0].order_id"]);
    assert_eq!(fields(&refused(vec![entry(&id, 2, 2)]).await), ["orders[0]"]);
    assert_eq!(fields(&refused(vec![entry(&id, 0, 1), entry(&id, 0, 1)]).await), ["orders[1].order_id"]);
    assert_eq!(world.order(&id).await.etag, "1");
}

fn payment(external_id: &str, minor: i64) -> pb::Payment {
    pb::Payment {
        reference: reference(external_id),
        method: "card".into(),
        amount: money(minor, "GBP"),
        paid_at: moment("2011-01-01T00:00:00Z"),
        ..Default::default()
    }
}

async fn revert(world: &World, orders: &[(&str, i64, i64)]) -> Vec<pb::RevertOutcome> {
    let entry = |&(order_id, before_version, version): &(&str, i64, i64)| pb::RevertOrder {
        order_id: order_id.to_owned(),
        before_version,
        version,
    };
    let request = pb::BatchRevertOrdersRequest { orders: orders.iter().map(entry).collect(), ..Default::default() };
    world.orders().batch_revert_orders(request).await.unwrap().into_inner().outcomes().collect()
}

async fn buyers(world: &World, ids: &[String]) -> Vec<String> {
    let request = pb::FindBuyersRequest { customer_ids: ids.to_vec() };
    world.orders().find_buyers(request).await.unwrap().into_inner().customer_ids
}
