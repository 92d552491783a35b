//! Create, get, update.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clientele_contracts::customers::v1::{
    BatchGetCustomersRequest, CreateCustomerRequest, Customer, CustomerKind, GetCustomerRequest,
};
use clientele_kernel::Clock;
use clientele_platform::proto::timestamp;
use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt;

use crate::world::{World, assert_invalid, email, fields, named, phone, reason, reference, update_request};

fn ana() -> Customer {
    Customer {
        kind: CustomerKind::Person.into(),
        phones: vec![phone("+34 912 345 678"), phone("612 345 678")],
        emails: vec![email("Ana@Example.com")],
        country: "Spain".to_owned(),
        references: vec![reference("17850")],
        manager_id: "0190a1f0-0000-7000-8000-000000000001".to_owned(),
        store_id: "0190a1f0-0000-7000-8000-000000000002".to_owned(),
        registered_at: Some(Timestamp { seconds: 1_600_000_000, nanos: 0 }),
        ..named("  Ana García ")
    }
}

#[tokio::test]
async fn a_created_customer_is_read_back_as_it_was_given() {
    let world = World::new().await;
    let created = world.create(ana()).await;
    assert_eq!(created, world.get(&created.id).await);
    assert_eq!((created.display_name.as_str(), created.etag.as_str()), ("Ana García", "1"));
    assert_eq!(created.phones.iter().map(|p| p.e164.as_str()).collect::<Vec<_>>(), ["+34912345678", "+34612345678"]);
    assert_eq!((created.emails[0].address.as_str(), created.country.as_str()), ("Ana@Example.com", "Spain"));
    assert_eq!(
        (created.references, created.manager_id, created.store_id),
        (ana().references, ana().manager_id, ana().store_id)
    );
    assert_eq!(created.registered_at, ana().registered_at);
    assert_eq!(created.created_at, Some(timestamp(world.database.clock.now())));
}

#[tokio::test]
async fn a_customer_is_a_person_registered_now_when_nothing_is_said() {
    let world = World::new().await;
    let created = world.create(named("Ana")).await;
    assert_eq!((created.kind(), created.registered_at), (CustomerKind::Person, created.created_at));
}

#[tokio::test]
async fn fields_set_by_the_server_are_ignored_at_creation() {
    let world = World::new().await;
    let given =
        Customer { id: "x".to_owned(), etag: "77".to_owned(), hidden_phones: 9, duplicate_count: 9, ..named("Ana") };
    let created = world.create(given).await;
    assert_eq!((created.etag.as_str(), created.hidden_phones, created.duplicate_count), ("1", 0, 0));
    assert_eq!(created.id.len(), 36);
}

