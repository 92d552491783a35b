//! Tokens and the keys that sign them.

use std::sync::Arc;

use chrono::TimeDelta;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_identity::{NAME, build};
use clientele_kernel::{ActorKind, Clock as _, SystemEntropy};
use clientele_platform::grpc::{Credential, Verifier};
use clientele_platform::postgres::Database;
use clientele_testkit::{Harness, TestClock};
use tonic::{Code, Response};

use crate::house::{Answer, House, SERVICE_SECRET, because, config, refused};

async fn keys(house: &House) -> Vec<String> {
    let answer = TokensClient::new(house.anonymous())
        .list_signing_keys(pb::ListSigningKeysRequest {})
        .await
        .expect("keys are published");
    answer.into_inner().keys.into_iter().map(|key| key.kid).collect()
}

async fn rotate(house: &House) -> Answer<pb::ListSigningKeysResponse> {
    let mut tokens = TokensClient::new(house.administrator().await);
    tokens.rotate_signing_keys(pb::RotateSigningKeysRequest::default()).await.map(Response::into_inner)
}

fn service(name: &str, secret: &str) -> Proof {
    Proof::Service(pb::ServiceCredential { name: name.to_owned(), secret: secret.to_owned() })
}

/// Which key a token was signed with.
fn signer(token: &str) -> String {
    let header = jsonwebtoken::decode_header(token).expect("a token has a header");
    header.kid.expect("a token names its key")
}

#[tokio::test]
async fn a_token_is_verified_by_the_published_keys_and_ends_after_five_minutes() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.store.read"]).await;
    let issued = house.of_session(&somebody.secret).await.unwrap();
    let verifier = Verifier::new(house.anonymous(), house.database.clock.clone());
    let claims = verifier.verify(&issued.token).await.unwrap();
    assert_eq!(claims.sub, somebody.user.id);
    assert_eq!(claims.actor_kind().unwrap(), ActorKind::User);
    assert_eq!(claims.name, "Somebody");
    assert_eq!(claims.perms, ["identity.store.read"]);

    let open = house.with_token(&issued.token);
    house.database.clock.advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
    house.knock(&open).await.unwrap();
    house.database.clock.advance(TimeDelta::seconds(1));
    assert_eq!(refused(house.knock(&open).await), because(Code::Unauthenticated, "TOKEN_EXPIRED"));
}

#[tokio::test]
async fn a_token_changed_anywhere_is_refused() {
    let house = House::new().await;
    let token = house.administrator_token().await;
    house.knock(&house.with_token(&token)).await.unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let forged = [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)),
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        // {"sub":"x"}
        format!("{}.eyJzdWIiOiJ4In0.{}", parts[0], parts[2]),
        "not a token".to_owned(),
        String::new(),
    ];
    for forged in forged {
        assert_eq!(refused(house.knock(&house.with_token(&forged)).await).0, Code::Unauthenticated, "{forged}");
    }
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_running_tokens_live_on() {
    let house = House::new().await;
    let old = keys(&house).await;
    let before = house.administrator_token().await;
    let published = rotate(&house).await.unwrap().keys;
    assert_eq!(published.len(), 2);
    let new = published.iter().map(|key| key.kid.clone()).find(|kid| !old.contains(kid)).unwrap();
    assert!(
        published
            .iter()
            .all(|key| (key.kty.as_str(), key.crv.as_str(), key.alg.as_str()) == ("OKP", "Ed25519", "EdDSA"))
    );

    // Not yet: every verifier is to know it first.
    assert_eq!(signer(&house.administrator_token().await), old[0]);
    house.knock(&house.with_token(&before)).await.unwrap();

    house.database.clock.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    let last_of_old = house.administrator_token().await;
    assert_eq!(signer(&last_of_old), old[0]);
    house.database.clock.advance(TimeDelta::seconds(31));
    let first_of_new = house.administrator_token().await;
    assert_eq!(signer(&first_of_new), new);
    house.knock(&house.with_token(&last_of_old)).await.unwrap();
    house.knock(&house.with_token(&first_of_new)).await.unwrap();
}

#[tokio::test]
async fn a_rotation_under_way_is_not_started_again() {
    let house = House::new().await;
    rotate(&house).await.unwrap();
    assert_eq!(refused(rotate(&house).await), because(Code::FailedPrecondition, "ROTATION_UNDER_WAY"));
    assert_eq!(keys(&house).await.len(), 2);
}

