//! The batched upsert.

use clientele_contracts::customers::v1::{
    BatchUpsertCustomersRequest, Customer, CustomerKind, ListCustomersRequest, UpsertCustomer, UpsertCustomerResult,
};
use clientele_contracts::platform::v1::UpsertOutcome;
use tonic::Code;

use crate::world::{World, assert_invalid, email, entry, named, phone, reason, reference};

use UpsertOutcome::{Created, Refused, Unchanged, Updated};

fn batch(count: usize) -> Vec<UpsertCustomer> {
    (0..count)
        .map(|i| {
            entry(
                &format!("{i}"),
                Customer {
                    phones: vec![phone(&format!("+34 91{i:07}"))],
                    emails: vec![email(&format!("customer{i}@example.com"))],
                    country: "Spain".to_owned(),
                    ..named(&format!("Customer {i}"))
                },
            )
        })
        .collect()
}

#[tokio::test]
async fn a_batch_repeated_changes_nothing() {
    let world = World::new().await;
    let first = world.upsert(batch(500)).await;
    assert!(first.iter().all(|result| result.outcome() == Created));
    assert_eq!(world.events().await.len(), 500);
    let again = world.upsert(batch(500)).await;
    assert!(again.iter().all(|result| result.outcome() == Unchanged));
    assert!(first.iter().zip(&again).all(|(first, again)| first.customer_id == again.customer_id));
    assert_eq!(world.events().await.len(), 500);
}

#[tokio::test]
async fn what_is_not_given_is_kept_and_lists_are_merged_in() {
    let world = World::new().await;
    let given = Customer { phones: vec![phone("+34 912 345 678")], country: "Spain".to_owned(), ..named("Ana") };
    let first = world.upsert(vec![entry("1", given)]).await;
    let more = Customer {
        phones: vec![phone("912345678"), phone("+34 612 345 678")],
        emails: vec![email("ana@example.com")],
        ..named("")
    };
    let second = world.upsert(vec![entry("1", more)]).await;
    assert_eq!((second[0].outcome(), &second[0].customer_id), (Updated, &first[0].customer_id));
    let customer = world.get(&first[0].customer_id).await;
    assert_eq!(
        (customer.display_name.as_str(), customer.country.as_str(), customer.etag.as_str()),
        ("Ana", "Spain", "2")
    );
    let numbers: Vec<_> = customer.phones.iter().map(|phone| phone.number.as_str()).collect();
    assert_eq!(numbers, ["+34 912 345 678", "+34 612 345 678"]);
    assert_eq!(customer.emails.len(), 1);
}

#[tokio::test]
async fn a_customer_from_another_system_needs_no_name() {
    let world = World::new().await;
    let results = world.upsert(vec![entry("1", named(""))]).await;
    assert_eq!(results[0].outcome(), Created);
    assert_eq!(world.get(&results[0].customer_id).await.display_name, "");
}

#[tokio::test]
async fn wrong_entries_are_refused_one_by_one_and_the_others_written() {
    let world = World::new().await;
    let results = world
        .upsert(vec![
            entry("1", named("Ana")),
            entry(
                "2",
                Customer { emails: vec![email("a@b"), email("a@b.co")], phones: vec![phone("x")], ..named("Bea") },
            ),
            entry("1", named("Ana again")),
            entry("", named("Cleo")),
            entry("3", Customer { kind: 9, ..named("Dora") }),
            entry("4", named("Eva")),
        ])
        .await;
    let outcomes: Vec<_> = results.iter().map(UpsertCustomerResult::outcome).collect();
    assert_eq!(outcomes, [Created, Refused, Refused, Refused, Refused, Created]);
    let fields = |i: usize| results[i].violations.iter().map(|v| v.field.as_str()).collect::<Vec<_>>();
    assert_eq!(fields(1), ["customer.phones[0].number", "customer.emails[0].address"]);
    assert_eq!(fields(2), ["reference"]);
    assert_eq!(fields(3), ["reference.external_id"]);
    assert_eq!(fields(4), ["customer.kind"]);
    assert!(results[1..5].iter().all(|result| result.customer_id.is_empty()));
    assert_eq!(world.get(&results[0].customer_id).await.display_name, "Ana");
    assert_eq!(world.events().await.len(), 2);
}

