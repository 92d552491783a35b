//! Orders made here, moved from status to status, paid.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::orders_client::OrdersClient;
use clientele_kernel::{Code, Error};
use clientele_platform::grpc;

use crate::world::{World, fields, line, moment, money, order, reason, reference};

async fn create(world: &World, order: pb::Order, request_id: &str) -> Result<pb::Order, Error> {
    let request = pb::CreateOrderRequest { order: Some(order), request_id: request_id.into() };
    world.orders().create_order(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
}

async fn pay(world: &World, order_id: &str, payment: pb::Payment, request_id: &str) -> Result<pb::Order, Error> {
    let request =
        pb::RecordPaymentRequest { order_id: order_id.into(), payment: Some(payment), request_id: request_id.into() };
    world.orders().record_payment(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
}

async fn change_status(world: &World, id: &str, status: &str, etag: &str) -> Result<pb::Order, Error> {
    let request = pb::ChangeOrderStatusRequest {
        id: id.into(),
        status: status.into(),
        etag: etag.into(),
        request_id: String::new(),
    };
    world.orders().change_order_status(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
}

/// The id of a product that the catalogue has.
async fn product(world: &World) -> String {
    let results = world.upsert(vec![order("for its product")]).await;
    world.order(&results[0].order_id).await.lines[0].product_id.clone()
}

/// An order made here for nobody known.
fn anonymous() -> pb::Order {
    pb::Order { reference: None, ..order("") }
}

/// An order made here, of one product.
async fn made_here(world: &World) -> pb::Order {
    let line = pb::OrderLine { product_id: product(world).await, sku: String::new(), ..line("", "3", "0.005") };
    pb::Order { reference: None, customer_id: world.customer(), lines: vec![line], ..order("") }
}

#[tokio::test]
async fn an_order_made_here_gets_a_number_the_first_status_and_exact_amounts() {
    let world = World::new().await;
    let created = create(&world, made_here(&world).await, "").await.unwrap();
    assert_eq!((created.number.as_str(), created.status.as_str()), ("1001", "new"));
    assert_eq!(created.status_group(), pb::StatusGroup::New);
    assert_eq!(created.gross, money(2, "GBP"), "3 times 0.005 is 0.015, and half goes to the even cent");
    assert_eq!(created.lines[0].kind(), pb::LineKind::Sale);
    assert_eq!(created.etag, "1");
    assert_eq!(world.order(&created.id).await, created, "what is read is what was answered");
}

#[tokio::test]
async fn amounts_follow_the_minor_unit_of_the_currency() {
    let world = World::new().await;
    for (currency, minor) in [("JPY", 4), ("EUR", 350), ("KWD", 3500)] {
        let mut order = made_here(&world).await;
        order.currency = currency.into();
        order.lines[0].quantity = "1".into();
        order.lines[0].unit_price = "3.5".into();
        assert_eq!(create(&world, order, "").await.unwrap().gross, money(minor, currency));
    }
}

#[tokio::test]
async fn all_that_an_order_names_wrongly_is_told_at_once() {
    let world = World::new().await;
    let unknown = world.database.ids.next::<clientele_kernel::CustomerId>().to_string();
    let order = pb::Order { customer_id: unknown.clone(), status: "flying".into(), ..order("1") };
    let error = create(&world, order, "").await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(fields(&error), ["order.customer_id", "order.status", "order.lines[0].sku"]);
    let by_id = pb::OrderLine { product_id: unknown, ..line("", "1", "1") };
    let order = pb::Order { lines: vec![by_id], ..anonymous() };
    assert_eq!(fields(&create(&world, order, "").await.unwrap_err()), ["order.lines[0].product_id"]);
}

#[tokio::test]
async fn hostile_numbers_and_texts_are_refused_with_their_paths() {
    let world = World::new().await;
    let product_id = product(&world).await;
    let refused = async |quantity: &str, unit_price: &str, name: &str| {
        let line =
            pb::OrderLine { product_id: product_id.clone(), name: name.into(), ..line("", quantity, unit_price) };
        let order = pb::Order { lines: vec![line], ..anonymous() };
        let error = create(&world, order, "").await.unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        fields(&error).join(" ")
    };
    for quantity in ["", "0", "NaN", "1e9", "0.0001", "99999999999", "-", "∞", "1\u{0}"] {
        assert_eq!(refused(quantity, "1", "").await, "order.lines[0].quantity", "{quantity}");
    }
    for price in ["", "Infinity", "0.0000001", "1000000000001", "0x1"] {
        assert_eq!(refused("1", price, "").await, "order.lines[0].unit_price", "{price}");
    }
    assert_eq!(refused("1000000000", "999999999999", "").await, "order.lines[0].unit_price", "64 bits overflow");
    assert_eq!(refused("1", "1", "a\u{0}b").await, "order.lines[0].name");
    assert_eq!(refused("1", "1", &"x".repeat(1_000_000)).await, "order.lines[0].name");
}

#[tokio::test]
async fn two_thousand_lines_are_an_order_and_one_more_is_none() {
    let world = World::new().await;
    let product_id = product(&world).await;
    let of = |count: usize| {
        let line = pb::OrderLine { product_id: product_id.clone(), name: String::new(), ..line("", "1", "0.01") };
        pb::Order { lines: vec![line; count], ..anonymous() }
    };
    let created = create(&world, of(2000), "").await.unwrap();
    assert_eq!((created.line_count, created.gross.clone()), (2000, money(2000, "GBP")));
    assert_eq!(world.order(&created.id).await.lines.len(), 2000);
    assert_eq!(fields(&create(&world, of(2001), "").await.unwrap_err()), ["order.lines"]);
}

#[tokio::test]
async fn the_same_request_id_creates_one_order_and_refuses_another_request() {
    let world = World::new().await;
    let wanted = made_here(&world).await;
    let first = create(&world, wanted.clone(), "key-1").await.unwrap();
    assert_eq!(create(&world, wanted.clone(), "key-1").await.unwrap(), first);
    assert_eq!(world.events_of(&first.id).await.len(), 1);
    let other = create(&world, pb::Order { number: "7".into(), ..wanted }, "key-1").await.unwrap_err();
    assert_eq!((other.code, reason(&other)), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
}

#[tokio::test]
async fn a_reference_that_is_taken_is_refused() {
    let world = World::new().await;
    let mut wanted = made_here(&world).await;
    wanted.reference = reference("1");
    create(&world, wanted.clone(), "").await.unwrap();
    let error = create(&world, wanted, "").await.unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::AlreadyExists, "ORDER_REFERENCE_TAKEN"));
}

#[tokio::test]
async fn a_status_is_moved_by_who_saw_the_present_version() {
    let world = World::new().await;
    let created = create(&world, made_here(&world).await, "").await.unwrap();
    let moved = change_status(&world, &created.id, "completed", &created.etag).await.unwrap();
    assert_eq!((moved.status_group(), moved.etag.as_str()), (pb::StatusGroup::Completed, "2"));
    assert_eq!(moved.lines, created.lines);
    let late = change_status(&world, &created.id, "cancelled", &created.etag).await.unwrap_err();
    assert_eq!((late.code, reason(&late)), (Code::Aborted, "ETAG_MISMATCH"));
    let again = change_status(&world, &created.id, "completed", "").await.unwrap();
    assert_eq!(again, moved, "a status it has already is no change");
    assert_eq!(world.events_of(&created.id).await.len(), 2);
    assert_eq!(fields(&change_status(&world, &created.id, "flying", "").await.unwrap_err()), ["status"]);
}

#[tokio::test]
async fn of_two_who_move_a_status_at_once_one_wins() {
    let world = World::new().await;
    let created = create(&world, made_here(&world).await, "").await.unwrap();
    let (a, b) = tokio::join!(
        change_status(&world, &created.id, "completed", "1"),
        change_status(&world, &created.id, "cancelled", "1"),
    );
    let lost = match (a, b) {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        other => panic!("one wins and one loses, not {other:?}"),
    };
    assert_eq!(lost.code, Code::Aborted);
    assert_eq!(world.order(&created.id).await.etag, "2");
}

#[tokio::test]
async fn payments_add_up_and_a_reference_pays_once() {
    let world = World::new().await;
    let created = create(&world, made_here(&world).await, "").await.unwrap();
    let payment = |external_id: &str, minor| pb::Payment {
        reference: reference(external_id),
        method: "card".into(),
        amount: money(minor, "GBP"),
        paid_at: moment("2010-12-02T10:00:00Z"),
        ..pb::Payment::default()
    };
    let paid = pay(&world, &created.id, payment("p1", 100), "key").await.unwrap();
    assert_eq!(
        pay(&world, &created.id, payment("p1", 100), "key").await.unwrap(),
        paid,
        "the same request, the same answer"
    );
    let twice = pay(&world, &created.id, payment("p1", 100), "").await.unwrap_err();
    assert_eq!((twice.code, reason(&twice)), (Code::AlreadyExists, "PAYMENT_REFERENCE_TAKEN"));
    let paid = pay(&world, &created.id, pb::Payment { reference: None, ..payment("", 50) }, "").await.unwrap();
    assert_eq!((paid.paid.clone(), paid.payments.len()), (money(150, "GBP"), 2));
    assert_eq!(world.order(&created.id).await, paid);
    assert_eq!(world.events_of(&created.id).await.len(), 3);
}

#[tokio::test]
async fn a_payment_has_the_currency_of_the_order_and_is_above_zero() {
    let world = World::new().await;
    let created = create(&world, made_here(&world).await, "").await.unwrap();
    let refused = async |amount| {
        let payment = pb::Payment { amount, ..pb::Payment::default() };
        let error = pay(&world, &created.id, payment, "").await.unwrap_err();
        fields(&error).join(" ")
    };
    assert_eq!(refused(money(100, "EUR")).await, "payment.amount.currency");
    assert_eq!(refused(money(-1, "GBP")).await, "payment.amount.minor");
    assert_eq!(refused(None).await, "payment.amount");
    assert_eq!(world.order(&created.id).await.etag, "1");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_no_id_is_refused() {
    let world = World::new().await;
    let nobody = world.database.ids.next::<clientele_kernel::OrderId>().to_string();
    assert_eq!(change_status(&world, &nobody, "completed", "").await.unwrap_err().code, Code::NotFound);
    assert_eq!(pay(&world, &nobody, pb::Payment::default(), "").await.unwrap_err().code, Code::NotFound);
    let error =
        world.orders().get_order(pb::GetOrderRequest { id: "1".into() }).await.map_err(grpc::error).unwrap_err();
    assert_eq!(fields(&error), ["id"]);
    let ids = vec![nobody; 501];
    let error = world.orders().batch_get_orders(pb::BatchGetOrdersRequest { ids }).await.map_err(grpc::error);
    assert_eq!(fields(&error.unwrap_err()), ["ids"]);
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let world = World::new().await;
    let mut reader = OrdersClient::new(world.harness.client("orders", &["orders.order.read"]));
    assert!(reader.list_orders(pb::ListOrdersRequest::default()).await.is_ok());
    let refused = reader.create_order(pb::CreateOrderRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let mut nobody = OrdersClient::new(world.harness.anonymous("orders"));
    let refused = nobody.list_orders(pb::ListOrdersRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}
