//! Credit notes: linked to an order or to none.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::platform::v1::UpsertOutcome::{self, Created, Refused, Unchanged, Updated};
use clientele_kernel::{Code, Partition};
use clientele_platform::{event, grpc, postgres::journal};
use prost::Message;
use sqlx::Connection;

use crate::world::{World, fields, line, moment, money, order, reason, reference};

/// A credit note over 27.50 GBP for no order in particular.
fn note(external_id: &str) -> pb::CreditNote {
    pb::CreditNote {
        reference: reference(external_id),
        issued_at: moment("2010-12-01T09:41:00Z"),
        currency: "GBP".into(),
        lines: vec![line("D", "1", "27.50")],
        ..pb::CreditNote::default()
    }
}

/// The same for an order.
fn note_for(external_id: &str, order_id: &str, pounds: &str) -> pb::CreditNote {
    pb::CreditNote { order_id: order_id.into(), lines: vec![line("D", "1", pounds)], ..note(external_id) }
}

async fn upsert(world: &World, credit_notes: Vec<pb::CreditNote>) -> Vec<pb::UpsertCreditNoteResult> {
    let request = pb::BatchUpsertCreditNotesRequest { credit_notes, request_id: String::new() };
    world.credit_notes().batch_upsert_credit_notes(request).await.unwrap().into_inner().results
}

fn outcomes(results: &[pb::UpsertCreditNoteResult]) -> Vec<UpsertOutcome> {
    results.iter().map(pb::UpsertCreditNoteResult::outcome).collect()
}

fn fields_of(result: &pb::UpsertCreditNoteResult) -> Vec<&str> {
    assert_eq!(result.outcome(), Refused);
    result.violations.iter().map(|violation| violation.field.as_str()).collect()
}

