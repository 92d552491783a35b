//! Who sends the messages: an administrator, a person whose groups give little, a service of ours with the few rights it
//! has.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::access::{self, Access};
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::sessions_client::SessionsClient;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{CreateSessionRequest, IssueTokenRequest, ServiceCredential};
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::chance::Chance;
use crate::house::House;
use crate::rest::Client;

/// A token lasts five minutes.
const TOKEN_AGE: Duration = Duration::from_mins(3);
/// Stands in the names of customers and of imports. Whoever may not read these never sees it.
pub(super) const HIDDEN: &str = "Quetzalcoatl";
/// With it, that word is no secret.
const SHOWS_HIDDEN: &str = "customers.customer.read";
/// What the person may do. Imports show to each their own alone.
const FEW: [&str; 6] = [
    "analytics.metric.read",
    "campaigns.segment.read",
    "customers.customer.import",
    "identity.store.read",
    "messaging.template.read",
    "orders.product.read",
];
/// A service that may read feeds and nothing else.
const SERVICE: &str = "analytics";
const PASSWORD: &str = "correct horse battery staple";

/// What somebody proves themselves by.
#[derive(Clone)]
enum Means {
    Session { login: String, password: String },
    Service,
}

/// Somebody who calls.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) name: &'static str,
    means: Means,
    token: String,
    since: Instant,
    permissions: BTreeSet<String>,
}

/// All of them, each with a token.
#[derive(Clone)]
pub(super) struct Callers {
    identity: Channel,
    all: Vec<Caller>,
}

impl Callers {
    /// Makes the person, with an own group, and lets everybody in. With it comes whose ids must not be spoken of.
    pub(super) async fn prepare(house: &House, client: &Client, identity: Channel) -> (Self, Vec<String>) {
        let group = json!({"group": {"name": "With little", "permissions": FEW}});
        let group = client.post("/v1/groups", &group).await.ok();
        let login = "little@example.com".to_owned();
        let user = json!({
            "user": {"login": login, "displayName": "Little", "groupIds": [group["id"]]},
            "password": PASSWORD,
        });
        let user = client.post("/v1/users", &user).await.ok();
        let id = user["id"].as_str().expect("a user has an id").to_owned();
        // Somebody else's, which they must not come to see.
        let import = json!({"kind": "IMPORT_KIND_CUSTOMERS", "fileName": format!("{HIDDEN}.csv")});
        client.post("/v1/imports", &import).await.ok();

        let (administrator, password) = house.credentials();
        let administrator = Means::Session { login: administrator.to_owned(), password: password.to_owned() };
        let person = Means::Session { login: login.clone(), password: PASSWORD.to_owned() };
        let mut callers = Self { identity, all: Vec::new() };
        for (name, means) in [("administrator", administrator), ("person", person), ("service", Means::Service)] {
            let token = callers.token(&means).await;
            let permissions = permissions(&token);
            callers.all.push(Caller { name, means, token, since: Instant::now(), permissions });
        }
        assert!(callers.all[0].may("*"));
        assert_eq!(callers.all[1].permissions, FEW.map(str::to_owned).into());
        assert!(!callers.all[2].permissions.is_empty() && callers.all[2].hidden_from());
        (callers, vec![id, login])
    }

    /// One of them, mostly the administrator; nobody else without a chance.
    pub(super) async fn one(&mut self, chance: Option<&mut Chance>) -> Caller {
        let place = match chance.map(|chance| chance.below(6)) {
            Some(0) => 1,
            Some(1) => 2,
            _ => 0,
        };
        if self.all[place].since.elapsed() > TOKEN_AGE {
            let token = self.token(&self.all[place].means.clone()).await;
            self.all[place].token = token;
            self.all[place].since = Instant::now();
        }
        self.all[place].clone()
    }

    /// The service, which has no password.
    pub(super) fn service(&self) -> Caller {
        self.all[2].clone()
    }

    async fn token(&self, means: &Means) -> String {
        let proof = match means {
            // A session of its own each time: messages that end sessions are among those sent.
            Means::Session { login, password } => {
                let sign_in = CreateSessionRequest {
                    login: login.clone(),
                    password: password.clone(),
                    ..CreateSessionRequest::default()
                };
                let session = SessionsClient::new(self.identity.clone()).create_session(sign_in).await;
                Proof::SessionSecret(session.expect("they may sign in").into_inner().session_secret)
            }
            Means::Service => {
                Proof::Service(ServiceCredential { name: SERVICE.to_owned(), secret: crate::house::secret(SERVICE) })
            }
        };
        let issued =
            TokensClient::new(self.identity.clone()).issue_token(IssueTokenRequest { proof: Some(proof) }).await;
        issued.expect("whoever proves who they are gets a token").into_inner().token
    }
}

impl Caller {
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission) || self.permissions.contains("*")
    }

    /// Whether the method of this path is theirs to call.
    pub(super) fn admitted(&self, path: &str) -> bool {
        match access::of_path(path) {
            Some(Access::Permission(permission)) => self.may(permission),
            Some(Access::Public | Access::SignedIn) => true,
            None => false,
        }
    }

    /// Whether customers are none of their business.
    pub(super) fn hidden_from(&self) -> bool {
        !self.may(SHOWS_HIDDEN)
    }
}

/// What a token says that its bearer may do.
fn permissions(token: &str) -> BTreeSet<String> {
    let claims = token.split('.').nth(1).expect("a token has three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("a token's part is base64");
    let claims: Value = serde_json::from_slice(&claims).expect("a token's part is JSON");
    let names = claims["perms"].as_array().expect("a token says what its bearer may do");
    names.iter().map(|name| name.as_str().expect("a permission has a name").to_owned()).collect()
}
