//! What changed, and what was.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::customers::v1::{Change, ChangeKind, Customer, GetCustomerRequest, ListChangesRequest};
use clientele_contracts::platform::v1::{ActorKind, Origin};
use clientele_kernel::Clock;
use clientele_platform::proto::timestamp;
use tonic::{Code, Request, Status};

use crate::world::{World, assert_invalid, email, named, phone, update_request};

async fn changes(world: &World, id: &str) -> Vec<Change> {
    let request = ListChangesRequest { customer_id: id.to_owned(), ..ListChangesRequest::default() };
    world.history().list_changes(request).await.unwrap().into_inner().changes
}

async fn as_of(world: &World, id: &str, moment: DateTime<Utc>) -> Result<Customer, Status> {
    let request = GetCustomerRequest { id: id.to_owned(), as_of: Some(timestamp(moment)), all_phones: false };
    world.customers().get_customer(request).await.map(tonic::Response::into_inner)
}

/// Each changed field with its values before and after.
fn fields(change: &Change) -> Vec<(&str, Vec<&str>, Vec<&str>)> {
    change
        .fields
        .iter()
        .map(|f| {
            let old = f.old_values.iter().map(String::as_str).collect();
            let new = f.new_values.iter().map(String::as_str).collect();
            (f.field.as_str(), old, new)
        })
        .collect()
}

#[tokio::test]
async fn a_history_tells_who_when_from_where_and_the_values_before_and_after() {
    let world = World::new().await;
    let created = world.create(Customer { phones: vec![phone("+34 912 345 678")], ..named("Ana") }).await;
    world.database.clock.advance(TimeDelta::minutes(1));
    let mut given = created.clone();
    given.display_name = "Ana García".to_owned();
    given.phones[0].label = "mobile".to_owned();
    given.emails = vec![email("ana@example.com")];
    let mut request = Request::new(update_request(given, &["display_name", "phones", "emails"]));
    request.metadata_mut().insert("x-clientele-origin", "web".parse().unwrap());
    let mut client = CustomersClient::new(world.harness.client("customers", &["customers.customer.write"]));
    client.update_customer(request).await.unwrap();

    let changes = changes(&world, &created.id).await;
    assert_eq!(
        changes.iter().map(|c| (c.version, c.kind())).collect::<Vec<_>>(),
        [(2, ChangeKind::Updated), (1, ChangeKind::Created)]
    );
    assert_eq!(
        fields(&changes[0]),
        [
            ("display_name", vec!["Ana"], vec!["Ana García"]),
            ("phones", vec!["+34 912 345 678"], vec!["+34 912 345 678 (mobile)"]),
            ("emails", vec![], vec!["ana@example.com"]),
        ]
    );
    assert_eq!(changes[0].recorded_at, Some(timestamp(world.database.clock.now())));
    let actor = changes[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind(), actor.id.len()), (ActorKind::User, 36));
    assert_eq!(changes[0].origin(), Origin::Web);
    let created_fields: Vec<_> = fields(&changes[1]).into_iter().map(|(field, old, _)| (field, old.len())).collect();
    assert_eq!(created_fields, [("kind", 0), ("display_name", 0), ("phones", 0), ("registered_at", 0)]);
}

#[tokio::test]
async fn a_long_history_is_paged_without_losing_a_difference_at_the_edge() {
    let world = World::new().await;
    let mut customer = world.create(named("Ana 0")).await;
    for i in 1..=6 {
        customer.display_name = format!("Ana {i}");
        customer = world.update(customer, &["display_name"]).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListChangesRequest { customer_id: customer.id.clone(), page_size: 2, page_token: token };
        let page = world.history().list_changes(request).await.unwrap().into_inner();
        for change in &page.changes {
            let (_, old, new) = fields(change).into_iter().find(|(field, ..)| *field == "display_name").unwrap();
            seen.push((change.version, old.concat(), new.concat()));
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let step = |i: i64| (i + 1, if i == 0 { String::new() } else { format!("Ana {}", i - 1) }, format!("Ana {i}"));
    assert_eq!(seen, (0..=6).rev().map(step).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_customer_is_shown_as_it_was_at_any_moment() {
    let world = World::new().await;
    let before = world.database.clock.now() - TimeDelta::seconds(1);
    let first = world.create(Customer { phones: vec![phone("+34 912 345 678")], ..named("Ana") }).await;
    let created_at = world.database.clock.now();
    world.database.clock.advance(TimeDelta::hours(1));
    let second = world.update(Customer { display_name: "Bea".to_owned(), ..first.clone() }, &["display_name"]).await;
    let updated_at = world.database.clock.now();

    assert_eq!(as_of(&world, &first.id, before).await.unwrap_err().code(), Code::NotFound);
    for (moment, then) in [
        (created_at, &first),
        (updated_at - TimeDelta::microseconds(1), &first),
        (updated_at, &second),
        (updated_at + TimeDelta::days(365), &second),
    ] {
        assert_eq!(&as_of(&world, &first.id, moment).await.unwrap(), then, "{moment}");
    }
}

#[tokio::test]
async fn a_past_customer_shows_twenty_phones_unless_all_are_asked_for() {
    let world = World::new().await;
    let phones = (0..25).map(|i| phone(&format!("+34 9120000{i:02}"))).collect();
    let created = world.create(Customer { phones, ..named("Big Company") }).await;
    let then = as_of(&world, &created.id, world.database.clock.now()).await.unwrap();
    assert_eq!((then.phones.len(), then.hidden_phones), (20, 5));
    let as_of = Some(timestamp(world.database.clock.now()));
    let request = GetCustomerRequest { id: created.id, as_of, all_phones: true };
    let all = world.customers().get_customer(request).await.unwrap().into_inner();
    assert_eq!((all.phones.len(), all.hidden_phones), (25, 0));
}

#[tokio::test]
async fn a_history_needs_a_customer_that_exists_and_a_token_of_its_own() {
    let world = World::new().await;
    let request =
        |id: &str, token: &str| ListChangesRequest { customer_id: id.into(), page_size: 1, page_token: token.into() };
    let missing = world.history().list_changes(request("0190a1f0-0000-7000-8000-000000000009", "")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let (ana, bea) = (world.create(named("Ana")).await, world.create(named("Bea")).await);
    world.update(Customer { country: "Spain".to_owned(), ..ana.clone() }, &["country"]).await;
    let token = world.history().list_changes(request(&ana.id, "")).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty());
    assert_invalid(world.history().list_changes(request(&bea.id, &token)).await, "page_token");
    assert_invalid(world.history().list_changes(request("x", "")).await, "customer_id");
}
