//! Sessions of browsers, keys of programs, and the tokens kept for both.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use chrono::TimeDelta;
use clientele_contracts::customers::v1 as customers;
use futures::future::join_all;
use http::{Request, StatusCode};

use crate::world::{ANA, PASSWORD, World, from, request, sign_in_request};

const LIST: &str = "/clientele.customers.v1.Customers/ListCustomers";
const CREATE: &str = "/clientele.customers.v1.Customers/CreateCustomer";

fn world() -> World {
    let world = World::new();
    world.serve_method("customers", LIST, |_: tonic::Request<customers::ListCustomersRequest>| async {
        Ok(customers::ListCustomersResponse::default())
    });
    world
}

fn get(cookie: &str, path: &str) -> Request<Body> {
    request("GET", path).header("cookie", cookie).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn signing_in_gives_a_cookie_that_scripts_cannot_read_and_a_token_that_they_can() {
    let world = world();
    let answer = world.send(sign_in_request(PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("clientele_session=cls_") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let session = answer.json();
    assert_eq!((session["userId"].as_str(), session["displayName"].as_str()), (Some(ANA), Some("Ana")));
    assert_eq!(session["permissions"][0], "*");
    assert!(!answer.text.contains("cls_"), "the secret is in the cookie alone");

    let cookie = cookie.split(';').next().unwrap();
    let again = world.send(get(cookie, "/v1/session")).await;
    assert_eq!(again.json()["csrfToken"], session["csrfToken"]);
    assert_eq!(world.send(get(cookie, "/v1/customers")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_password_and_a_throttled_login_are_told_as_identity_says() {
    let world = world();
    let wrong = world.send(sign_in_request("wrong")).await;
    assert_eq!((wrong.status, wrong.reason().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    assert_eq!(wrong.header("set-cookie"), "");
    let throttled = world.send(sign_in_request("throttled")).await;
    assert_eq!((throttled.status, throttled.reason().as_str()), (StatusCode::TOO_MANY_REQUESTS, "SIGN_IN_THROTTLED"));
    assert_eq!(throttled.header("retry-after"), "30");
}

#[tokio::test]
async fn without_a_session_there_is_none_to_show_and_nothing_to_end() {
    let world = world();
    let none = world.send(request("GET", "/v1/session").body(Body::empty()).unwrap()).await;
    assert_eq!(none.status, StatusCode::UNAUTHORIZED);
    world.allow("clk_1", &["*"]);
    let key = request("GET", "/v1/session").header("authorization", "Bearer clk_1").body(Body::empty()).unwrap();
    assert_eq!(world.send(key).await.status, StatusCode::UNAUTHORIZED);
    let out = world.send(request("DELETE", "/v1/session").body(Body::empty()).unwrap()).await;
    assert_eq!(out.status, StatusCode::OK);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn a_change_with_the_cookie_needs_the_session_s_token() {
    let world = world();
    world.serve_method("customers", CREATE, |_: tonic::Request<customers::CreateCustomerRequest>| async {
        Ok(customers::Customer::default())
    });
    let (cookie, csrf) = world.sign_in().await;
    let (_, foreign) = world.sign_in().await;
    let create = |token: Option<&str>, origin: Option<&str>| {
        let mut request =
            request("POST", "/v1/customers").header("cookie", &cookie).header("content-type", "application/json");
        request = token.into_iter().fold(request, |request, token| request.header("x-csrf-token", token));
        request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        request.body(Body::from("{}")).unwrap()
    };
    assert_eq!(world.send(create(Some(&csrf), None)).await.status, StatusCode::OK);
    assert_eq!(world.send(create(Some(&csrf), Some("http://crm.example"))).await.status, StatusCode::OK);
    for (token, origin) in
        [(None, None), (Some(foreign.as_str()), None), (Some(csrf.as_str()), Some("http://evil.example"))]
    {
        let refused = world.send(create(token, origin)).await;
        assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::FORBIDDEN, "CSRF_REFUSED"));
    }
}

#[tokio::test]
async fn another_site_can_neither_sign_a_browser_in_nor_out() {
    let world = world();
    let mut forged = sign_in_request(PASSWORD);
    forged.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(world.send(forged).await.reason(), "CSRF_REFUSED");
    let (cookie, _) = world.sign_in().await;
    let out = request("DELETE", "/v1/session").header("cookie", &cookie).body(Body::empty()).unwrap();
    assert_eq!(world.send(out).await.reason(), "CSRF_REFUSED");
    assert_eq!(world.send(get(&cookie, "/v1/session")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let world = world();
    let (cookie, csrf) = world.sign_in().await;
    let out = request("DELETE", "/v1/session").header("cookie", &cookie).header("x-csrf-token", &csrf);
    let answer = world.send(out.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.send(get(&cookie, "/v1/customers")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_in_anew_ends_the_browser_s_older_session() {
    let world = world();
    let (old, _) = world.sign_in().await;
    let mut again = sign_in_request(PASSWORD);
    again.headers_mut().insert("cookie", old.parse().unwrap());
    assert_eq!(world.send(again).await.status, StatusCode::OK);
    assert_eq!(world.send(get(&old, "/v1/session")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hundred_requests_ask_identity_once() {
    let world = Arc::new(world());
    world.allow("clk_1", &["*"]);
    let one = || {
        let request =
            request("GET", "/v1/customers").header("authorization", "Bearer clk_1").body(Body::empty()).unwrap();
        let world = world.clone();
        async move { world.send(request).await.status }
    };
    let answers = join_all((0..100).map(|_| one())).await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    assert_eq!(world.identity.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn with_identity_down_a_token_serves_until_its_end() {
    let world = world();
    assert_eq!(world.get("/v1/customers").await.status, StatusCode::OK);
    let before = world.identity.asked.load(Ordering::SeqCst);
    world.network.remove("identity");
    world.clock.advance(TimeDelta::seconds(290));
    let served = world.get("/v1/customers").await;
    assert_eq!(served.status, StatusCode::OK, "{}", served.text);
    world.clock.advance(TimeDelta::seconds(20));
    let ended = world.get("/v1/customers").await;
    assert_eq!((ended.status, ended.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
    assert_eq!(world.identity.asked.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_a_revoked_key_is_refused_then() {
    let world = world();
    assert_eq!(world.get("/v1/customers").await.status, StatusCode::OK);
    world.clock.advance(TimeDelta::seconds(245));
    assert_eq!(world.get("/v1/customers").await.status, StatusCode::OK);
    assert_eq!(world.identity.asked.load(Ordering::SeqCst), 2);
    world.identity.secrets.lock().unwrap().clear();
    world.clock.advance(TimeDelta::seconds(245));
    let request =
        request("GET", "/v1/customers").header("authorization", "Bearer clk_all").body(Body::empty()).unwrap();
    assert_eq!(world.send(request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_cookie_is_for_https_and_identity_learns_the_address() {
    let world = World::with(|settings| settings.gateway.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]);
    let forwarded = |peer: &str| {
        let mut request = sign_in_request(PASSWORD);
        request.headers_mut().insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
        request.headers_mut().insert("user-agent", "Browser/1".parse().unwrap());
        from(peer, request)
    };
    let answer = world.send(forwarded("10.0.0.1")).await;
    assert!(answer.header("set-cookie").starts_with("__Host-clientele=cls_"), "{answer:?}");
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    assert!(answer.header("strict-transport-security").contains("max-age"));
    let seen = world.identity.sign_in.lock().unwrap().clone().unwrap();
    assert_eq!((seen.client_address.as_str(), seen.user_agent.as_str()), ("203.0.113.9", "Browser/1"));

    let answer = world.send(forwarded("198.51.100.7")).await;
    assert!(
        answer.header("set-cookie").starts_with("clientele_session="),
        "a stranger's word on the scheme is not taken"
    );
    assert_eq!(world.identity.sign_in.lock().unwrap().clone().unwrap().client_address, "198.51.100.7");
}
