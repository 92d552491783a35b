//! From REST to gRPC and back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clientele_contracts::customers::v1 as customers;
use clientele_kernel::{Error, Origin};
use clientele_platform::caller::Caller;
use clientele_platform::grpc::status;
use http::StatusCode;

use crate::services::method;
use crate::world::{CUSTOMER, World, request};

const GET: &str = "/clientele.customers.v1.Customers/GetCustomer";
const LIST: &str = "/clientele.customers.v1.Customers/ListCustomers";
const CREATE: &str = "/clientele.customers.v1.Customers/CreateCustomer";
const UPDATE: &str = "/clientele.customers.v1.Customers/UpdateCustomer";

/// Customers that remember what they were asked, and answer with the customer they were given.
#[derive(Clone, Default)]
struct Remembered {
    update: Arc<Mutex<Option<customers::UpdateCustomerRequest>>>,
    create: Arc<Mutex<Option<customers::CreateCustomerRequest>>>,
    caller: Arc<Mutex<Option<Caller>>>,
    timeout: Arc<Mutex<Option<String>>>,
}

impl Remembered {
    fn routes(&self) -> Router {
        let (get, update, create) = (self.clone(), self.clone(), self.clone());
        let router = method(Router::new(), GET, move |request: tonic::Request<customers::GetCustomerRequest>| {
            *get.caller.lock().unwrap() = Caller::of(&request).ok();
            let timeout = request.metadata().get("grpc-timeout").and_then(|v| v.to_str().ok()).map(str::to_owned);
            *get.timeout.lock().unwrap() = timeout;
            let id = request.into_inner().id;
            async move { Ok(customers::Customer { id, hidden_phones: 3, ..customers::Customer::default() }) }
        });
        let router = method(router, UPDATE, move |request: tonic::Request<customers::UpdateCustomerRequest>| {
            let request = request.into_inner();
            *update.update.lock().unwrap() = Some(request.clone());
            async move { Ok(request.customer.unwrap_or_default()) }
        });
        method(router, CREATE, move |request: tonic::Request<customers::CreateCustomerRequest>| {
            let request = request.into_inner();
            *create.create.lock().unwrap() = Some(request.clone());
            async move { Ok(request.customer.unwrap_or_default()) }
        })
    }
}

