//! Who may call what: every method there is, by everybody who may come, through the real guard with real tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use clientele_contracts::access::{self, Access};
use clientele_platform::grpc::{Guard, Network, Transport, Verifier};
use clientele_platform::telemetry::Metrics;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::house::{ADMINISTRATOR, House};

/// A guard with nothing behind it: whoever is admitted finds the method unimplemented, and nothing is changed.
fn guarded(house: &House) -> Network {
    let verifier = Verifier::new(house.anonymous(), house.database.clock.clone());
    let guard = Guard::new(verifier, Duration::from_secs(10), 512, Metrics::unread());
    let network = Network::new();
    network.serve("matrix", guard.protect(Routes::default()));
    network
}

async fn call(mut transport: Transport, path: &str, token: Option<&str>) -> Code {
    let mut request = http::Request::post(path).header("content-type", "application/grpc");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let ready = transport.ready().await.expect("a local transport is always ready");
    let answer = ready.call(request.body(Body::empty()).expect("a path is a URI")).await.expect("the guard answers");
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn every_method_admits_exactly_whom_its_contract_says() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let everything = house.administrator_token().await;
    // Somebody who signed in and may do nothing.
    let nothing = {
        let secret = house.somebody("nothing@example.org", &[]).await.secret;
        house.of_session(&secret).await.unwrap().token
    };
    let mut singles = BTreeMap::new();
    for permission in access::permissions().into_keys() {
        let key = house.key(&administrator, &[permission]).await.unwrap();
        singles.insert(permission, house.of_key(&key.secret).await.unwrap().token);
    }
    assert!(singles.len() > 20, "{}", singles.len());

    let network = guarded(&house);
    let ask = async |path: &str, token: Option<&str>| call(network.transport("matrix"), path, token).await;
    for (path, rule) in access::rules() {
        let (anonymous, signed_in) = match rule {
            Access::Public => (Code::Unimplemented, Code::Unimplemented),
            Access::SignedIn => (Code::Unauthenticated, Code::Unimplemented),
            Access::Permission(_) => (Code::Unauthenticated, Code::PermissionDenied),
        };
        assert_eq!(ask(path, None).await, anonymous, "{path}: anonymous");
        assert_eq!(ask(path, Some(&nothing)).await, signed_in, "{path}: signed in without permissions");
        assert_eq!(ask(path, Some(&everything)).await, Code::Unimplemented, "{path}: {ADMINISTRATOR}");
        for (permission, token) in &singles {
            let expected = match rule {
                Access::Permission(needed) if needed != permission => Code::PermissionDenied,
                _ => Code::Unimplemented,
            };
            assert_eq!(ask(path, Some(token)).await, expected, "{path}: {permission}");
        }
    }
}

#[tokio::test]
async fn a_method_that_does_not_exist_admits_nobody() {
    let house = House::new().await;
    let token = house.administrator_token().await;
    let network = guarded(&house);
    for path in ["/clientele.identity.v1.Users/DropEverything", "/clientele.identity.v1.users/GetUser", "/x", "/"] {
        for token in [None, Some(token.as_str())] {
            let code = call(network.transport("matrix"), path, token).await;
            assert!(matches!(code, Code::PermissionDenied | Code::Unauthenticated), "{path}: {code:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_has_ended_keeps_nobody_from_what_is_public() {
    let house = House::new().await;
    let token = house.administrator_token().await;
    house.database.clock.advance(chrono::TimeDelta::hours(1));
    let network = guarded(&house);
    let code = call(network.transport("matrix"), "/clientele.identity.v1.Sessions/CreateSession", Some(&token)).await;
    assert_eq!(code, Code::Unimplemented);
}
