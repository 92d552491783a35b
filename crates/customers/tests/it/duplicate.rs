//! Duplicate marks.

use clientele_contracts::customers::v1::{Customer, ListDuplicatesRequest};
use tonic::Code;

use crate::world::{World, assert_invalid, email, entry, named, phone};

fn with(name: &str, phones: &[&str], emails: &[&str]) -> Customer {
    Customer {
        phones: phones.iter().map(|number| phone(number)).collect(),
        emails: emails.iter().map(|address| email(address)).collect(),
        ..named(name)
    }
}

#[tokio::test]
async fn a_mark_appears_on_both_when_a_phone_is_shared_and_goes_when_it_is_not() {
    let world = World::new().await;
    let ana = world.create(with("Ana", &["+34 912 345 678"], &[])).await;
    assert_eq!(ana.duplicate_count, 0);
    // Typed in another way, it is the same number.
    let bea = world.create(with("Bea", &["912-345-678"], &[])).await;
    assert_eq!((bea.duplicate_count, bea.phones[0].duplicate_count), (1, 1));
    assert_eq!(world.get(&ana.id).await.duplicate_count, 1);
    let bea = world.update(Customer { phones: vec![phone("+34 913 000 000")], ..bea }, &["phones"]).await;
    assert_eq!(bea.duplicate_count, 0);
    let ana = world.get(&ana.id).await;
    assert_eq!((ana.duplicate_count, ana.phones[0].duplicate_count), (0, 0));
    assert_eq!(ana.etag, "1");
}

#[tokio::test]
async fn e_mails_are_shared_whatever_their_case() {
    let world = World::new().await;
    let ana = world.create(with("Ana", &[], &["Info@Example.com"])).await;
    world.create(with("Bea", &[], &["info@example.COM"])).await;
    let ana = world.get(&ana.id).await;
    assert_eq!((ana.duplicate_count, ana.emails[0].duplicate_count), (1, 1));
}

#[tokio::test]
async fn a_customer_that_shares_several_points_counts_once() {
    let world = World::new().await;
    let ana = world.create(with("Ana", &["+34 912 345 678", "not a number 7"], &["a@b.co", "c@b.co"])).await;
    world.create(with("Bea", &["+34 912 345 678", "NOT A NUMBER-7"], &["a@b.co"])).await;
    world.create(with("Cleo", &[], &["A@B.CO", "c@b.co"])).await;
    let ana = world.get(&ana.id).await;
    assert_eq!(ana.duplicate_count, 2);
    assert_eq!(ana.phones.iter().map(|p| p.duplicate_count).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(ana.emails.iter().map(|e| e.duplicate_count).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn duplicates_are_listed_oldest_first_with_what_is_shared_in_pages() {
    let world = World::new().await;
    let ana = world.create(with("Ana", &["+34 912 345 678", "ext. 777"], &["a@b.co"])).await;
    for i in 0..5 {
        world.database.clock.advance(chrono::TimeDelta::seconds(1));
        world.create(with(&format!("Bea {i}"), &["912345678"], if i == 0 { &["A@b.co"] } else { &[] })).await;
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListDuplicatesRequest { customer_id: ana.id.clone(), page_size: 2, page_token: token };
        let page = world.duplicates().list_duplicates(request).await.unwrap().into_inner();
        if names.is_empty() {
            assert_eq!(
                (&page.duplicates[0].phones, &page.duplicates[0].emails),
                (&vec!["+34912345678".into()], &vec!["a@b.co".into()])
            );
            assert_eq!(page.duplicates[0].customer.as_ref().unwrap().duplicate_count, 5);
        }
        names.extend(page.duplicates.into_iter().map(|duplicate| duplicate.customer.unwrap().display_name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["Bea 0", "Bea 1", "Bea 2", "Bea 3", "Bea 4"]);
}

#[tokio::test]
async fn a_list_of_duplicates_needs_a_customer_that_exists_and_a_token_of_its_own() {
    let world = World::new().await;
    let ana = world.create(with("Ana", &["+34 912 345 678"], &[])).await;
    for i in 0..3 {
        world.create(with(&format!("Bea {i}"), &["+34 912 345 678"], &[])).await;
    }
    let request = |id: &str, token: &str| ListDuplicatesRequest {
        customer_id: id.into(),
        page_size: 1,
        page_token: token.into(),
    };
    let alone = world.create(named("Alone")).await;
    let none = world.duplicates().list_duplicates(request(&alone.id, "")).await.unwrap().into_inner();
    assert!(none.duplicates.is_empty() && none.next_page_token.is_empty());
    let token = world.duplicates().list_duplicates(request(&ana.id, "")).await.unwrap().into_inner().next_page_token;
    assert_invalid(world.duplicates().list_duplicates(request(&alone.id, &token)).await, "page_token");
    let missing = request("0190a1f0-0000-7000-8000-000000000009", "");
    assert_eq!(world.duplicates().list_duplicates(missing).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn marks_are_right_when_many_write_the_same_phone_at_once() {
    let world = World::new().await;
    let creations = (0..12).map(|i| {
        let mut client = world.customers();
        let entries = vec![entry(&i.to_string(), with(&format!("Bea {i}"), &["+34 912 345 678"], &["a@b.co"]))];
        tokio::spawn(async move {
            let request =
                clientele_contracts::customers::v1::BatchUpsertCustomersRequest { entries, request_id: String::new() };
            client.batch_upsert_customers(request).await.unwrap().into_inner().results.remove(0).customer_id
        })
    });
    let mut ids = Vec::new();
    for creation in creations.collect::<Vec<_>>() {
        ids.push(creation.await.unwrap());
    }
    for id in &ids {
        let customer = world.get(id).await;
        assert_eq!((customer.duplicate_count, customer.phones[0].duplicate_count), (11, 11));
    }
    let mut conn = world.database.superuser().await;
    let counted: Vec<(String, i32)> = sqlx::query_as("select kind, customers from customers.contact_key order by kind")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(counted, [("email".to_owned(), 12), ("phone".to_owned(), 12)]);
}
