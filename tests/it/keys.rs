//! Keys and secrets that are replaced while requests go on, as `deploy/keys.md` says.

mod passwords;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clientele_contracts::customers::v1::ListCustomersRequest;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{IssueTokenRequest, ServiceCredential};
use clientele_kernel::SystemEntropy;
use clientele_platform::postgres::{Keyring, MasterKey};
use clientele_testkit::eventually_within;
use ed25519_dalek::{Signer, SigningKey};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tonic::Code;
use zeroize::Zeroizing;

use crate::house::{Faults, Form, House, Options, run, secret};
use crate::rest::Client;
use crate::shop::{CAUGHT_UP, customers, moment};

/// Less than the last minute of a token, in which it is renewed: nobody is left with one that has ended.
const STEP: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_take_over_and_are_revoked_while_requests_go_on() {
    let faults = Faults { twice: vec!["identity", "customers"], ..Faults::default() };
    let options = Options { faults, clock: true, ..Options::default() };
    let mut house = House::start_with(Form::Apart, options).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..4).map(|n| format!("Buyer {n}"))).await;
    let traffic = Traffic::begin(&client, &ids).await;

    let mut present = published(&client).await.remove(0);
    for _ in 0..2 {
        let forged = forged(&house, &present).await;
        let keys = kids(&client.post("/v1/signingKeys:rotate", &json!({})).await.ok());
        assert_eq!((keys.len(), &keys[0]), (2, &present));
        // Whoever knows the private half can sign until the key has ended.
        assert_eq!(list_customers(&house, &forged).await, Ok(()));
        assert_eq!(signer(&house).await, present);
        traffic.pass(&mut house, Duration::from_mins(10)).await;
        assert_eq!(signer(&house).await, keys[1]);
        // What the former key has signed serves on until it ends by itself.
        assert_eq!(list_customers(&house, &forged).await, Ok(()));
        traffic.pass(&mut house, Duration::from_mins(10)).await;
        assert_eq!(published(&client).await, keys[1..]);
        assert_eq!(list_customers(&house, &forged).await, Err(Code::Unauthenticated));
        present.clone_from(&keys[1]);
    }
    assert_eq!(traffic.refused().await, Vec::<Value>::new());

    let forged = forged(&house, &present).await;
    assert_eq!(list_customers(&house, &forged).await, Ok(()));
    let environment = [("CLIENTELE_PASSWORD".to_owned(), house.credentials().1.to_owned())];
    let rotation = ["keys", "rotate-tokens", "--revoke", "--server", &house.base];
    let told = run("clientele", &rotation, &environment).await.succeeded().output;
    let keys = published(&client).await;
    assert!(keys.len() == 1 && keys[0] != present && told.contains(&keys[0]), "{keys:?}: {told}");
    house.advance(STEP);
    for replica in 0..2 {
        assert_eq!(list_customers_at(&house, replica, &forged).await, Err(Code::Unauthenticated), "replica {replica}");
    }
    traffic.go_on(40).await;
    // A service's own token may be met at the moment of its refusal: that is said to be passing, and is.
    let refused = traffic.end().await;
    assert!(refused.iter().all(|problem| problem["status"] == 503), "{refused:?}");
    for id in &ids {
        client.get(&format!("/v1/customers/{id}/card")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_and_a_secret_are_replaced_replica_by_replica_while_requests_go_on() {
    const SERVICES: [&str; 3] = ["customers", "identity", "orders"];
    let faults = Faults { twice: SERVICES.to_vec(), ..Faults::default() };
    let options = Options { faults, metrics: true, ..Options::default() };
    let mut house = House::start_with(Form::Apart, options).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let gone = customers(&client, ["Whoever Was".to_owned()]).await.remove(0);
    for id in &ids {
        let etag = client.get(&format!("/v1/customers/{id}")).await.ok()["etag"].clone();
        let renamed = json!({"displayName": "New", "etag": etag});
        client.patch(&format!("/v1/customers/{id}?updateMask=displayName"), &renamed).await.ok();
    }
    let mut database = house.database(None).await;
    let erase = "delete from customers.subject_key where subject_id = $1::uuid";
    assert_eq!(sqlx::query(erase).bind(&gone).execute(&mut database).await.expect("it runs").rows_affected(), 1);

    let file = |name: &str, content: &str| {
        let path = house.folder().join(name);
        std::fs::write(&path, content).expect("a folder of ours is writable");
        path.to_str().expect("the path is text").to_owned()
    };
    let (old, new) = (STANDARD.encode([9; 32]), STANDARD.encode([10; 32]));
    let (old_file, new_file) = (file("master.1", &old), file("master.2", &new));
    let next_secret = "another secret of orders, of thirty-two characters and more";
    let next_secret_file = file("orders.next", next_secret);
    let traffic = Traffic::begin(&client, &ids).await;

    // First every replica learns the new key, and identity the new secret.
    for service in SERVICES {
        if service == "identity" {
            for program in replicas(service) {
                house.configure(&program, "IDENTITY__OTHER_SERVICE_SECRETS", &format!("orders={next_secret_file}"));
            }
        }
        roll(&mut house, service, &[("SECRETS__OTHER_MASTER_KEYS", &format!("2={new_file}"))]).await;
    }
    // Then it wraps; replicas of either configuration work side by side.
    let present = [
        ("SECRETS__MASTER_KEY", new.as_str()),
        ("SECRETS__MASTER_KEY_ID", "2"),
        ("SECRETS__OTHER_MASTER_KEYS", &format!("1={old_file}")),
    ];
    for service in SERVICES {
        if service == "orders" {
            for program in replicas(service) {
                house.configure(&program, "SECRETS__SERVICE_SECRET", next_secret);
            }
        }
        roll(&mut house, service, &present).await;
    }
    // Whoever takes the old one away before its time is not let in.
    house.stop_service("customers-2").await;
    house.configure("customers-2", "SECRETS__OTHER_MASTER_KEYS", "");
    let told = house.refuses_to_start("customers-2").await;
    assert!(told.contains("the master key `1` is not configured"), "{told}");
    house.configure("customers-2", "SECRETS__OTHER_MASTER_KEYS", &format!("1={old_file}"));
    house.start_services(&["customers-2"]).await;

    let mut environment = vec![("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), house.migration_url())];
    environment.extend(present.iter().map(|(key, value)| (format!("CLIENTELE_{key}"), (*value).to_owned())));
    for service in SERVICES {
        let rewrapped = run("clientele", &["keys", "rewrap", "--context", service], &environment).await.succeeded();
        let done = format!(
            "{service}: master key `1`: 0 keys, 0 answers, 0 signing keys: nothing is left under it: it may be destroyed"
        );
        assert!(rewrapped.output.contains(&done), "{}", rewrapped.output);
        let again = run("clientele", &["keys", "rewrap", "--context", service], &environment).await.succeeded();
        assert!(again.output.contains(&format!("{service}: 0 wrapped anew")), "{}", again.output);
    }
    // Last the old key goes, and the old secret.
    for service in SERVICES {
        if service == "identity" {
            for program in replicas(service) {
                house.configure(&program, "IDENTITY__OTHER_SERVICE_SECRETS", "");
                house.configure(&program, "IDENTITY__ORDERS_SECRET", next_secret);
            }
        }
        roll(&mut house, service, &[("SECRETS__OTHER_MASTER_KEYS", "")]).await;
    }
    traffic.go_on(40).await;
    traffic.ends_well().await;

    assert_eq!(token_of(&house, "orders", &secret("orders")).await, Err(Code::Unauthenticated));
    assert!(token_of(&house, "orders", next_secret).await.is_ok());
    for id in &ids {
        let changes = client.all(&format!("/v1/customers/{id}/changes"), "changes").await;
        let name = |change: &Value| {
            let fields = change["fields"].as_array().expect("a change has fields");
            fields.iter().find(|field| field["field"] == "display_name").map(|field| field["newValues"][0].clone())
        };
        let names: Vec<_> = changes.iter().filter_map(name).collect();
        assert_eq!(names.first(), Some(&json!("New")), "{changes:?}");
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from customers.subject_key where subject_id = $1::uuid")
        .bind(&gone)
        .fetch_one(&mut database)
        .await
        .expect("it runs");
    assert_eq!(kept, 0, "who was erased is back");

    // Another key under the name of the present one.
    house.stop_service("customers-2").await;
    house.configure("customers-2", "SECRETS__MASTER_KEY", &STANDARD.encode([11; 32]));
    let told = house.refuses_to_start("customers-2").await;
    assert!(told.contains("configured as `2` is not the one that wraps keys under this name in customers"), "{told}");
}

fn replicas(service: &str) -> [String; 2] {
    [service.to_owned(), format!("{service}-2")]
}

/// Starts the replicas of a service anew, one after the other, with other settings.
async fn roll(house: &mut House, service: &str, settings: &[(&str, &str)]) {
    for program in replicas(service) {
        for (key, value) in settings {
            house.configure(&program, key, value);
        }
        house.restart(&program).await;
    }
}

/// The ids of the keys that are published, oldest first.
async fn published(client: &Client) -> Vec<String> {
    kids(&client.get("/v1/signingKeys").await.ok())
}

fn kids(keys: &Value) -> Vec<String> {
    let keys = keys["keys"].as_array().expect("there are keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an id").to_owned()).collect()
}

async fn token_of(house: &House, service: &str, secret: &str) -> Result<String, Code> {
    let channel = connect(&house.address("identity")).await;
    let proof = ServiceCredential { name: service.to_owned(), secret: secret.to_owned() };
    let request = IssueTokenRequest { proof: Some(Proof::Service(proof)) };
    let issued = TokensClient::new(channel).issue_token(request).await;
    issued.map(|answer| answer.into_inner().token).map_err(|status| status.code())
}

/// The key that signs now.
async fn signer(house: &House) -> String {
    let token = token_of(house, "gateway", &secret("gateway")).await.expect("the gateway is known");
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a token has a header")).expect("it is base64");
    let header: Value = serde_json::from_slice(&header).expect("a header is JSON");
    header["kid"].as_str().expect("a header names the key").to_owned()
}

/// A token that whoever has stolen the private half of a key makes: it may everything, for ever.
async fn forged(house: &House, kid: &str) -> String {
    let mut database = house.database(None).await;
    let sealed: Vec<u8> = sqlx::query_scalar("select sealed_private_key from identity.signing_key where id = $1::uuid")
        .bind(kid)
        .fetch_one(&mut database)
        .await
        .expect("the key is there");
    let master = MasterKey { id: "1".to_owned(), key: Zeroizing::new([9; 32]) };
    let keyring = Keyring::try_new(vec![master], Arc::new(SystemEntropy)).expect("there is a master key");
    let seed = keyring.open_secret(&format!("identity signing key {kid}"), &sealed).expect("it opens");
    let key = SigningKey::from_bytes(seed.as_slice().try_into().expect("a seed has 32 bytes"));
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "iss": "clientele", "sub": "somebody", "kind": "user", "name": "Somebody", "perms": ["*"],
        "iat": 0, "exp": 9_999_999_999_i64, "jti": "forged",
    });
    let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "typ": "JWT", "kid": kid})), part(claims));
    let signature = key.sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn list_customers(house: &House, token: &str) -> Result<(), Code> {
    list_customers_at(house, 0, token).await
}

