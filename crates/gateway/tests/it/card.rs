//! The customer's card, with each service well, down, late and forbidding.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clientele_contracts::analytics::v1 as analytics;
use clientele_contracts::campaigns::v1 as campaigns;
use clientele_contracts::customers::v1 as customers;
use clientele_contracts::identity::v1 as identity;
use clientele_contracts::messaging::v1 as messaging;
use clientele_contracts::orders::v1 as orders;
use clientele_contracts::platform::v1 as shared;
use clientele_kernel::Error;
use clientele_platform::grpc::status;
use http::StatusCode;
use serde_json::Value;

use crate::services::method;
use crate::world::{ANA, CUSTOMER, World, request};

const STORE: &str = "01900000-0000-7000-8000-0000000000d1";

fn customer_routes() -> Router {
    method(
        customer_routes_without_consents(),
        "/clientele.customers.v1.Consents/GetConsents",
        |request: tonic::Request<customers::GetConsentsRequest>| async move {
            assert_eq!(request.into_inner().customer_id, CUSTOMER);
            let state = customers::ConsentState { marketing: true, ..customers::ConsentState::default() };
            Ok(customers::GetConsentsResponse { states: vec![state] })
        },
    )
}

fn customer_routes_without_consents() -> Router {
    method(
        Router::new(),
        "/clientele.customers.v1.Customers/GetCustomer",
        |request: tonic::Request<customers::GetCustomerRequest>| async move {
            let id = request.into_inner().id;
            if id != CUSTOMER {
                return Err(status(Error::not_found("customer", id)));
            }
            Ok(customers::Customer {
                id,
                display_name: "Ana Souza".to_owned(),
                manager_id: ANA.to_owned(),
                store_id: STORE.to_owned(),
                ..customers::Customer::default()
            })
        },
    )
}

fn order_routes() -> Router {
    method(
        Router::new(),
        "/clientele.orders.v1.Orders/ListOrders",
        |request: tonic::Request<orders::ListOrdersRequest>| async move {
            let request = request.into_inner();
            assert!(!request.include_lines && request.page_size == 10);
            let order =
                orders::Order { customer_id: request.customer_id, number: "1042".into(), ..orders::Order::default() };
            Ok(orders::ListOrdersResponse { orders: vec![order], total_size: 14, next_page_token: "next".into() })
        },
    )
}

fn messaging_routes() -> Router {
    let router = method(
        Router::new(),
        "/clientele.messaging.v1.Dialogs/ListDialogs",
        |request: tonic::Request<messaging::ListDialogsRequest>| async move {
            let request = request.into_inner();
            assert_eq!((request.customer_id.as_str(), request.page_size), (CUSTOMER, 10));
            let dialog = messaging::Dialog { visitor_name: "Ana".into(), ..messaging::Dialog::default() };
            Ok(messaging::ListDialogsResponse { dialogs: vec![dialog], total_size: 3, ..Default::default() })
        },
    );
    method(
        router,
        "/clientele.messaging.v1.Emails/ListEmails",
        |request: tonic::Request<messaging::ListEmailsRequest>| async move {
            let request = request.into_inner();
            assert_eq!((request.customer_id.as_str(), request.page_size), (CUSTOMER, 10));
            let email = messaging::Email { to_address: "ana@example.com".into(), ..messaging::Email::default() };
            Ok(messaging::ListEmailsResponse { emails: vec![email], total_size: 12, ..Default::default() })
        },
    )
}

fn campaign_routes() -> Router {
    method(
        Router::new(),
        "/clientele.campaigns.v1.Memberships/ListCustomerSegments",
        |request: tonic::Request<campaigns::ListCustomerSegmentsRequest>| async move {
            assert_eq!(request.into_inner().customer_id, CUSTOMER);
            let membership = campaigns::Membership { segment_name: "Sleepers".into(), ..Default::default() };
            Ok(campaigns::ListCustomerSegmentsResponse { memberships: vec![membership], as_of: None })
        },
    )
}

fn analytics_routes() -> Router {
    let router = method(
        Router::new(),
        "/clientele.analytics.v1.Metrics/GetCustomerMetrics",
        |request: tonic::Request<analytics::GetCustomerMetricsRequest>| async move {
            let customer_id = request.into_inner().customer_id;
            Ok(analytics::CustomerMetrics { customer_id, ..analytics::CustomerMetrics::default() })
        },
    );
    method(
        router,
        "/clientele.analytics.v1.Timeline/ListTimeline",
        |_: tonic::Request<analytics::ListTimelineRequest>| async {
            let actor = shared::Actor { kind: shared::ActorKind::User.into(), id: ANA.to_owned() };
            let entry = analytics::TimelineEntry { actor: Some(actor), ..analytics::TimelineEntry::default() };
            Ok(analytics::ListTimelineResponse { entries: vec![entry], next_page_token: String::new() })
        },
    )
}

