//! What the widget on pages of other sites speaks.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clientele_contracts::messaging::v1 as messaging;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;
use clientele_platform::bus::Bus;
use clientele_platform::grpc::status;
use futures::StreamExt;
use http::StatusCode;
use prost::{Message, Name};
use prost_types::Any;
use tower::ServiceExt;

use crate::services::method;
use crate::world::{Answer, World, from, request};

const VISIT: &str = "/clientele.messaging.v1.Visitors/StartVisit";
const LIST: &str = "/clientele.messaging.v1.Visitors/ListVisitorMessages";
const DIALOG: &str = "01900000-0000-7000-8000-0000000000f1";
const SHOP: &str = "https://shop.example";
const FOREVER: Duration = Duration::from_secs(20);

fn visitors(world: &World) -> Arc<Mutex<Vec<String>>> {
    let origins = Arc::<Mutex<Vec<String>>>::default();
    let (visits, lists) = (origins.clone(), origins.clone());
    let router = method(Router::new(), VISIT, move |request: tonic::Request<messaging::StartVisitRequest>| {
        visits.lock().unwrap().push(request.into_inner().page_origin);
        async { Ok(messaging::Visit { visitor_secret: "s1".into(), ..Default::default() }) }
    });
    let router = method(router, LIST, move |request: tonic::Request<messaging::ListVisitorMessagesRequest>| {
        let request = request.into_inner();
        lists.lock().unwrap().push(request.page_origin);
        async move {
            let dialog_id = match request.visitor_secret.as_str() {
                "s1" => DIALOG.to_owned(),
                "silent" => String::new(),
                _ => return Err(status(Error::unauthenticated("the secret is wrong"))),
            };
            Ok(messaging::ListVisitorMessagesResponse { dialog_id, ..Default::default() })
        }
    });
    world.serve("messaging", router);
    origins
}

fn post(path: &str, body: &str) -> http::Request<Body> {
    let request = request("POST", &format!("/v1/widget/site1/{path}")).header("content-type", "application/json");
    request.header("origin", SHOP).header("sec-fetch-site", "cross-site").body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn a_page_of_another_site_may_use_what_the_widget_speaks_and_nothing_else() {
    let world = World::new();
    visitors(&world);
    let preflight = |path: &str| {
        request("OPTIONS", path)
            .header("origin", SHOP)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .body(Body::empty())
            .unwrap()
    };
    let allowed = world.send(preflight("/v1/widget/site1/messages:list")).await;
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.header("access-control-allow-origin"), "*");
    assert_eq!(allowed.header("access-control-allow-methods"), "POST");
    assert_eq!(allowed.header("access-control-allow-headers"), "content-type");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    for path in ["/v1/customers", "/v1/stream", "/v1/session", "/assets/index.js"] {
        assert_eq!(world.send(preflight(path)).await.header("access-control-allow-origin"), "", "{path}");
    }
    let answer = world.send(post("visits", "{}")).await;
    assert_eq!((answer.status, answer.json()["visitorSecret"].as_str()), (StatusCode::OK, Some("s1")));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let refused = world.send(post("visits", "{")).await;
    assert_eq!((refused.reason().as_str(), refused.header("access-control-allow-origin")), ("INVALID_JSON", "*"));
}

#[tokio::test]
async fn a_stranger_brings_no_more_than_a_message_takes() {
    let world = World::new();
    visitors(&world);
    let with = |length: usize| post("messages:list", &format!(r#"{{"visitorSecret":"s1{}"}}"#, " ".repeat(length)));
    let refused = world.send(with(128 * 1024)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Each of 4,000 characters beyond the basic plane may be written as two escapes of six bytes.
    assert_eq!(world.send(with(48_000)).await.status, StatusCode::UNAUTHORIZED, "it is read, and known to be wrong");
}

#[tokio::test]
async fn which_page_it_is_the_browser_says_and_not_the_page() {
    let world = World::new();
    let origins = visitors(&world);
    world.send(post("visits", r#"{"pageOrigin":"https://allowed.example"}"#)).await;
    let silent = request("POST", "/v1/widget/site1/visits").header("content-type", "application/json");
    world.send(silent.body(Body::from(r#"{"pageOrigin":"https://allowed.example"}"#)).unwrap()).await;
    assert_eq!(*origins.lock().unwrap(), [SHOP, ""]);
}

#[tokio::test]
async fn one_address_begins_so_many_visits_and_whoever_is_visiting_goes_on() {
    let world = World::with(|settings| {
        settings.gateway.visit_burst = NonZeroU32::new(2).unwrap();
        settings.gateway.visit_rate = NonZeroU32::new(1).unwrap();
    });
    visitors(&world);
    let visit = async |address| world.send(from(address, post("visits", "{}"))).await;
    for left in ["\"visits\";r=1;t=1", "\"visits\";r=0;t=2"] {
        let answer = visit("192.0.2.1").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (StatusCode::OK, left));
    }
    let refused = visit("192.0.2.1").await;
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    assert_eq!(refused.header("retry-after"), "1");
    let reading = post("messages:list", r#"{"visitorSecret":"s1"}"#);
    assert_eq!(world.send(from("192.0.2.1", reading)).await.status, StatusCode::OK);
    assert_eq!(visit("192.0.2.2").await.status, StatusCode::OK, "another address is not affected");
}

fn dialog(id: &str, last_sequence: i64) -> Event {
    let data = messaging::DialogRecorded { last_sequence, ..Default::default() };
    Event {
        context: "messaging".to_owned(),
        aggregate_type: "dialog".to_owned(),
        aggregate_id: id.to_owned(),
        data: Some(Any { type_url: messaging::DialogRecorded::type_url(), value: data.encode_to_vec() }),
        ..Event::default()
    }
}

#[tokio::test]
async fn a_visitor_hears_of_their_own_dialog_and_of_nothing_else() {
    let world = World::new();
    let origins = visitors(&world);
    let response = world.router.clone().oneshot(post("listen", r#"{"visitorSecret":"s1"}"#)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(*origins.lock().unwrap(), [SHOP], "messaging is told the page");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    let heard = tokio::time::timeout(FOREVER, async {
        while !text.contains(r#"{"lastSequence":"7"}"#) {
            world.bus.publish(&[dialog("01900000-0000-7000-8000-0000000000f2", 99)]).await.unwrap();
            world.bus.publish(&[dialog(DIALOG, 7)]).await.unwrap();
            text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
    });
    heard.await.expect("the visitor hears of the message");
    assert!(text.starts_with("retry:") && text.contains(r#"data: {"lastSequence":"0"}"#), "{text}");
    assert!(!text.contains("99") && !text.contains(DIALOG), "{text}");
}

#[tokio::test]
async fn without_the_secret_or_a_dialog_there_is_nothing_to_hear() {
    let world = World::new();
    visitors(&world);
    let answer = |body: &'static str| async {
        Answer::read(world.router.clone().oneshot(post("listen", body)).await.unwrap()).await
    };
    let wrong = answer(r#"{"visitorSecret":"guessed"}"#).await;
    assert_eq!((wrong.status, wrong.reason().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    let silent = answer(r#"{"visitorSecret":"silent"}"#).await;
    assert_eq!((silent.status, silent.reason().as_str()), (StatusCode::BAD_REQUEST, "NO_DIALOG"));
}