async fn list_customers_at(house: &House, replica: usize, token: &str) -> Result<(), Code> {
    let channel = connect(&house.addresses("customers")[replica]).await;
    let mut request = tonic::Request::new(ListCustomersRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a token is metadata"));
    CustomersClient::new(channel).list_customers(request).await.map(drop).map_err(|status| status.code())
}

async fn connect(address: &str) -> tonic::transport::Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned()).expect("a service has an address");
    endpoint.connect().await.expect("the service listens")
}

/// Requests that go on all the time: orders, customers, what was, lists.
struct Traffic {
    answered: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    refused: Arc<Mutex<Vec<Value>>>,
    workers: Vec<JoinHandle<()>>,
}

const WORKERS: usize = 3;

impl Traffic {
    async fn begin(client: &Client, customers: &[String]) -> Self {
        let product = json!({"products": [{"source": "shop", "sku": "TRAFFIC", "name": "Goods"}]});
        let made = client.post("/v1/products:batchUpsert", &product).await.ok();
        let product = made["results"][0]["productId"].as_str().expect("a product has an id").to_owned();
        let (answered, ended, refused) = (Arc::default(), Arc::default(), Arc::default());
        let mut traffic = Self { answered, ended, refused, workers: Vec::new() };
        for worker in 0..WORKERS {
            let (answered, ended) = (traffic.answered.clone(), traffic.ended.clone());
            let refused = traffic.refused.clone();
            let (client, customers, product) = (client.clone(), customers.to_vec(), product.clone());
            traffic.workers.push(tokio::spawn(async move {
                let mut n = worker;
                while !ended.load(Ordering::Acquire) {
                    let request = request(&client, &customers, &product, n);
                    match client.try_send(request).await {
                        // The machine may be busy with other tests.
                        Ok(answer) if answer.status.is_success() || answer.status == 504 => {}
                        Ok(answer) => refused.lock().await.push(answer.json()),
                        Err(error) => refused.lock().await.push(json!({"lost": format!("{error:?}")})),
                    }
                    answered.fetch_add(1, Ordering::Release);
                    n += WORKERS;
                }
            }));
        }
        traffic.go_on(20).await;
        traffic
    }

