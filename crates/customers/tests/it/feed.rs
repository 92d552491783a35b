//! What other contexts and outsiders get to see.

use clientele_contracts::customers::v1::{Customer, CustomerCreated, CustomerUpdated};
use clientele_platform::event;
use prost::Message;

use crate::world::{World, email, named, phone, reference};

/// Values that must not leave the context; no other text of the test contains them.
const CANARIES: [&str; 6] = ["Xylophia", "Quetzalmann", "912345678", "912 345 678", "canary", "Wonderland"];

async fn world_with_canaries() -> (World, Customer) {
    let world = World::new().await;
    let customer = world
        .create(Customer {
            phones: vec![phone("+34 912 345 678")],
            emails: vec![email("canary@example.com")],
            country: "Wonderland".to_owned(),
            references: vec![reference("canary-17")],
            ..named("Xylophia Quetzalmann")
        })
        .await;
    let mut given = customer.clone();
    "Quetzalmann, Xylophia".clone_into(&mut given.display_name);
    given.emails.push(email("canary2@example.com"));
    let customer = world.update(given, &["display_name", "emails"]).await;
    (world, customer)
}

#[tokio::test]
async fn events_tell_what_happened_without_any_value_of_a_person() {
    let (world, customer) = world_with_canaries().await;
    let events = world.events().await;
    assert_eq!(
        events.iter().map(|e| (e.aggregate_version, e.customer_id.as_str())).collect::<Vec<_>>(),
        [(1, customer.id.as_str()), (2, &customer.id)]
    );
    let created = event::decode::<CustomerCreated>(&events[0]).unwrap().unwrap();
    assert_eq!((created.customer_id, created.registered_at), (customer.id.clone(), customer.registered_at));
    let updated = event::decode::<CustomerUpdated>(&events[1]).unwrap().unwrap();
    assert_eq!(updated.changed_fields, ["display_name", "emails"]);
    for event in &events {
        let bytes = String::from_utf8_lossy(&event.encode_to_vec()).into_owned();
        for canary in CANARIES {
            assert!(!bytes.contains(canary), "{canary} is in {event:?}");
        }
    }
}

#[tokio::test]
async fn the_journal_keeps_values_of_a_person_sealed_only() {
    let (world, _) = world_with_canaries().await;
    let mut conn = world.database.superuser().await;
    let rows: Vec<(String, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("select journal::text, public_payload, private_payload from customers.journal")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(rows.len(), 2);
    for (row, public, private) in &rows {
        for text in
            [row.clone(), String::from_utf8_lossy(public).into_owned(), String::from_utf8_lossy(private).into_owned()]
        {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{canary}");
            }
        }
        assert!(private.len() > 100);
    }
}

#[tokio::test]
async fn a_page_token_tells_nobody_a_name() {
    use base64::Engine;
    use clientele_contracts::customers::v1::ListCustomersRequest;
    let (world, _) = world_with_canaries().await;
    world.create(named("Zoe")).await;
    let request =
        ListCustomersRequest { order_by: "display_name".into(), page_size: 1, ..ListCustomersRequest::default() };
    let token = world.list(request).await.next_page_token;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).to_lowercase().contains("quetzalmann"));
}