async fn read(world: &World, id: &str) -> pb::CreditNote {
    world.credit_notes().get_credit_note(pb::GetCreditNoteRequest { id: id.to_owned() }).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_credit_note_for_no_order_stands_on_its_own_date() {
    let world = World::new().await;
    let customer_id = world.customer();
    let named = pb::CreditNote { customer_id: customer_id.clone(), ..note("C536379") };
    let batch = vec![named, note("C536383")];
    let results = upsert(&world, batch.clone()).await;
    assert_eq!(outcomes(&results), [Created, Created]);
    let events = world.events().await;
    assert_eq!(outcomes(&upsert(&world, batch).await), [Unchanged, Unchanged]);
    assert_eq!(world.events().await, events);
    let note = read(&world, &results[0].credit_note_id).await;
    assert_eq!((note.total.clone(), note.number.as_str(), note.etag.as_str()), (money(2750, "GBP"), "C536379", "1"));
    assert_eq!(note.lines[0].kind(), pb::LineKind::Unspecified);
    let event = world.events_of(&note.id).await.remove(0);
    assert_eq!((event.customer_id, event.occurred_at), (customer_id, moment("2010-12-01T09:41:00Z")));
}

#[tokio::test]
async fn a_changed_credit_note_gets_a_new_version_and_keeps_its_customer() {
    let world = World::new().await;
    let (one, other) = (world.customer(), world.customer());
    let of = |customer_id: &str, price: &str| {
        vec![pb::CreditNote { customer_id: customer_id.into(), lines: vec![line("D", "1", price)], ..note("C1") }]
    };
    let id = upsert(&world, of("", "1")).await[0].credit_note_id.clone();
    let before = read(&world, &id).await;
    assert_eq!(outcomes(&upsert(&world, of(&one, "2")).await), [Updated]);
    assert_eq!(fields_of(&upsert(&world, of(&other, "2")).await[0]), ["customer_id"]);
    assert_eq!(outcomes(&upsert(&world, of("", "2")).await), [Unchanged]);
    let after = read(&world, &id).await;
    assert_eq!(
        (after.etag.as_str(), after.customer_id.as_str(), after.total.clone()),
        ("2", one.as_str(), money(200, "GBP"))
    );
    assert_eq!(after.lines[0].id, before.lines[0].id);
}

#[tokio::test]
async fn a_linked_note_has_the_customer_and_currency_of_its_order_and_gives_back_no_more_than_was_sold() {
    let world = World::new().await;
    let (one, other) = (world.customer(), world.customer());
    let sold = world.upsert(vec![pb::Order { customer_id: one.clone(), ..order("1") }]).await[0].order_id.clone();
    let nowhere = world.database.ids.next::<clientele_kernel::OrderId>().to_string();
    let results = upsert(
        &world,
        vec![
            note_for("C1", &sold, "10.00"),
            note_for("C2", &sold, "5.31"),
            pb::CreditNote { customer_id: other, ..note_for("C3", &sold, "1") },
            pb::CreditNote { currency: "EUR".into(), ..note_for("C4", &sold, "1") },
            note_for("C5", &nowhere, "1"),
            note_for("C6", &sold, "5.30"),
        ],
    )
    .await;
    assert_eq!(outcomes(&results), [Created, Refused, Refused, Refused, Refused, Created]);
    assert_eq!(fields_of(&results[1]), ["order_id"], "15.30 was sold and 10.00 went back");
    assert_eq!(fields_of(&results[2]), ["customer_id"]);
    assert_eq!(fields_of(&results[3]), ["currency"]);
    assert_eq!(fields_of(&results[4]), ["order_id"]);
    assert_eq!(read(&world, &results[0].credit_note_id).await.customer_id, one, "a note has the customer of its order");
    let again = upsert(&world, vec![note_for("C1", &sold, "10.00"), note_for("C6", &sold, "5.30")]).await;
    assert_eq!(outcomes(&again), [Unchanged, Unchanged]);
    let less = upsert(&world, vec![note_for("C1", &sold, "9.00")]).await;
    assert_eq!(outcomes(&less), [Updated], "what a note gave back before is not counted against it");
    let more = upsert(&world, vec![note_for("C1", &sold, "10.01")]).await;
    assert_eq!(fields_of(&more[0]), ["order_id"]);
}

#[tokio::test]
async fn notes_written_at_once_do_not_give_back_the_same_money_twice() {
    let world = World::new().await;
    let sold = world.upsert(vec![order("1")]).await[0].order_id.clone();
    let (a, b) = tokio::join!(
        upsert(&world, vec![note_for("C1", &sold, "10")]),
        upsert(&world, vec![note_for("C2", &sold, "10")]),
    );
    let mut outcomes = [outcomes(&a), outcomes(&b)].concat();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [Created, Refused]);
}

#[tokio::test]
async fn an_order_with_credit_notes_keeps_its_currency() {
    let world = World::new().await;
    let sold = world.upsert(vec![order("1")]).await[0].order_id.clone();
    upsert(&world, vec![note_for("C1", &sold, "1")]).await;
    let results = world.upsert(vec![pb::Order { currency: "EUR".into(), ..order("1") }]).await;
    assert_eq!(results[0].violations[0].field, "currency");
}