    /// Waits for so many further answers.
    async fn go_on(&self, answers: usize) {
        let wanted = self.answered.load(Ordering::Acquire) + answers;
        eventually_within(CAUGHT_UP, "further answers", || async {
            (self.answered.load(Ordering::Acquire) >= wanted).then_some(())
        })
        .await;
    }

    /// Lets time pass in steps, with requests in each.
    async fn pass(&self, house: &mut House, time: Duration) {
        let mut left = time + STEP;
        while !left.is_zero() {
            let step = left.min(STEP);
            house.advance(step);
            left -= step;
            self.go_on(3 * WORKERS).await;
        }
    }

    async fn refused(&self) -> Vec<Value> {
        self.refused.lock().await.clone()
    }

    /// Ends it; panics when something was refused.
    async fn ends_well(self) {
        let mut refused = self.end().await;
        // A call may meet a program at the moment of its end, where nothing keeps callers from it before, as an orchestrator
        // does: that is another test's matter.
        refused.retain(|problem| problem["detail"] != "a service that is needed cannot be reached at the moment");
        assert_eq!(refused, Vec::<Value>::new());
    }

    /// Ends it and gives what was refused.
    async fn end(self) -> Vec<Value> {
        self.ended.store(true, Ordering::Release);
        for worker in self.workers {
            worker.await.expect("nobody panics while asking");
        }
        self.refused.lock().await.clone()
    }
}

fn request(client: &Client, customers: &[String], product: &str, n: usize) -> reqwest::RequestBuilder {
    let customer = &customers[n % customers.len()];
    match n % 5 {
        0 => {
            let order = json!({"order": {
                "customerId": customer,
                "status": "completed",
                "placedAt": moment(i64::try_from(n).expect("it is small")),
                "currency": "EUR",
                "lines": [{"productId": product, "quantity": "1", "unitPrice": "9.90"}],
            }});
            let request = client.request(Method::POST, "/v1/orders");
            request.header("idempotency-key", format!("traffic-{n}")).json(&order)
        }
        1 => client.request(Method::GET, &format!("/v1/customers/{customer}/changes?pageSize=5")),
        2 => {
            let made = json!({"customer": {"displayName": format!("Passer-by {n}")}});
            client.request(Method::POST, "/v1/customers").json(&made)
        }
        3 => client.request(Method::GET, "/v1/customers?pageSize=5"),
        _ => client.request(Method::GET, &format!("/v1/customers/{customer}")),
    }
}
