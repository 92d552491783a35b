//! Who gets in: sessions, API keys, permissions, rates, and the published contracts.

use clientele_contracts::DESCRIPTORS;
use http::Method;
use serde_json::{Value, json};

use crate::house::House;
use crate::rest::Client;

pub(crate) async fn people_and_programs_get_in_by_what_they_prove_and_no_further(house: House) {
    nobody_gets_in_without_a_proof(&house).await;
    a_session_needs_its_token_and_ends_with_sign_out(&house).await;
    let administrator = house.administrator().await;
    a_key_may_do_what_its_scopes_say(&administrator).await;
    a_user_may_do_what_the_groups_allow(&house, &administrator).await;
    contracts_are_published(&house).await;
}

async fn nobody_gets_in_without_a_proof(house: &House) {
    let visitor = house.visitor();
    for path in ["/v1/customers", "/v1/session", "/v1/feeds/orders/0", "/v1/reports/salesSummary"] {
        visitor.get(path).await.problem(401, "UNAUTHENTICATED");
    }
    visitor.with_key("clk_nobody-has-made-this-key").get("/v1/customers").await.problem(401, "PROOF_REFUSED");

    let (login, _) = house.credentials();
    for (login, password) in [(login, "wrong"), ("nobody@example.org", "wrong")] {
        let answer = visitor.post("/v1/session", &json!({"login": login, "password": password})).await;
        let problem = answer.problem(401, "WRONG_LOGIN_OR_PASSWORD");
        assert!(answer.header("set-cookie").is_none(), "{problem}");
    }
}

async fn a_session_needs_its_token_and_ends_with_sign_out(house: &House) {
    let (login, password) = house.credentials();
    let visitor = house.visitor();
    let answer = visitor.post("/v1/session", &json!({"login": login, "password": password})).await;
    let cookie = answer.header("set-cookie").expect("a session has a cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(
        !String::from_utf8_lossy(&answer.body).contains(secret(&cookie)),
        "a script could read the session's secret"
    );

    let person = house.administrator().await;
    let session = person.get("/v1/session").await;
    assert!(session.ok()["userId"].as_str().is_some_and(|id| !id.is_empty()));
    assert!(
        session.header("ratelimit").is_some_and(|left| left.starts_with("\"principal\";r=")),
        "{:?}",
        session.headers
    );
    assert!(session.header("ratelimit-policy").is_some());
    assert!(session.header("x-request-id").is_some());

    let body = json!({"customer": {"displayName": "From Another Site"}});
    person.without_csrf_token().post("/v1/customers", &body).await.problem(403, "CSRF_REFUSED");
    let foreign = person.request(Method::POST, "/v1/customers").header("origin", "https://evil.example").json(&body);
    person.send(foreign).await.problem(403, "CSRF_REFUSED");
    let found = person.get("/v1/customers?query=Another").await.ok();
    assert_eq!(found["customers"], json!([]), "a refused request has had an effect");

    person.delete("/v1/session").await.ok();
    person.get("/v1/session").await.problem(401, "UNAUTHENTICATED");
    // The secret itself is worthless then, not only gone from the browser.
    let stolen = house.visitor();
    let token = answer.ok()["csrfToken"].as_str().expect("a session has a token").to_owned();
    visitor.send(visitor.request(Method::DELETE, "/v1/session").header("x-csrf-token", token)).await.ok();
    let pair = cookie.split(';').next().expect("a cookie has a value");
    stolen.send(stolen.request(Method::GET, "/v1/session").header("cookie", pair)).await.problem(401, "PROOF_REFUSED");
}

fn secret(cookie: &str) -> &str {
    cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie has a value").1
}

async fn a_key_may_do_what_its_scopes_say(administrator: &Client) {
    let made =
        administrator.post("/v1/apiKeys", &json!({"name": "reader", "scopes": ["customers.customer.read"]})).await.ok();
    let key = made["secret"].as_str().expect("a new key has a secret");
    let reader = administrator.with_key(key);
    reader.get("/v1/customers").await.ok();
    let refused = reader.post("/v1/customers", &json!({"customer": {"displayName": "Ana"}})).await;
    refused.problem(403, "PERMISSION_DENIED");
    for path in ["/v1/orders", "/v1/apiKeys", "/v1/users", "/v1/feeds/customers/0", "/v1/products"] {
        reader.get(path).await.problem(403, "PERMISSION_DENIED");
    }
    let more = json!({"name": "more", "scopes": ["orders.order.read"]});
    reader.post("/v1/apiKeys", &more).await.problem(403, "PERMISSION_DENIED");

    let listed = administrator.get("/v1/apiKeys").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(key), "a key is shown twice");
    let unknown = json!({"name": "x", "scopes": ["customers.customer.fly"]});
    let answer = administrator.post("/v1/apiKeys", &unknown).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.fields(), ["scopes[0]"]);
}

async fn a_user_may_do_what_the_groups_allow(house: &House, administrator: &Client) {
    let group = json!({"group": {"name": "Order desk", "permissions": ["orders.order.read"]}});
    let group = administrator.post("/v1/groups", &group).await.ok();
    let user = json!({
        "user": {"login": "desk@example.org", "displayName": "Desk", "groupIds": [group["id"]]},
        "password": "correct horse battery staple",
    });
    administrator.post("/v1/users", &user).await.ok();
    let desk = house.visitor().sign_in("desk@example.org", "correct horse battery staple").await;
    desk.get("/v1/orders").await.ok();
    desk.get("/v1/customers").await.problem(403, "PERMISSION_DENIED");
    desk.get("/v1/groups").await.problem(403, "PERMISSION_DENIED");
    desk.post("/v1/orderStatuses", &json!({"status": {"code": "x"}})).await.problem(403, "PERMISSION_DENIED");
    let session: Value = desk.get("/v1/session").await.ok();
    assert_eq!(session["permissions"], json!(["orders.order.read"]));

    // The card serves what the reader may see, and says of the rest that it is not for them.
    let id = crate::shop::customer(administrator, "Seen By Few").await;
    let card = desk.get(&format!("/v1/customers/{id}/card")).await.ok();
    assert_eq!(card["orders"]["status"]["state"], "SECTION_STATE_OK");
    for section in ["customer", "metrics", "timeline"] {
        assert_eq!(card[section]["status"]["state"], "SECTION_STATE_FORBIDDEN", "{section}");
    }
    assert!(!card.to_string().contains("Seen By Few"));
}

async fn contracts_are_published(house: &House) {
    let visitor = house.visitor();
    let descriptors = visitor.get("/v1/descriptors.binpb").await;
    assert!(descriptors.status.is_success() && descriptors.body == DESCRIPTORS);
    let document = visitor.get("/v1/openapi.json").await.ok();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert!(
        document["paths"]["/v1/customers/{customerId}/card"]["get"].is_object(),
        "{:?}",
        document["paths"].as_object().map(|p| p.keys().collect::<Vec<_>>())
    );
}