#[tokio::test]
async fn a_revoked_key_signs_nothing_more_and_what_it_signed_is_refused_within_half_a_minute() {
    let house = House::new().await;
    let old = keys(&house).await;
    // A rotation in peace that is under way does not stand in the way.
    rotate(&house).await.unwrap();
    let before = house.administrator_token().await;
    house.knock(&house.with_token(&before)).await.unwrap();
    let mut tokens = TokensClient::new(house.with_token(&before));
    let request = pb::RotateSigningKeysRequest { revoke: true };
    let left = tokens.rotate_signing_keys(request).await.unwrap().into_inner().keys;
    assert_eq!(left.len(), 1);
    assert!(!old.contains(&left[0].kid));

    let after = house.administrator_token().await;
    assert_eq!(signer(&after), left[0].kid);
    house.knock(&house.with_token(&before)).await.unwrap();
    house.database.clock.advance(TimeDelta::seconds(30));
    assert_eq!(
        refused(house.knock(&house.with_token(&before)).await),
        because(Code::Unauthenticated, "UNAUTHENTICATED")
    );
    house.knock(&house.with_token(&after)).await.unwrap();
}

/// A further replica on the house's database, by a clock of its own.
struct Replica {
    harness: Harness,
}

impl Replica {
    async fn start(house: &House, clock: Arc<TestClock>) -> Self {
        let pool = house.database.replica().pool().clone();
        let keyring = house.database.db.keyring().clone();
        let db = Database::new(pool, NAME, clock.clone(), Arc::new(SystemEntropy), keyring);
        let harness = Harness::new(clock);
        let credential = Credential { service: NAME.to_owned(), secret: SERVICE_SECRET.to_owned().into() };
        let deps = harness.host.deps(db, credential);
        harness.start(build(config(), deps.clone()).await.expect("identity can be built"), &deps);
        Self { harness }
    }

    async fn issue(&self, session: &str) -> Answer<pb::IssueTokenResponse> {
        let request = pb::IssueTokenRequest { proof: Some(Proof::SessionSecret(session.to_owned())) };
        TokensClient::new(self.harness.anonymous(NAME)).issue_token(request).await.map(Response::into_inner)
    }
}

async fn revoke(house: &House) -> String {
    let mut tokens = TokensClient::new(house.administrator().await);
    let request = pb::RotateSigningKeysRequest { revoke: true };
    let left = tokens.rotate_signing_keys(request).await.expect("keys can be revoked").into_inner().keys;
    assert_eq!(left.len(), 1);
    left[0].kid.clone()
}

#[tokio::test]
async fn a_replica_signs_nothing_with_a_key_that_another_revoked_a_moment_ago() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.store.read"]).await;
    let replica = Replica::start(&house, house.database.clock.clone()).await;
    let before = replica.issue(&somebody.secret).await.unwrap().token;
    let new = revoke(&house).await;
    assert_ne!(signer(&before), new);
    let after = replica.issue(&somebody.secret).await.unwrap().token;
    assert_eq!(signer(&after), new);
    // Both replicas take it at once, the one that never heard of the key too.
    house.knock(&house.with_token(&after)).await.unwrap();
    house.knock(&replica.harness.client_as(NAME, &after)).await.unwrap();
}

#[tokio::test]
async fn a_replica_whose_clock_is_behind_signs_with_the_key_that_revoked_all_others() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.store.read"]).await;
    let behind = Arc::new(TestClock::at(house.database.clock.now() - TimeDelta::minutes(1)));
    let replica = Replica::start(&house, behind.clone()).await;
    replica.issue(&somebody.secret).await.unwrap();
    let new = revoke(&house).await;
    let issued = replica.issue(&somebody.secret).await.unwrap();
    assert_eq!(signer(&issued.token), new);
    house.knock(&house.with_token(&issued.token)).await.unwrap();
    house.knock(&replica.harness.client_as(NAME, &issued.token)).await.unwrap();
    // Starting by that clock makes no key of its own.
    let _another = Replica::start(&house, behind).await;
    assert_eq!(keys(&house).await, [new]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_neither_fresh_tokens_out_nor_revoked_keys_alive() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.store.read"]).await;
    house.knock(&somebody.transport).await.unwrap();
    house.database.clock.advance(-TimeDelta::hours(1));
    let old = house.of_session(&somebody.secret).await.unwrap().token;
    let new = revoke(&house).await;
    let fresh = house.of_session(&somebody.secret).await.unwrap().token;
    assert_eq!(signer(&fresh), new);
    house.knock(&house.with_token(&fresh)).await.unwrap();
    assert_eq!(refused(house.knock(&house.with_token(&old)).await).0, Code::Unauthenticated);
}

