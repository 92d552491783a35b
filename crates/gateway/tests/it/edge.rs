//! What surrounds every request: limits, headers, pages, probes, the server.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clientele_contracts::customers::v1 as customers;
use clientele_platform::grpc::infrastructure;
use clientele_testkit::eventually;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::services::method;
use crate::world::{World, from, request};

const LIST: &str = "/clientele.customers.v1.Customers/ListCustomers";

fn empty(method: &str, path: &str) -> http::Request<Body> {
    request(method, path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_caller_is_told_what_is_left_and_refused_beyond_it() {
    let world = World::with(|settings| {
        settings.gateway.principal_burst = NonZeroU32::new(2).unwrap();
        settings.gateway.principal_rate = NonZeroU32::new(1).unwrap();
    });
    world.serve_method("customers", LIST, |_: tonic::Request<customers::ListCustomersRequest>| async {
        Ok(customers::ListCustomersResponse::default())
    });
    // The first request proves the key and is counted by address.
    assert!(world.get("/v1/customers").await.header("ratelimit").starts_with("\"address\""));
    let second = world.get("/v1/customers").await;
    assert_eq!(second.header("ratelimit-policy"), "\"principal\";q=2;w=2");
    assert_eq!(second.header("ratelimit"), "\"principal\";r=1;t=1");
    assert_eq!(world.get("/v1/customers").await.status, StatusCode::OK);
    let refused = world.get("/v1/customers").await;
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"principal\";r=0;t=2");
}

#[tokio::test]
async fn trying_out_keys_is_limited_by_address() {
    let world = World::with(|settings| {
        settings.gateway.address_burst = NonZeroU32::new(3).unwrap();
        settings.gateway.address_rate = NonZeroU32::new(1).unwrap();
    });
    let attempt = |address: &'static str, key: usize| {
        let request = request("GET", "/v1/customers").header("authorization", format!("Bearer clk_{key}"));
        world.send(from(address, request.body(Body::empty()).unwrap()))
    };
    for key in 0..3 {
        assert_eq!(attempt("192.0.2.1", key).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(attempt("192.0.2.1", 3).await.reason(), "RATE_LIMITED");
    assert_eq!(attempt("192.0.2.2", 4).await.status, StatusCode::UNAUTHORIZED, "another address is not affected");
}

#[tokio::test]
async fn beyond_its_capacity_the_gateway_sheds_at_once_and_still_answers_probes() {
    let world = Arc::new(World::with(|settings| settings.common.server.max_concurrent_requests = NonZeroU16::MIN));
    let (arrived, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arriving, leaving) = (arrived.clone(), leave.clone());
    world.serve_method("customers", LIST, move |_: tonic::Request<customers::ListCustomersRequest>| {
        let (arrived, leave) = (arriving.clone(), leaving.clone());
        async move {
            arrived.notify_one();
            leave.notified().await;
            Ok(customers::ListCustomersResponse::default())
        }
    });
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.get("/v1/customers").await.status }
    });
    arrived.notified().await;
    let shed = world.get("/v1/customers").await;
    assert_eq!((shed.status, shed.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert_eq!(shed.header("retry-after"), "1");
    assert_eq!(world.send(empty("GET", "/livez")).await.status, StatusCode::OK);
    leave.notify_one();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn every_answer_carries_an_id_and_the_headers_that_protect_browsers() {
    let world = World::new();
    for path in ["/", "/v1/customers", "/v1/nothing", "/livez", "/assets/gone.js", "/api"] {
        let answer = world.send(empty("GET", path)).await;
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    let given = request("GET", "/livez").header("x-request-id", "trace-7").body(Body::empty()).unwrap();
    assert_eq!(world.send(given).await.header("x-request-id"), "trace-7");
    let hostile = request("GET", "/livez").header("x-request-id", "a b\"c").body(Body::empty()).unwrap();
    assert_eq!(world.send(hostile).await.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn a_page_has_a_nonce_of_its_own_that_the_policy_names() {
    let world = World::new();
    let page = || async {
        let answer =
            world.send(request("GET", "/customers/7").header("accept", "text/html").body(Body::empty()).unwrap()).await;
        let policy = answer.header("content-security-policy").to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(!answer.text.contains("__CSP_NONCE__"));
        assert_eq!(answer.header("cache-control"), "no-store");
        nonce
    };
    let (one, other) = (page().await, page().await);
    assert!(one.len() >= 20 && one != other);
}

#[tokio::test]
async fn a_missing_file_and_a_missing_api_path_are_not_answered_with_the_page() {
    let world = World::new();
    for path in ["/assets/gone.js", "/v1/gone"] {
        let answer = world.send(request("GET", path).header("accept", "text/html").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::NOT_FOUND, "NO_SUCH_PATH"), "{path}");
    }
    assert_eq!(world.send(empty("POST", "/customers")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.send(empty("POST", "/api")).await.reason(), "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn the_contracts_are_published_as_a_document_and_as_descriptors() {
    let world = World::new();
    let document = world.send(empty("GET", "/v1/openapi.json")).await;
    assert_eq!((document.status, document.json()["openapi"].as_str()), (StatusCode::OK, Some("3.1.0")));
    let descriptors = world.send(empty("GET", "/v1/descriptors.binpb")).await;
    assert_eq!(descriptors.header("content-type"), "application/x-protobuf");
    assert!(descriptors.text.contains("clientele.customers.v1"));
    let page = world.send(empty("GET", "/api")).await;
    assert!(page.text.contains("/api/api.js"));
}

#[tokio::test]
async fn readiness_tells_of_each_service_and_ends_with_the_last() {
    let world = World::new();
    world.network.remove("identity");
    let down = world.send(empty("GET", "/readyz")).await;
    assert_eq!(
        (down.status, down.json()["services"]["customers"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("unreachable"))
    );
    let routes = method(Router::new(), LIST, |_: tonic::Request<customers::ListCustomersRequest>| async {
        Ok(customers::ListCustomersResponse::default())
    });
    world.network.serve("customers", infrastructure(Routes::from(routes), HealthReporter::new()).unwrap());
    let up = world.send(empty("GET", "/readyz")).await;
    assert_eq!(
        (up.status, up.json()["services"]["customers"].as_str()),
        (StatusCode::OK, Some("serving")),
        "{}",
        up.text
    );
    world.stop.cancel();
    assert_eq!(world.send(empty("GET", "/readyz")).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Serves the world on a socket.
async fn serve(world: &World) -> (SocketAddr, JoinHandle<Result<(), clientele_kernel::Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, config, stop) = (world.router.clone(), world.config.clone(), world.stop.clone());
    (address, tokio::spawn(async move { clientele_gateway::serve(listener, router, &config, None, stop).await }))
}

/// Longer than anything here takes on a busy machine.
const FOREVER: Duration = Duration::from_secs(20);

async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may refuse before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn over_a_socket_heads_are_bounded_and_running_requests_end_before_the_server_does() {
    let mut world = World::new();
    world.config.max_header_bytes = 16_384;
    let (arrived, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arriving, leaving) = (arrived.clone(), leave.clone());
    world.serve_method("customers", LIST, move |_: tonic::Request<customers::ListCustomersRequest>| {
        let (arrived, leave) = (arriving.clone(), leaving.clone());
        async move {
            arrived.notify_one();
            leave.notified().await;
            Ok(customers::ListCustomersResponse::default())
        }
    });
    world.allow("clk_1", &["*"]);
    let (address, server) = serve(&world).await;

    let large = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(40_000));
    assert!(talk(address, large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(talk(address, b"\x16\x03\x01\x00\x05hello\r\n\r\n").await.starts_with("HTTP/1.1 400"));

    let running = tokio::spawn(talk(
        address,
        b"GET /v1/customers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_1\r\nconnection: close\r\n\r\n",
    ));
    arrived.notified().await;
    world.stop.cancel();
    eventually("new connections are refused", || async { TcpStream::connect(address).await.is_err().then_some(()) })
        .await;
    assert!(!server.is_finished());
    leave.notify_one();
    assert!(running.await.unwrap().starts_with("HTTP/1.1 200"));
    tokio::time::timeout(FOREVER, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_brings_no_request_is_closed() {
    let mut world = World::new();
    world.config.header_timeout = Duration::from_millis(200);
    let (address, _server) = serve(&world).await;
    for start in ["", "PRI * HT", "GET /livez HTTP/1.1\r\nhost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let ended = tokio::time::timeout(FOREVER, talk(address, start.as_bytes())).await;
        assert!(ended.is_ok(), "{start:?} holds a connection");
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn a_client_that_only_answers_pings_is_told_to_go_when_its_connection_is_old() {
    let mut world = World::new();
    world.config.header_timeout = Duration::from_millis(100);
    world.config.max_connection_age = Duration::from_secs(1);
    let (address, _server) = serve(&world).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    // `GET /livez` in the static table of HPACK, as a request that is whole.
    let head = b"\x82\x86\x04\x06/livez\x41\x01x";
    let opening = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), frame(HEADERS, 5, 1, head)].concat();
    stream.write_all(&opening).await.unwrap();
    let (mut seen, mut pings) = (Vec::new(), 0);
    let talking = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            seen.push(head[3]);
            if head[3] == PING && head[4] == 0 {
                pings += 1;
                stream.write_all(&frame(PING, 1, 0, &payload)).await.unwrap();
            }
        }
    };
    tokio::time::timeout(FOREVER, talking).await.expect("the connection is closed");
    assert!(seen.contains(&HEADERS), "the request is answered: {seen:?}");
    assert!(pings > 2, "it is asked whether it is there: {seen:?}");
    assert!(seen.contains(&GO_AWAY), "{seen:?}");
}
