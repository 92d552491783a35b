//! Users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::users_client::UsersClient;
use sqlx::Row;
use tonic::Code;

use crate::house::{House, PASSWORD, because, fields, mask, new_user, refused};

#[tokio::test]
async fn a_user_is_created_read_and_listed() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let group = house.group(&administrator, "Clerks", &["identity.store.read"]).await.unwrap();
    let user = house.user(&administrator, "Anna@Example.org", &[&group.id, &group.id]).await.unwrap();
    assert_eq!((user.login.as_str(), user.state()), ("Anna@Example.org", pb::UserState::Active));
    assert_eq!((user.group_ids.as_slice(), user.etag.as_str()), ([group.id].as_slice(), "1"));

    let mut users = UsersClient::new(administrator);
    let read = users.get_user(pb::GetUserRequest { id: user.id.clone() }).await.unwrap().into_inner();
    assert_eq!(read, user);
    let ids = vec!["0190a000-0000-7000-8000-000000000001".to_owned(), user.id.clone(), user.id.clone()];
    let batch = users.batch_get_users(pb::BatchGetUsersRequest { ids }).await.unwrap().into_inner().users;
    assert_eq!(batch, [user.clone(), user]);
    let unknown = users.get_user(pb::GetUserRequest { id: "0190a000-0000-7000-8000-000000000001".to_owned() }).await;
    assert_eq!(refused(unknown).0, Code::NotFound);
}

#[tokio::test]
async fn a_login_is_taken_whatever_its_case() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    house.user(&administrator, "anna@example.org", &[]).await.unwrap();
    let again = house.user(&administrator, "ANNA@example.ORG", &[]).await;
    assert_eq!(refused(again), because(Code::AlreadyExists, "LOGIN_TAKEN"));
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut request = new_user("nobody", &["x"]);
    request.password = "short".to_owned();
    let answer = UsersClient::new(administrator.clone()).create_user(request).await;
    assert_eq!(fields(answer), ["user.login", "user.group_ids[0]", "password"]);
    let nothing = UsersClient::new(administrator.clone()).create_user(pb::CreateUserRequest::default()).await;
    assert_eq!(fields(nothing), ["user"]);
    let stranger = house.user(&administrator, "anna@example.org", &["0190a000-0000-7000-8000-000000000001"]).await;
    assert_eq!(fields(stranger), ["user.group_ids"]);
}

#[tokio::test]
async fn users_are_paged_by_login_and_no_login_stands_in_the_token() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    for name in ["dora", "Anna", "carla", "berta"] {
        house.user(&administrator, &format!("{name}@example.org"), &[]).await.unwrap();
    }
    let mut users = UsersClient::new(administrator);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListUsersRequest { page_size: 2, page_token: token };
        let page = users.list_users(request).await.unwrap().into_inner();
        seen.extend(page.users.into_iter().map(|user| user.login));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let plain = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert!(!String::from_utf8(plain).unwrap().contains("example"));
    }
    assert_eq!(
        seen,
        ["admin@localhost", "Anna@example.org", "berta@example.org", "carla@example.org", "dora@example.org"]
    );
    let foreign = pb::ListUsersRequest { page_size: 2, page_token: "bm9uc2Vuc2U".to_owned() };
    assert_eq!(fields(users.list_users(foreign).await), ["page_token"]);
    let negative = pb::ListUsersRequest { page_size: -1, page_token: String::new() };
    assert_eq!(fields(users.list_users(negative).await), ["page_size"]);
}