#[tokio::test]
async fn two_secrets_of_a_service_are_accepted_while_one_is_replaced() {
    const NEXT: &str = "the next secret of the analytics service";
    let house = House::new().await;
    assert_eq!(refused(house.issue(service("analytics", NEXT)).await).0, Code::Unauthenticated);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{NEXT}\n")).unwrap();
    let mut both = config();
    both.other_service_secrets = vec![format!("analytics={}", file.path().display())];
    let deps = house.harness.deps(&house.database);
    house.harness.start(build(both, deps.clone()).await.unwrap(), &deps);
    for secret in [SERVICE_SECRET, NEXT] {
        let principal = house.issue(service("analytics", secret)).await.unwrap().principal.unwrap();
        assert_eq!(principal.id, "analytics");
    }
    assert_eq!(refused(house.issue(service("orders", NEXT)).await).0, Code::Unauthenticated);
}

#[tokio::test]
async fn rotations_at_once_in_several_replicas_make_one_key() {
    let house = House::new().await;
    let deps = house.harness.deps(&house.database);
    // Thirty days later every replica finds the rotation due as it starts.
    house.database.clock.advance(TimeDelta::days(30));
    let starts = (0..4).map(|_| build(config(), deps.clone()));
    for started in futures::future::join_all(starts).await {
        started.unwrap();
    }
    assert_eq!(keys(&house).await.len(), 2);
}

#[tokio::test]
async fn a_key_is_withdrawn_when_its_last_tokens_have_ended() {
    let house = House::new().await;
    let old = keys(&house).await;
    let deps = house.harness.deps(&house.database);
    rotate(&house).await.unwrap();
    house.database.clock.advance(TimeDelta::minutes(19));
    build(config(), deps.clone()).await.unwrap();
    assert_eq!(keys(&house).await.len(), 2);
    house.database.clock.advance(TimeDelta::minutes(1));
    build(config(), deps).await.unwrap();
    let left = keys(&house).await;
    assert_eq!(left.len(), 1);
    assert_ne!(left, old);
    house.knock(&house.administrator().await).await.unwrap();
}

#[tokio::test]
async fn the_private_half_of_a_key_is_sealed() {
    let house = House::new().await;
    let mut conn = house.database.superuser().await;
    let sealed: Vec<u8> =
        sqlx::query_scalar("select sealed_private_key from identity.signing_key").fetch_one(&mut conn).await.unwrap();
    // The name of the master key, a nonce, 32 bytes, a tag: nothing in the clear.
    assert_eq!(sealed.len(), 1 + "test".len() + 24 + 32 + 16);
    // Put in another key's place it does not open.
    sqlx::query("update identity.signing_key set id = '0190a000-0000-7000-8000-000000000001'")
        .execute(&mut conn)
        .await
        .unwrap();
    house.database.clock.advance(TimeDelta::minutes(1));
    assert_eq!(refused(house.issue(service("analytics", SERVICE_SECRET)).await).0, Code::Internal);
}

#[tokio::test]
async fn a_service_gets_a_token_for_what_it_does_and_no_more() {
    let house = House::new().await;
    let issued = house.issue(service("analytics", SERVICE_SECRET)).await.unwrap();
    let principal = issued.principal.unwrap();
    assert_eq!(principal.kind(), pb::PrincipalKind::Service);
    assert_eq!(
        principal.permissions,
        ["campaigns.feed.read", "customers.feed.read", "messaging.feed.read", "orders.feed.read"]
    );
    assert_eq!(refused(house.knock(&house.with_token(&issued.token)).await).0, Code::PermissionDenied);
}

#[tokio::test]
async fn a_service_without_the_right_secret_gets_nothing() {
    let house = House::new().await;
    let wrong = "0123456789abcdef0123456789abcdeF";
    // `orders` has no secret in this configuration: an empty one proves nothing.
    for (name, secret) in [
        ("analytics", wrong),
        ("analytics", ""),
        ("orders", ""),
        ("orders", SERVICE_SECRET),
        ("root", SERVICE_SECRET),
        ("", ""),
    ] {
        let answer = house.issue(service(name, secret)).await;
        assert_eq!(refused(answer), because(Code::Unauthenticated, "PROOF_REFUSED"), "{name}");
    }
}

#[tokio::test]
async fn what_a_group_loses_its_members_lose_with_their_next_token() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.store.read"]).await;
    house.knock(&somebody.transport).await.unwrap();
    let administrator = house.administrator().await;
    let group = pb::Group { permissions: vec![], ..somebody.group.clone() };
    crate::group::update(&administrator, group, &["permissions"]).await.unwrap();
    let token = house.of_session(&somebody.secret).await.unwrap().token;
    assert_eq!(refused(house.knock(&house.with_token(&token)).await).0, Code::PermissionDenied);
}