#[tokio::test]
async fn a_customer_that_does_not_exist_is_not_found() {
    let world = World::new().await;
    let id = "0190a1f0-0000-7000-8000-000000000009".to_owned();
    let request = GetCustomerRequest { id: id.clone(), ..GetCustomerRequest::default() };
    let status = world.customers().get_customer(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
    let status =
        world.try_update(Customer { id, etag: "1".to_owned(), ..named("Ana") }, &["display_name"]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn those_that_exist_are_got_in_the_order_asked_and_once() {
    let world = World::new().await;
    let (a, b) = (world.create(named("Ana")).await, world.create(named("Bea")).await);
    let ids = vec![b.id.clone(), "0190a1f0-0000-7000-8000-000000000009".to_owned(), a.id.clone(), b.id.clone()];
    let got = world.customers().batch_get_customers(BatchGetCustomersRequest { ids }).await.unwrap().into_inner();
    assert_eq!(got.customers, [b, a]);
}

#[tokio::test]
async fn an_update_changes_the_fields_of_the_mask_and_raises_the_etag() {
    let world = World::new().await;
    let created = world.create(ana()).await;
    world.database.clock.advance(TimeDelta::seconds(5));
    let given = Customer { country: "France".to_owned(), emails: vec![], ..created.clone() };
    let updated = world.update(given, &["country"]).await;
    assert_eq!((updated.country.as_str(), updated.etag.as_str()), ("France", "2"));
    assert_eq!(updated.emails, created.emails);
    assert_eq!(updated.updated_at, Some(timestamp(world.database.clock.now())));
    assert_eq!(updated.created_at, created.created_at);
    assert_eq!(world.get(&created.id).await, updated);
}

#[tokio::test]
async fn a_phone_keeps_its_id_when_its_number_changes() {
    let world = World::new().await;
    let created = world.create(ana()).await;
    let mut given = created.clone();
    given.phones[0].number = "+34 913 000 000".to_owned();
    given.phones.swap(0, 1);
    given.phones.push(phone("+34 914 000 000"));
    let updated = world.update(given, &["phones"]).await;
    assert_eq!(updated.phones[1].id, created.phones[0].id);
    assert_eq!(updated.phones[0].id, created.phones[1].id);
    assert_eq!(updated.phones.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(updated.phones[1].e164, "+34913000000");
}

#[tokio::test]
async fn an_update_to_what_is_so_already_writes_nothing() {
    let world = World::new().await;
    let created = world.create(ana()).await;
    world.database.clock.advance(TimeDelta::seconds(5));
    let mask = ["display_name", "phones", "emails", "country", "manager_id", "references"];
    assert_eq!(world.update(created.clone(), &mask).await, created);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn an_update_needs_the_present_etag() {
    let world = World::new().await;
    let created = world.create(named("Ana")).await;
    let updated = world.update(Customer { display_name: "Bea".to_owned(), ..created.clone() }, &["displayName"]).await;
    let missing = Customer { etag: String::new(), ..updated.clone() };
    assert_invalid(world.try_update(missing, &["display_name"]).await, "customer.etag");
    let stale = world.try_update(created, &["display_name"]).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let metadata = stale.get_error_details().error_info().unwrap().metadata.clone();
    assert_eq!(metadata["current_etag"], updated.etag);
    assert_eq!(world.get(&updated.id).await.display_name, "Bea");
}

#[tokio::test]
async fn a_mask_must_name_fields_that_can_change() {
    let world = World::new().await;
    let created = world.create(named("Ana")).await;
    for mask in [&[][..], &["store_id"], &["kind"], &["id"], &["display_name", "phones[0]"]] {
        assert_invalid(world.try_update(created.clone(), mask).await, "update_mask");
    }
}

#[tokio::test]
async fn of_concurrent_updates_of_one_version_one_wins() {
    let world = World::new().await;
    let created = world.create(named("Ana")).await;
    let updates = (0..8).map(|i| {
        let (mut client, created) = (world.customers(), created.clone());
        tokio::spawn(async move {
            let given = Customer { display_name: format!("Ana {i}"), ..created };
            client.update_customer(update_request(given, &["display_name"])).await
        })
    });
    let mut won = Vec::new();
    for update in updates.collect::<Vec<_>>() {
        match update.await.unwrap() {
            Ok(answer) => won.push(answer.into_inner().display_name),
            Err(status) => assert_eq!(status.code(), Code::Aborted, "{status:?}"),
        }
    }
    let now = world.get(&created.id).await;
    assert_eq!((won, now.etag.as_str()), (vec![now.display_name.clone()], "2"));
}

#[tokio::test]
async fn a_reference_belongs_to_one_customer() {
    let world = World::new().await;
    world.create(Customer { references: vec![reference("1")], ..named("Ana") }).await;
    let taken = Customer { references: vec![reference("2"), reference("1")], ..named("Bea") };
    let status = world.try_create(taken.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "REFERENCE_TAKEN"));
    assert_eq!(fields(&status), ["customer.references[1]"]);

    let bea = world.create(named("Bea")).await;
    let status = world.try_update(Customer { references: taken.references, ..bea }, &["references"]).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::AlreadyExists, vec!["customer.references[1]".to_owned()]));
    // Nothing of the refused ones is left behind: the free reference is still free.
    world.create(Customer { references: vec![reference("2")], ..named("Cleo") }).await;
}

#[tokio::test]
async fn of_concurrent_creations_with_one_reference_one_wins() {
    let world = World::new().await;
    let creations = (0..6).map(|i| {
        let mut client = world.customers();
        let customer = Some(Customer { references: vec![reference("1")], ..named(&format!("Ana {i}")) });
        tokio::spawn(async move {
            client.create_customer(CreateCustomerRequest { customer, request_id: String::new() }).await
        })
    });
    let mut won = 0;
    for creation in creations.collect::<Vec<_>>() {
        match creation.await.unwrap() {
            Ok(_) => won += 1,
            Err(status) => assert_eq!(status.code(), Code::AlreadyExists, "{status:?}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_changes_nothing() {
    let world = World::new().await;
    let request = CreateCustomerRequest { customer: Some(ana()), request_id: "import-1".to_owned() };
    let first = world.customers().create_customer(request.clone()).await.unwrap().into_inner();
    let again = world.customers().create_customer(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);

    let mut update = update_request(Customer { country: "France".to_owned(), ..first }, &["country"]);
    update.request_id = "edit-1".to_owned();
    let updated = world.customers().update_customer(update.clone()).await.unwrap().into_inner();
    // The etag is stale by now, and the answer is the first one all the same.
    assert_eq!(world.customers().update_customer(update).await.unwrap().into_inner(), updated);
    assert_eq!(world.events().await.len(), 2);

    let other = CreateCustomerRequest { customer: Some(named("Bea")), ..request };
    let status = world.customers().create_customer(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
}

#[tokio::test]
async fn the_first_twenty_phones_are_shown_unless_all_are_asked_for() {
    let world = World::new().await;
    let phones = (0..30).map(|i| phone(&format!("+34 9120000{i:02}"))).collect();
    let created = world.create(Customer { phones, ..named("Big Company") }).await;
    assert_eq!((created.phones.len(), created.hidden_phones), (20, 10));
    let request = GetCustomerRequest { id: created.id.clone(), all_phones: true, as_of: None };
    let all = world.customers().get_customer(request).await.unwrap().into_inner();
    assert_eq!((all.phones.len(), all.hidden_phones), (30, 0));
    // Taking a shown one away brings a hidden one into view.
    let fewer = Customer { phones: all.phones[1..].to_vec(), ..all.clone() };
    let updated = world.update(fewer, &["phones"]).await;
    assert_eq!((updated.phones.last(), updated.hidden_phones), (Some(&all.phones[20]), 9));
}

#[tokio::test]
async fn without_the_permission_nothing_is_told_or_changed() {
    use clientele_contracts::customers::v1::customers_client::CustomersClient;
    let world = World::new().await;
    let created = world.create(named("Ana")).await;
    let mut reader = CustomersClient::new(world.harness.client("customers", &["customers.customer.read"]));
    let status = reader.update_customer(update_request(created.clone(), &["display_name"])).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let mut stranger = CustomersClient::new(world.harness.client("customers", &["customers.customer.write"]));
    let request = GetCustomerRequest { id: created.id, ..GetCustomerRequest::default() };
    assert_eq!(stranger.get_customer(request.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    let mut nobody = CustomersClient::new(world.harness.anonymous("customers"));
    assert_eq!(nobody.get_customer(request).await.unwrap_err().code(), Code::Unauthenticated);
}