#[tokio::test]
async fn a_reading_request_reaches_its_service_and_comes_back_as_json() {
    let world = World::new();
    let customers = Remembered::default();
    world.serve("customers", customers.routes());
    let answer = world.get(&format!("/v1/customers/{CUSTOMER}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let customer = answer.json();
    assert_eq!((customer["id"].as_str(), customer["hiddenPhones"].as_i64()), (Some(CUSTOMER), Some(3)));
    assert_eq!((customer["displayName"].as_str(), customer["phones"].as_array().map(Vec::len)), (Some(""), Some(0)));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");

    let caller = customers.caller.lock().unwrap().clone().unwrap();
    assert_eq!((caller.origin, caller.integration), (Origin::Api, None));
    let timeout = customers.timeout.lock().unwrap().clone().unwrap();
    assert!(!timeout.is_empty(), "the service is told how long it may take");
}

#[tokio::test]
async fn a_program_may_say_that_it_imports_and_which_integration_it_is() {
    let world = World::new();
    let customers = Remembered::default();
    world.serve("customers", customers.routes());
    world.allow("clk_1", &["customers.customer.read"]);
    let with = |origin: &'static str, label: &str| {
        let request = request("GET", &format!("/v1/customers/{CUSTOMER}")).header("authorization", "Bearer clk_1");
        request
            .header("x-clientele-origin", origin)
            .header("x-clientele-integration", label)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(world.send(with("import", "shop-sync")).await.status, StatusCode::OK);
    let caller = customers.caller.lock().unwrap().clone().unwrap();
    assert_eq!((caller.origin, caller.integration.as_deref()), (Origin::Import, Some("shop-sync")));
    assert_eq!(world.send(with("automation", "x")).await.reason(), "INVALID_HEADER");
    assert_eq!(world.send(with("api", &"x".repeat(101))).await.reason(), "INVALID_HEADER");
}

#[tokio::test]
async fn path_query_body_and_idempotency_key_arrive_in_one_message() {
    let world = World::new();
    let customers = Remembered::default();
    world.serve("customers", customers.routes());
    world.allow("clk_1", &["*"]);
    let update = request("PATCH", "/v1/customers/7?updateMask=displayName,manager_id")
        .header("authorization", "Bearer clk_1")
        .header("content-type", "application/json; charset=utf-8")
        .header("idempotency-key", "once")
        .body(Body::from(r#"{"displayName":"Ana","manager_id":"9","etag":"3"}"#))
        .unwrap();
    let answer = world.send(update).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let seen = customers.update.lock().unwrap().clone().unwrap();
    let customer = seen.customer.unwrap();
    assert_eq!((customer.id.as_str(), customer.display_name.as_str(), customer.manager_id.as_str()), ("7", "Ana", "9"));
    assert_eq!(seen.update_mask.unwrap().paths, ["display_name", "manager_id"]);
    assert_eq!(seen.request_id, "once");
}

#[tokio::test]
async fn what_a_service_refuses_is_a_problem_with_fields_as_json_names_them() {
    let world = World::new();
    world.serve_method("customers", CREATE, |_: tonic::Request<customers::CreateCustomerRequest>| async {
        Err::<customers::Customer, _>(status(Error::invalid("customer.display_name", "is empty")))
    });
    let answer = world.change("POST", "/v1/customers", r#"{"customer":{}}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!((answer.reason().as_str(), answer.fields()), ("INVALID_FIELD", vec!["customer.displayName".to_owned()]));
}

#[tokio::test]
async fn a_conflict_of_versions_is_told_apart_from_a_taken_name() {
    let world = World::new();
    world.serve_method("customers", UPDATE, |request: tonic::Request<customers::UpdateCustomerRequest>| async move {
        let error = match request.into_inner().customer.unwrap_or_default().id.as_str() {
            "1" => Error::etag_mismatch("3", "4"),
            _ => Error::already_exists("REFERENCE_TAKEN", "another customer has this reference"),
        };
        Err::<customers::Customer, _>(status(error))
    });
    let conflict = world.change("PATCH", "/v1/customers/1", "{}").await;
    assert_eq!((conflict.status, conflict.reason().as_str()), (StatusCode::CONFLICT, "ETAG_MISMATCH"));
    assert_eq!(conflict.json()["metadata"]["current_etag"], "4");
    let taken = world.change("PATCH", "/v1/customers/2", "{}").await;
    assert_eq!((taken.status, taken.reason().as_str()), (StatusCode::CONFLICT, "REFERENCE_TAKEN"));
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_refused_with_their_paths() {
    let world = World::new();
    world.serve("customers", Remembered::default().routes());
    let body = r#"{"customer":{"nick":"x","phones":[{"nr":"1"}]},"extra":1}"#;
    let answer = world.change("POST", "/v1/customers", body).await;
    let mut fields = answer.fields();
    fields.sort();
    assert_eq!(fields, ["customer.nick", "customer.phones[0].nr", "extra"]);
    assert_eq!(world.get("/v1/customers?pagesize=1").await.fields(), ["pagesize"]);
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_reach_no_service() {
    let world = World::new();
    let customers = Remembered::default();
    world.serve("customers", customers.routes());
    let deep = format!(r#"{{"customer":{}{}}}"#, r#"{"phones":["#.repeat(5_000), "]}".repeat(5_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\x00\x01\x02".to_vec(),
        b"{\"customer\":{\"displayName\":\"\xff\xfe\"}}".to_vec(),
        br#"{"customer":{"displayName":"\ud800"}}"#.to_vec(),
        br#"{"customer":{"hiddenPhones":1e400}}"#.to_vec(),
        br#"{"customer":{"hiddenPhones":99999999999999999999}}"#.to_vec(),
        br#"{"customer":{"registeredAt":"9999999-01-01T00:00:00Z"}}"#.to_vec(),
        br#"{"customer":[{}]}"#.to_vec(),
        br#"{"customer":{"phones":{"0":{}}}}"#.to_vec(),
        br#"{"customer":{}} trailing"#.to_vec(),
        deep.into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).chars().take(60).collect::<String>();
        let answer = world.change("POST", "/v1/customers", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}: {}", answer.text);
        assert!(!answer.fields().is_empty(), "{shown}: {}", answer.text);
    }
    assert!(customers.create.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_body_is_bounded_and_must_be_declared_as_json() {
    let world = World::with(|settings| settings.gateway.max_body_bytes = 1000);
    world.serve("customers", Remembered::default().routes());
    let large = format!(r#"{{"customer":{{"displayName":"{}"}}}}"#, "x".repeat(1000));
    let answer = world.change("POST", "/v1/customers", large.clone()).await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"));
    let chunks = large.into_bytes().chunks(100).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>();
    let streamed = Body::from_stream(futures::stream::iter(chunks));
    assert_eq!(world.change("POST", "/v1/customers", streamed).await.status, StatusCode::PAYLOAD_TOO_LARGE);

    for declared in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let request = request("POST", "/v1/customers").header("authorization", "Bearer clk_all");
        let request = request.header("content-type", declared).body(Body::from("{}")).unwrap();
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "NOT_JSON"));
    }
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let world = World::new();
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/customers/1/2/3", "/v1/customers/%FF"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::NOT_FOUND, "NO_SUCH_PATH"), "{path}");
    }
    let answer = world.change("DELETE", "/v1/customers/1", "").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.header("allow"), "GET, PATCH");
}

#[tokio::test]
async fn a_service_that_is_down_or_late_is_told_with_when_to_try_again() {
    let world = World::with(|settings| settings.common.server.request_deadline = Duration::from_millis(300));
    let down = world.get(&format!("/v1/customers/{CUSTOMER}")).await;
    assert_eq!((down.status, down.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
    assert_eq!(down.header("retry-after"), "1");
    world.serve_method("customers", GET, |_: tonic::Request<customers::GetCustomerRequest>| async {
        std::future::pending::<Result<customers::Customer, tonic::Status>>().await
    });
    let late = world.get(&format!("/v1/customers/{CUSTOMER}")).await;
    assert_eq!((late.status, late.reason().as_str()), (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn what_goes_wrong_inside_a_service_is_not_told() {
    let world = World::new();
    world.serve_method("customers", LIST, |_: tonic::Request<customers::ListCustomersRequest>| async {
        Err::<customers::ListCustomersResponse, _>(status(Error::internal("relation customers.secret_table")))
    });
    let answer = world.get("/v1/customers").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
    assert!(!answer.text.contains("secret_table"));
}

#[tokio::test]
async fn the_service_itself_decides_what_the_caller_may() {
    let world = World::new();
    world.serve("customers", Remembered::default().routes());
    world.allow("clk_poor", &["orders.order.read"]);
    let with = |key: &str| {
        let request =
            request("GET", &format!("/v1/customers/{CUSTOMER}")).header("authorization", format!("Bearer {key}"));
        request.body(Body::empty()).unwrap()
    };
    let poor = world.send(with("clk_poor")).await;
    assert_eq!((poor.status, poor.reason().as_str()), (StatusCode::FORBIDDEN, "PERMISSION_DENIED"));
    let unknown = world.send(with("clk_unknown")).await;
    assert_eq!((unknown.status, unknown.reason().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    let nobody = world.send(request("GET", "/v1/customers").body(Body::empty()).unwrap()).await;
    assert_eq!((nobody.status, nobody.reason().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn what_is_open_to_all_needs_no_proof_and_is_not_hindered_by_a_wrong_one() {
    let world = World::new();
    for header in ["Bearer clk_gone", "Basic x"] {
        let request = request("GET", "/v1/signingKeys").header("authorization", header).body(Body::empty()).unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["keys"][0]["kty"], "OKP");
    }
}