/// A service beside the world's own identity, because that one only proves who somebody is.
fn people_routes() -> Router {
    let router = method(
        Router::new(),
        "/clientele.identity.v1.Users/BatchGetUsers",
        |request: tonic::Request<identity::BatchGetUsersRequest>| async move {
            let user = |id| identity::User {
                id,
                display_name: "Irina".to_owned(),
                state: identity::UserState::Active.into(),
                ..identity::User::default()
            };
            Ok(identity::BatchGetUsersResponse { users: request.into_inner().ids.into_iter().map(user).collect() })
        },
    );
    method(
        router,
        "/clientele.identity.v1.Stores/GetStore",
        |request: tonic::Request<identity::GetStoreRequest>| async move {
            let id = request.into_inner().id;
            Ok(identity::Store {
                id,
                name: "Centro".into(),
                time_zone: "America/Sao_Paulo".into(),
                ..identity::Store::default()
            })
        },
    )
}

fn world() -> World {
    let world = World::with(|settings| settings.gateway.card_deadline = Duration::from_millis(800));
    world.serve("customers", customer_routes());
    world.serve("orders", order_routes());
    world.serve("analytics", analytics_routes());
    world.serve("messaging", messaging_routes());
    world.serve("campaigns", campaign_routes());
    world.add_to_identity(people_routes());
    world
}