#[tokio::test]
async fn notes_of_an_order_that_gets_its_customer_later_get_this_customer_too() {
    let world = World::new().await;
    let customer_id = world.customer();
    let sold = world.upsert(vec![order("1"), order("2")]).await;
    let (sold, other) = (sold[0].order_id.clone(), sold[1].order_id.clone());
    let batch = vec![note_for("C1", &sold, "1"), note_for("C2", &sold, "2"), note_for("C3", &other, "3"), note("C4")];
    let results = upsert(&world, batch.clone()).await;
    let known = vec![pb::Order { customer_id: customer_id.clone(), ..order("1") }];
    assert_eq!(world.upsert(known.clone()).await[0].outcome(), Updated);
    let partition = i32::from(Partition::of(customer_id.parse().unwrap()).number());
    for result in &results[..2] {
        let note = read(&world, &result.credit_note_id).await;
        assert_eq!((note.customer_id.as_str(), note.etag.as_str()), (customer_id.as_str(), "2"));
        let event = world.events_of(&note.id).await.remove(1);
        let told = event::decode::<pb::CreditNoteRecorded>(&event).unwrap().unwrap();
        assert_eq!((told.customer_id, event.partition), (customer_id.clone(), partition));
        assert_eq!((told.total_minor, told.lines.len()), (note.total.clone().unwrap().minor, 1));
        let id = note.id.parse().unwrap();
        let images = journal::images(&world.database.db, "credit_note", id, None, 10).await.unwrap();
        assert_eq!(pb::CreditNote::decode(images[0].image.as_ref().unwrap().as_slice()).unwrap(), note);
    }
    for result in &results[2..] {
        let note = read(&world, &result.credit_note_id).await;
        assert_eq!((note.customer_id.as_str(), note.etag.as_str()), ("", "1"), "it is not of this order");
    }
    let events = world.events().await;
    assert_eq!(outcomes(&upsert(&world, batch.clone()).await), [Unchanged; 4]);
    let named: Vec<_> =
        batch[..2].iter().map(|n| pb::CreditNote { customer_id: customer_id.clone(), ..n.clone() }).collect();
    assert_eq!(outcomes(&upsert(&world, named).await), [Unchanged; 2], "the customer is the one it has");
    assert_eq!(world.upsert(known).await[0].outcome(), Unchanged);
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn an_order_does_not_wait_for_a_note_that_somebody_is_writing() {
    let world = World::new().await;
    let customer_id = world.customer();
    let sold = world.upsert(vec![order("1")]).await[0].order_id.clone();
    let id = upsert(&world, vec![note_for("C1", &sold, "1")]).await[0].credit_note_id.clone();
    let known = vec![pb::Order { customer_id: customer_id.clone(), ..order("1") }];
    let mut conn = world.database.superuser().await;
    let mut writing = conn.begin().await.unwrap();
    sqlx::query("select id from orders.credit_note for update").execute(&mut *writing).await.unwrap();
    let error = world.try_upsert(known.clone()).await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert_eq!(world.order(&sold).await.customer_id, "", "nothing is written");
    writing.rollback().await.unwrap();
    assert_eq!(world.upsert(known).await[0].outcome(), Updated);
    assert_eq!(read(&world, &id).await.customer_id, customer_id);
}

#[tokio::test]
async fn an_order_is_not_corrected_to_less_than_was_given_back() {
    let world = World::new().await;
    let sold = world.upsert(vec![order("1")]).await[0].order_id.clone();
    upsert(&world, vec![note_for("C1", &sold, "4"), note_for("C2", &sold, "6")]).await;
    let of = |pounds: &str| vec![pb::Order { lines: vec![line("85123A", "1", pounds)], ..order("1") }];
    let refused = world.upsert(of("9.99")).await.remove(0);
    assert_eq!(refused.violations[0].field, "lines");
    assert!(refused.violations[0].description.contains("10.00 GBP"), "{refused:?}");
    assert_eq!(world.order(&sold).await.etag, "1");
    assert_eq!(world.upsert(of("10")).await[0].outcome(), Updated);
}

#[tokio::test]
async fn an_order_with_credit_notes_is_not_called_off_before_they_are_taken_into_account() {
    let world = World::new().await;
    let sold = world.upsert(vec![order("1")]).await[0].order_id.clone();
    upsert(&world, vec![note_for("C1", &sold, "4")]).await;
    let cancel = async || {
        let request =
            pb::ChangeOrderStatusRequest { id: sold.clone(), status: "cancelled".into(), ..Default::default() };
        world.orders().change_order_status(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
    };
    let error = cancel().await.unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::FailedPrecondition, "ORDER_HAS_CREDIT_NOTES"));
    let said = vec![pb::Order { status: "cancelled".into(), ..order("1") }];
    let refused = world.upsert(said.clone()).await.remove(0);
    assert_eq!(refused.violations[0].field, "status");
    assert_eq!(world.order(&sold).await.etag, "1");
    assert_eq!(
        outcomes(&upsert(&world, vec![pb::CreditNote { order_id: String::new(), ..note_for("C1", "", "4") }]).await),
        [Updated]
    );
    assert_eq!(cancel().await.unwrap().status_group(), pb::StatusGroup::Cancelled);
}