#[tokio::test]
async fn the_same_request_id_gives_the_same_answer_and_another_request_an_error() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut users = UsersClient::new(administrator.clone());
    let request = pb::CreateUserRequest { request_id: "r-1".to_owned(), ..new_user("anna@example.org", &[]) };
    let first = users.create_user(request.clone()).await.unwrap().into_inner();
    assert_eq!(users.create_user(request.clone()).await.unwrap().into_inner(), first);
    for other in [
        pb::CreateUserRequest { password: "another horse battery".to_owned(), ..request.clone() },
        pb::CreateUserRequest { user: new_user("berta@example.org", &[]).user, ..request },
    ] {
        let refusal = refused(users.create_user(other).await);
        assert_eq!(refusal, because(Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    }

    let renamed = pb::User { display_name: "Anna".to_owned(), ..first };
    let update = pb::UpdateUserRequest {
        user: Some(renamed),
        update_mask: Some(mask(&["display_name"])),
        request_id: "r-2".to_owned(),
    };
    let once = users.update_user(update.clone()).await.unwrap().into_inner();
    // Without the request id the second one would find another etag.
    assert_eq!(users.update_user(update).await.unwrap().into_inner(), once);
}

#[tokio::test]
async fn a_stale_etag_is_refused_and_the_present_one_told() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let user = house.user(&administrator, "anna@example.org", &[]).await.unwrap();
    let rename = |name: &str| pb::User { display_name: name.to_owned(), ..user.clone() };
    let changed = house.update_user(&administrator, rename("Anna"), &["display_name"]).await.unwrap();
    assert_eq!((changed.display_name.as_str(), changed.etag.as_str()), ("Anna", "2"));
    let stale = house.update_user(&administrator, rename("Ana"), &["display_name"]).await;
    assert_eq!(refused(stale), because(Code::Aborted, "ETAG_MISMATCH"));
    let missing = pb::User { etag: String::new(), ..rename("Ana") };
    assert_eq!(fields(house.update_user(&administrator, missing, &["display_name"]).await), ["user.etag"]);
    assert_eq!(fields(house.update_user(&administrator, rename("Ana"), &["login"]).await), ["update_mask"]);
    assert_eq!(fields(house.update_user(&administrator, rename("Ana"), &[]).await), ["update_mask"]);
    // A change to the same values writes nothing.
    let same = house.update_user(&administrator, changed.clone(), &["display_name", "group_ids"]).await.unwrap();
    assert_eq!(same, changed);
}

#[tokio::test]
async fn two_changes_at_once_leave_one_winner() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let user = house.user(&administrator, "anna@example.org", &[]).await.unwrap();
    let rename = |n: usize| pb::User { display_name: format!("Anna {n}"), ..user.clone() };
    let changes = (0..8).map(|n| house.update_user(&administrator, rename(n), &["display_name"]));
    let answers = futures::future::join_all(changes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|status| status.code() == Code::Aborted));
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut users = UsersClient::new(administrator.clone());
    let first = users.list_users(pb::ListUsersRequest::default()).await.unwrap().into_inner().users.remove(0);
    let last = because(Code::FailedPrecondition, "LAST_ADMINISTRATOR");
    assert_eq!(refused(house.disable(&administrator, &first).await), last);
    let out = pb::User { group_ids: vec![], ..first.clone() };
    assert_eq!(refused(house.update_user(&administrator, out, &["group_ids"]).await), last);

    let second = house.user(&administrator, "second@example.org", &[&first.group_ids[0]]).await.unwrap();
    // Each takes the other's right away at the same moment: one of them is left.
    let (a, b) = tokio::join!(house.disable(&administrator, &first), house.disable(&administrator, &second));
    assert_eq!([a.is_ok(), b.is_ok()].into_iter().filter(|ok| *ok).count(), 1, "{a:?} {b:?}");
}

#[tokio::test]
async fn who_manages_users_does_not_become_more_by_it() {
    let house = House::new().await;
    let permissions = ["identity.user.write", "identity.user.read", "identity.store.read"];
    let manager = house.somebody("manager@example.org", &permissions).await;
    let administrator = house.administrator().await;
    let mut users = UsersClient::new(administrator.clone());
    let chief = users.list_users(pb::ListUsersRequest::default()).await.unwrap().into_inner().users.remove(0);
    let writers = house.group(&administrator, "Writers", &["identity.group.write"]).await.unwrap();
    let readers = house.group(&administrator, "Readers", &["identity.store.read"]).await.unwrap();

    let beyond = because(Code::PermissionDenied, "BEYOND_OWN_PERMISSIONS");
    for group in [&chief.group_ids[0], &writers.id] {
        assert_eq!(refused(house.user(&manager.transport, "new@example.org", &[group]).await), beyond);
        let promoted = pb::User { group_ids: vec![group.clone()], ..manager.user.clone() };
        assert_eq!(refused(house.update_user(&manager.transport, promoted, &["group_ids"]).await), beyond);
    }
    assert_eq!(refused(house.disable(&manager.transport, &chief).await), beyond);
    let clerk = house.user(&manager.transport, "new@example.org", &[&readers.id]).await.unwrap();
    house.disable(&manager.transport, &clerk).await.unwrap();
}

#[tokio::test]
async fn a_password_shows_in_no_table() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let request = pb::CreateUserRequest { request_id: "r-1".to_owned(), ..new_user("anna@example.org", &[]) };
    UsersClient::new(administrator).create_user(request).await.unwrap();
    let mut conn = house.database.superuser().await;
    for table in ["user", "journal", "request_log"] {
        let statement = format!("select t::text as row from identity.{table} t");
        for row in sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&mut conn).await.unwrap() {
            assert!(!row.get::<String, _>("row").contains(PASSWORD));
        }
    }
}