async fn card(world: &World) -> Value {
    let answer = world.get(&format!("/v1/customers/{CUSTOMER}/card")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

/// The states of customer, metrics, orders, timeline, people, consents, messages and segments.
fn states(card: &Value) -> [&str; 8] {
    let sections = ["customer", "metrics", "orders", "timeline", "people", "consents", "messages", "segments"];
    sections.map(|section| {
        let status = &card[section]["status"];
        assert!(status["readAt"].is_string(), "{section} says when it was read");
        status["state"].as_str().unwrap().trim_start_matches("SECTION_STATE_")
    })
}

#[tokio::test]
async fn a_card_has_a_section_of_each_service_and_the_names_it_mentions() {
    let card = card(&world()).await;
    assert_eq!(states(&card), ["OK"; 8]);
    assert_eq!(card["customerId"], CUSTOMER);
    assert_eq!(card["customer"]["customer"]["displayName"], "Ana Souza");
    assert_eq!(card["metrics"]["metrics"]["customerId"], CUSTOMER);
    assert_eq!(
        (card["orders"]["orders"][0]["number"].as_str(), card["orders"]["totalSize"].as_str()),
        (Some("1042"), Some("14"))
    );
    assert_eq!(card["orders"]["nextPageToken"], "next");
    assert_eq!(card["people"]["people"].as_array().unwrap().len(), 1, "manager and actor are one person");
    assert_eq!(card["people"]["people"][0]["displayName"], "Irina");
    assert_eq!(
        (card["people"]["storeName"].as_str(), card["people"]["storeTimeZone"].as_str()),
        (Some("Centro"), Some("America/Sao_Paulo"))
    );
    assert_eq!(card["consents"]["states"][0]["marketing"], true);
    assert_eq!(card["messages"]["dialogs"][0]["visitorName"], "Ana");
    assert_eq!(card["messages"]["emails"][0]["toAddress"], "ana@example.com");
    assert_eq!((&card["messages"]["totalDialogs"], &card["messages"]["totalEmails"]), (&"3".into(), &"12".into()));
    assert_eq!(card["segments"]["memberships"][0]["segmentName"], "Sleepers");
}

#[tokio::test]
async fn each_service_that_is_down_is_missed_in_its_own_section_only() {
    for (service, missing) in [
        ("customers", [0, 5].as_slice()),
        ("orders", &[2]),
        ("analytics", &[1, 3]),
        ("messaging", &[6]),
        ("campaigns", &[7]),
    ] {
        let expected: [&str; 8] = std::array::from_fn(|n| if missing.contains(&n) { "UNAVAILABLE" } else { "OK" });
        let world = world();
        world.network.remove(service);
        let card = card(&world).await;
        assert_eq!(states(&card), expected, "without {service}");
    }
}

#[tokio::test]
async fn with_identity_down_the_card_lacks_names_only() {
    let world = world();
    assert_eq!(states(&card(&world).await), ["OK"; 8]);
    world.network.remove("identity");
    assert_eq!(states(&card(&world).await), ["OK", "OK", "OK", "OK", "UNAVAILABLE", "OK", "OK", "OK"]);
}

#[tokio::test]
async fn a_section_that_is_late_does_not_keep_the_others_waiting_beyond_the_deadline() {
    let world = world();
    world.serve_method(
        "orders",
        "/clientele.orders.v1.Orders/ListOrders",
        |_: tonic::Request<orders::ListOrdersRequest>| async {
            std::future::pending::<Result<orders::ListOrdersResponse, tonic::Status>>().await
        },
    );
    let begun = std::time::Instant::now();
    let card = card(&world).await;
    assert_eq!(states(&card), ["OK", "OK", "LATE", "OK", "OK", "OK", "OK", "OK"]);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn names_are_still_asked_for_when_the_timeline_is_late() {
    let world = world();
    let router = method(
        Router::new(),
        "/clientele.analytics.v1.Timeline/ListTimeline",
        |_: tonic::Request<analytics::ListTimelineRequest>| async {
            std::future::pending::<Result<analytics::ListTimelineResponse, tonic::Status>>().await
        },
    );
    world.serve("analytics", router);
    let card = card(&world).await;
    assert_eq!(states(&card)[3..5], ["LATE", "OK"]);
    assert_eq!(card["people"]["people"][0]["userId"], ANA);
}

#[tokio::test]
async fn what_the_reader_may_not_see_is_said_to_be_so() {
    let world = world();
    world.allow("clk_some", &["customers.customer.read", "analytics.metric.read"]);
    let request = request("GET", &format!("/v1/customers/{CUSTOMER}/card")).header("authorization", "Bearer clk_some");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(states(&answer.json())[..5], ["OK", "OK", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"]);
    assert_eq!(states(&answer.json())[5..], ["FORBIDDEN"; 3]);
}

#[tokio::test]
async fn letters_are_shown_to_whoever_may_not_see_dialogs() {
    let world = world();
    world.allow("clk_some", &["customers.customer.read", "messaging.email.read"]);
    let request = request("GET", &format!("/v1/customers/{CUSTOMER}/card")).header("authorization", "Bearer clk_some");
    let card = world.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(card["messages"]["status"]["state"], "SECTION_STATE_FORBIDDEN");
    assert_eq!(
        (card["messages"]["emails"].as_array().unwrap().len(), &card["messages"]["totalEmails"]),
        (1, &"12".into())
    );
    assert!(card["messages"]["dialogs"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn everybody_whom_consents_dialogs_and_letters_mention_has_a_name() {
    let world = world();
    let person = |n: u32| format!("01900000-0000-7000-8000-0000000001{n:02}");
    let actor = move |kind: shared::ActorKind, n| Some(shared::Actor { kind: kind.into(), id: person(n) });
    let consents = method(
        customer_routes_without_consents(),
        "/clientele.customers.v1.Consents/GetConsents",
        move |_: tonic::Request<customers::GetConsentsRequest>| async move {
            let entry = customers::ConsentEntry { actor: actor(shared::ActorKind::User, 1), ..Default::default() };
            let state = customers::ConsentState { entry: Some(entry), ..customers::ConsentState::default() };
            Ok(customers::GetConsentsResponse { states: vec![state, customers::ConsentState::default()] })
        },
    );
    world.serve("customers", consents);
    let dialogs = method(
        Router::new(),
        "/clientele.messaging.v1.Dialogs/ListDialogs",
        move |_: tonic::Request<messaging::ListDialogsRequest>| async move {
            let last_message = Some(messaging::DialogMessage { user_id: person(3), ..Default::default() });
            let dialog = messaging::Dialog { assignee_id: person(2), last_message, ..Default::default() };
            let dialogs = vec![dialog, messaging::Dialog::default()];
            Ok(messaging::ListDialogsResponse { dialogs, total_size: 2, ..Default::default() })
        },
    );
    let letters = method(
        dialogs,
        "/clientele.messaging.v1.Emails/ListEmails",
        move |_: tonic::Request<messaging::ListEmailsRequest>| async move {
            let by = |kind, n| messaging::Email { actor: actor(kind, n), ..messaging::Email::default() };
            let emails = vec![by(shared::ActorKind::User, 4), by(shared::ActorKind::Service, 5)];
            Ok(messaging::ListEmailsResponse { emails, total_size: 2, ..Default::default() })
        },
    );
    world.serve("messaging", letters);
    let card = card(&world).await;
    assert_eq!(states(&card), ["OK"; 8]);
    let people: Vec<_> = card["people"]["people"].as_array().unwrap().iter().map(|p| p["userId"].clone()).collect();
    assert_eq!(people, [ANA.to_owned(), person(1), person(2), person(3), person(4)]);
}

#[tokio::test]
async fn of_dialogs_that_may_not_be_seen_and_letters_that_cannot_be_had_the_card_tells_the_letters() {
    let world = world();
    world.allow("clk_some", &["customers.customer.read", "messaging.email.read"]);
    world.serve_method(
        "messaging",
        "/clientele.messaging.v1.Emails/ListEmails",
        |_: tonic::Request<messaging::ListEmailsRequest>| async {
            Err::<messaging::ListEmailsResponse, _>(status(Error::unavailable("gone")))
        },
    );
    let request = request("GET", &format!("/v1/customers/{CUSTOMER}/card")).header("authorization", "Bearer clk_some");
    let card = world.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(states(&card)[6], "UNAVAILABLE");
}

#[tokio::test]
async fn a_customer_that_does_not_exist_has_no_card() {
    let world = world();
    let answer = world.get("/v1/customers/01900000-0000-7000-8000-0000000000ff/card").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    let answer = world.get("/v1/customers/seven/card").await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["customerId".to_owned()]));
}