#[tokio::test]
async fn kind_and_store_cannot_change_by_an_upsert() {
    let world = World::new().await;
    world.upsert(vec![entry("1", Customer { kind: CustomerKind::Company.into(), ..named("Ana SL") })]).await;
    let given = Customer {
        kind: CustomerKind::Person.into(),
        store_id: "0190a1f0-0000-7000-8000-000000000002".to_owned(),
        ..named("Ana SL")
    };
    let results = world.upsert(vec![entry("1", given)]).await;
    let fields: Vec<_> = results[0].violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["customer.kind", "customer.store_id"]);
}

#[tokio::test]
async fn two_references_of_one_customer_in_a_batch_raise_its_version_once() {
    let world = World::new().await;
    let both = Customer { references: vec![reference("1"), reference("2")], ..named("Ana") };
    let created = world.create(both).await;
    let results = world
        .upsert(vec![
            entry("1", Customer { country: "Spain".to_owned(), ..named("") }),
            entry("2", Customer { emails: vec![email("ana@example.com")], ..named("") }),
        ])
        .await;
    assert!(results.iter().all(|result| result.outcome() == Updated && result.customer_id == created.id));
    let now = world.get(&created.id).await;
    assert_eq!((now.etag.as_str(), now.country.as_str(), now.emails.len()), ("2", "Spain", 1));
}

#[tokio::test]
async fn further_references_are_learnt_but_never_taken_from_another_customer() {
    let world = World::new().await;
    let results = world
        .upsert(vec![
            entry("1", Customer { references: vec![reference("1b")], ..named("Ana") }),
            entry("2", Customer { references: vec![reference("1b")], ..named("Bea") }),
            entry("1b", Customer { country: "Spain".to_owned(), ..named("") }),
        ])
        .await;
    assert_eq!((results[0].outcome(), results[1].outcome()), (Created, Refused));
    assert_eq!(results[1].violations[0].field, "customer.references[0]");
    assert_eq!((results[2].outcome(), &results[2].customer_id), (Updated, &results[0].customer_id));
    let ana = world.get(&results[0].customer_id).await;
    assert_eq!((ana.references, ana.etag.as_str()), (vec![reference("1"), reference("1b")], "1"));
}

#[tokio::test]
async fn concurrent_upserts_of_the_same_references_make_each_customer_once() {
    let world = World::new().await;
    let upserts = (0..6).map(|i| {
        let mut client = world.customers();
        let mut entries = batch(50);
        if i % 2 == 1 {
            entries.reverse();
        }
        let request = BatchUpsertCustomersRequest { entries, request_id: String::new() };
        tokio::spawn(async move { client.batch_upsert_customers(request).await.unwrap().into_inner().results })
    });
    let mut created = 0;
    for upsert in upserts.collect::<Vec<_>>() {
        let results = upsert.await.unwrap();
        assert!(results.iter().all(|result| result.outcome() != Refused));
        created += results.iter().filter(|result| result.outcome() == Created).count();
    }
    assert_eq!((created, world.events().await.len()), (50, 50));
    let total = world.list(ListCustomersRequest::default()).await.total_size;
    assert_eq!(total, 50);
}

#[tokio::test]
async fn a_batch_is_bounded_and_its_request_id_makes_it_repeatable() {
    let world = World::new().await;
    let too_many = BatchUpsertCustomersRequest { entries: batch(501), request_id: String::new() };
    assert_invalid(world.customers().batch_upsert_customers(too_many).await, "entries");
    let request = BatchUpsertCustomersRequest { entries: batch(2), request_id: "b1".to_owned() };
    let first = world.customers().batch_upsert_customers(request.clone()).await.unwrap().into_inner();
    let again = world.customers().batch_upsert_customers(request).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(again.results[0].outcome(), Created);
    let other = BatchUpsertCustomersRequest { entries: batch(3), request_id: "b1".to_owned() };
    let status = world.customers().batch_upsert_customers(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
}