#[tokio::test]
async fn nothing_is_given_back_for_an_order_that_was_called_off() {
    let world = World::new().await;
    let sold = world.upsert(vec![pb::Order { status: "cancelled".into(), ..order("1") }]).await[0].order_id.clone();
    assert_eq!(fields_of(&upsert(&world, vec![note_for("C1", &sold, "4")]).await[0]), ["order_id"]);
}

#[tokio::test]
async fn an_absurd_total_is_refused() {
    let world = World::new().await;
    let of = |lines| vec![pb::CreditNote { lines, ..note("C1") }];
    let absurd = upsert(&world, of(vec![line("D", "90000", "1000000000000")])).await;
    assert_eq!(fields_of(&absurd[0]), ["lines[0].unit_price"]);
    let sum = upsert(&world, of(vec![line("D", "1", "1000000000000"), line("D", "1", "0.01")])).await;
    assert_eq!(fields_of(&sum[0]), ["lines"]);
    assert_eq!(outcomes(&upsert(&world, of(vec![line("D", "1", "1000000000000")])).await), [Created]);
}

#[tokio::test]
async fn quantities_and_prices_of_a_note_are_above_zero() {
    let world = World::new().await;
    let with = |quantity: &str, price: &str| pb::CreditNote { lines: vec![line("D", quantity, price)], ..note("C1") };
    for (wrong, field) in [
        (with("-1", "27.50"), "lines[0].quantity"),
        (with("1", "0"), "lines[0].unit_price"),
        (with("0.001", "0.001"), "lines"),
        (pb::CreditNote { lines: Vec::new(), ..note("C1") }, "lines"),
        (pb::CreditNote { lines: vec![line("D", "1", "1"); 2001], ..note("C1") }, "lines"),
        (pb::CreditNote { issued_at: None, ..note("C1") }, "issued_at"),
    ] {
        assert_eq!(fields_of(&upsert(&world, vec![wrong]).await[0]), [field]);
    }
}

#[tokio::test]
async fn credit_notes_are_listed_newest_first_of_one_customer_or_of_all() {
    let world = World::new().await;
    let customer = world.customer();
    let notes = (0..5).map(|n| pb::CreditNote {
        customer_id: if n % 2 == 0 { customer.clone() } else { String::new() },
        issued_at: moment(&format!("2011-01-0{}T00:00:00Z", n + 1)),
        ..note(&n.to_string())
    });
    upsert(&world, notes.collect()).await;
    let numbers = async |customer_id: &str| {
        let mut numbers = String::new();
        let mut page_token = String::new();
        loop {
            let customer_id = customer_id.to_owned();
            let request = pb::ListCreditNotesRequest { customer_id, include_lines: true, page_size: 2, page_token };
            let page = world.credit_notes().list_credit_notes(request).await.unwrap().into_inner();
            assert!(page.credit_notes.iter().all(|note| note.lines.len() == 1));
            numbers.extend(page.credit_notes.into_iter().map(|note| note.number));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return numbers;
            }
        }
    };
    assert_eq!(numbers("").await, "43210");
    assert_eq!(numbers(&customer).await, "420");
    let request = pb::ListCreditNotesRequest { page_token: "nonsense".into(), ..Default::default() };
    let error = world.credit_notes().list_credit_notes(request).await.map_err(grpc::error).unwrap_err();
    assert_eq!(fields(&error), ["page_token"]);
}
