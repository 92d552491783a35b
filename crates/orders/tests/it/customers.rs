//! What orders knows of customers, and what it does where it does not know.

use clientele_contracts::customers::v1::CustomerCreated;
use clientele_contracts::orders::v1 as pb;
use clientele_contracts::platform::v1::Event;
use clientele_contracts::platform::v1::UpsertOutcome::{Created, Unchanged};
use clientele_kernel::{Code, CustomerId, EventId};
use clientele_testkit::eventually;
use prost::{Message, Name};
use prost_types::Any;

use crate::world::{World, order, outcomes, reason};

fn of(customer_id: &str, external_id: &str) -> Vec<pb::Order> {
    vec![pb::Order { customer_id: customer_id.into(), ..order(external_id) }]
}

#[tokio::test]
async fn a_customer_that_is_not_known_yet_is_asked_for_once() {
    let world = World::new().await;
    let customer = world.customer();
    assert_eq!(outcomes(&world.upsert(of(&customer, "1")).await), [Created]);
    assert_eq!(outcomes(&world.upsert(of(&customer, "2")).await), [Created]);
    assert_eq!(world.registry.0.lock().unwrap().asked, 1);
}

#[tokio::test]
async fn with_customers_down_known_ids_work_and_unknown_ones_are_unavailable() {
    let world = World::new().await;
    let (known, unknown) = (world.customer(), world.customer());
    world.upsert(of(&known, "1")).await;
    world.harness.host.network.remove("customers");
    assert_eq!(outcomes(&world.upsert(of(&known, "2")).await), [Created]);
    let error = world.try_upsert(of(&unknown, "3")).await.unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::Unavailable, "CUSTOMERS_UNAVAILABLE"));
    assert!(error.is_transient());
    assert_eq!(outcomes(&world.upsert(of(&known, "2")).await), [Unchanged]);
}

#[tokio::test]
async fn customers_are_learned_from_their_events() {
    let world = World::new().await;
    let id = world.database.ids.next::<CustomerId>().to_string();
    let created = CustomerCreated { customer_id: id.clone(), ..CustomerCreated::default() };
    let event = Event {
        id: world.database.ids.next::<EventId>().to_string(),
        context: "customers".into(),
        position: 1,
        aggregate_type: "customer".into(),
        aggregate_id: id.clone(),
        aggregate_version: 1,
        customer_id: id.clone(),
        recorded_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        data: Some(Any { type_url: CustomerCreated::type_url(), value: created.encode_to_vec() }),
        ..Event::default()
    };
    world.registry.0.lock().unwrap().events.push(event);
    eventually("the customer is known", || async {
        // The registry itself does not know the customer: asking it would have the entry refused.
        let results = world.upsert(of(&id, "1")).await;
        (outcomes(&results) == [Created]).then_some(())
    })
    .await;
}
