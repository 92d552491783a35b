//! API keys.

use chrono::TimeDelta;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::api_keys_client::ApiKeysClient;
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_kernel::Clock;
use clientele_platform::grpc::Transport;
use clientele_platform::proto;
use sqlx::Row;
use tonic::{Code, Response};

use crate::house::{Answer, House, because, fields, mask, refused};

async fn revoke(as_whom: &Transport, id: &str) -> Answer<pb::ApiKey> {
    let request = pb::RevokeApiKeyRequest { id: id.to_owned() };
    ApiKeysClient::new(as_whom.clone()).revoke_api_key(request).await.map(Response::into_inner)
}

/// What a token of this key permits.
async fn permitted(house: &House, secret: &str) -> Vec<String> {
    let issued = house.of_key(secret).await.expect("the key gives a token");
    issued.principal.expect("a token has a principal").permissions
}

#[tokio::test]
async fn a_key_gives_tokens_with_its_scopes_alone() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let created = house.key(&administrator, &["identity.store.read"]).await.unwrap();
    let key = created.api_key.unwrap();
    assert!(created.secret.starts_with(&key.prefix) && key.prefix.starts_with("clk_"));

    let issued = house.of_key(&created.secret).await.unwrap();
    let principal = issued.principal.unwrap();
    assert_eq!((principal.kind(), principal.id), (pb::PrincipalKind::ApiKey, key.id));
    assert_eq!(principal.permissions, ["identity.store.read"]);
    let transport = house.with_token(&issued.token);
    house.knock(&transport).await.unwrap();
    assert_eq!(refused(house.user(&transport, "x@example.org", &[]).await).0, Code::PermissionDenied);
}

#[tokio::test]
async fn a_revoked_key_gives_no_more_tokens_and_stays_listed() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let created = house.key(&administrator, &["identity.store.read"]).await.unwrap();
    let id = created.api_key.unwrap().id;
    let revoked = revoke(&administrator, &id).await.unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(revoke(&administrator, &id).await.unwrap(), revoked);
    assert_eq!(refused(house.of_key(&created.secret).await), because(Code::Unauthenticated, "PROOF_REFUSED"));
    let unknown = revoke(&administrator, "0190a000-0000-7000-8000-000000000001").await;
    assert_eq!(refused(unknown).0, Code::NotFound);

    let listed = ApiKeysClient::new(administrator).list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().api_keys, [revoked]);
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let ends = house.database.clock.now() + TimeDelta::minutes(1);
    let request = |expires_at| pb::CreateApiKeyRequest {
        name: "till".to_owned(),
        scopes: vec!["identity.store.read".to_owned()],
        expires_at: Some(proto::timestamp(expires_at)),
    };
    let mut keys = ApiKeysClient::new(administrator);
    let secret = keys.create_api_key(request(ends)).await.unwrap().into_inner().secret;
    let token = house.of_key(&secret).await.unwrap();
    assert_eq!(token.expires_at, Some(proto::timestamp(ends)), "a token does not outlast its key");
    assert_eq!(fields(keys.create_api_key(request(house.database.clock.now())).await), ["expires_at"]);
    house.database.clock.advance(TimeDelta::minutes(1));
    assert_eq!(refused(house.of_key(&secret).await).0, Code::Unauthenticated);
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_may_do() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &["identity.api_key.write", "identity.store.read"]).await;
    let reach = house.key(&somebody.transport, &["identity.store.read", "identity.user.write"]).await;
    assert_eq!(refused(reach), because(Code::PermissionDenied, "BEYOND_OWN_PERMISSIONS"));
    assert_eq!(fields(house.key(&somebody.transport, &["*"]).await), ["scopes[0]"]);
    assert_eq!(fields(house.key(&somebody.transport, &[]).await), ["scopes"]);
    house.key(&somebody.transport, &["identity.store.read"]).await.unwrap();
}

#[tokio::test]
async fn a_key_may_do_no_more_than_its_creator_may_do_now() {
    let house = House::new().await;
    let scopes = ["identity.group.read", "identity.store.read"];
    let somebody =
        house.somebody("anna@example.org", &["identity.api_key.write", "identity.group.read", "identity.store.read"]);
    let somebody = somebody.await;
    let secret = house.key(&somebody.transport, &scopes).await.unwrap().secret;
    assert_eq!(permitted(&house, &secret).await, scopes);

    let administrator = house.administrator().await;
    let group = pb::Group {
        permissions: vec!["identity.store.read".to_owned(), "identity.user.read".to_owned()],
        ..somebody.group.clone()
    };
    let request = pb::UpdateGroupRequest {
        group: Some(group),
        update_mask: Some(mask(&["permissions"])),
        request_id: String::new(),
    };
    GroupsClient::new(administrator.clone()).update_group(request).await.unwrap();
    assert_eq!(permitted(&house, &secret).await, ["identity.store.read"]);

    let outside = pb::User { group_ids: vec![], ..somebody.user.clone() };
    let outside = house.update_user(&administrator, outside, &["group_ids"]).await.unwrap();
    assert_eq!(permitted(&house, &secret).await, [""; 0]);
    let token = house.of_key(&secret).await.unwrap().token;
    assert_eq!(refused(house.knock(&house.with_token(&token)).await).0, Code::PermissionDenied);

    // Back in the house, the creator has a key that works again, up to its scopes even for an administrator.
    let administrators = GroupsClient::new(administrator.clone()).list_groups(pb::ListGroupsRequest::default()).await;
    let administrators = administrators.unwrap().into_inner().groups.into_iter().find(|group| group.administrators);
    let back = pb::User { group_ids: vec![administrators.unwrap().id], ..outside };
    house.update_user(&administrator, back, &["group_ids"]).await.unwrap();
    assert_eq!(permitted(&house, &secret).await, scopes);
}

#[tokio::test]
async fn a_key_makes_no_keys() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let parent = house.key(&administrator, &["identity.api_key.write", "identity.store.read"]).await.unwrap();
    let token = house.of_key(&parent.secret).await.unwrap().token;
    let child = house.key(&house.with_token(&token), &["identity.store.read"]).await;
    assert_eq!(refused(child), because(Code::PermissionDenied, "NOT_A_USER"));
}

#[tokio::test]
async fn keys_are_paged_newest_first() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        house.database.clock.advance(TimeDelta::seconds(1));
        made.push(house.key(&administrator, &["identity.store.read"]).await.unwrap().api_key.unwrap().id);
    }
    made.reverse();
    let mut keys = ApiKeysClient::new(administrator);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListApiKeysRequest { page_size: 2, page_token: token };
        let page = keys.list_api_keys(request).await.unwrap().into_inner();
        seen.extend(page.api_keys.into_iter().map(|key| key.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn the_secret_of_a_key_is_stored_nowhere() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let created = house.key(&administrator, &["identity.store.read"]).await.unwrap();
    let body = &created.secret[12..];
    let mut conn = house.database.superuser().await;
    for table in ["api_key", "journal", "request_log"] {
        let statement = format!("select t::text as row from identity.{table} t");
        for row in sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&mut conn).await.unwrap() {
            assert!(!row.get::<String, _>("row").contains(body));
        }
    }
}
