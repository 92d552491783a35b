//! Input that nobody sends by mistake.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use tonic::Code;

use crate::house::{House, PASSWORD, new_user, refused};

const TEXTS: [&str; 8] = [
    "\u{0}",
    "a\u{0}b@example.org",
    "'; drop table identity.user; --",
    "%_\\%",
    "\u{202e}gro.elpmaxe@anna",
    "\u{feff}",
    "👩‍👩‍👧‍👦",
    "\r\nSet-Cookie: x",
];

#[tokio::test]
async fn garbage_for_a_login_is_an_unknown_login() {
    let house = House::new().await;
    for text in TEXTS {
        let (code, _) = refused(house.sign_in(text, PASSWORD, text).await);
        assert_eq!(code, Code::Unauthenticated, "{text:?}");
    }
    for (login, password) in [("x".repeat(100_000), "x".to_owned()), ("x".to_owned(), "x".repeat(1_000_000))] {
        assert_eq!(refused(house.sign_in(&login, &password, "").await).0, Code::InvalidArgument);
    }
}

#[tokio::test]
async fn garbage_for_a_secret_proves_nothing() {
    let house = House::new().await;
    let long = format!("cls_{}", "x".repeat(1_000_000));
    let guess = format!("cls_{}", "A".repeat(43));
    for text in TEXTS.into_iter().chain([long.as_str(), guess.as_str(), "", "cls_", "clk_"]) {
        assert_eq!(refused(house.of_session(text).await).0, Code::Unauthenticated);
        assert_eq!(refused(house.of_key(text).await).0, Code::Unauthenticated);
        house.sign_out(text).await.unwrap();
    }
    let nothing = TokensClient::new(house.anonymous()).issue_token(pb::IssueTokenRequest::default()).await;
    assert_eq!(crate::house::fields(nothing), ["proof"]);
}

#[tokio::test]
async fn garbage_in_any_field_is_refused_or_kept_but_never_a_fault_of_ours() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut users = UsersClient::new(administrator.clone());
    let mut groups = GroupsClient::new(administrator.clone());
    let long = "x".repeat(100_000);
    for text in TEXTS.into_iter().chain([long.as_str()]) {
        let named = pb::User { display_name: text.to_owned(), ..new_user("anna@example.org", &[]).user.unwrap() };
        let codes = [
            house.user(&administrator, text, &[]).await.err(),
            house.user(&administrator, "anna@example.org", &[text]).await.err(),
            house.group(&administrator, text, &[]).await.err(),
            house.group(&administrator, "Clerks", &[text]).await.err(),
            house.key(&administrator, &[text]).await.err(),
            users.get_user(pb::GetUserRequest { id: text.to_owned() }).await.err(),
            users.batch_get_users(pb::BatchGetUsersRequest { ids: vec![text.to_owned()] }).await.err(),
            users.list_users(pb::ListUsersRequest { page_size: 1, page_token: text.to_owned() }).await.err(),
            groups.list_groups(pb::ListGroupsRequest { page_size: i32::MAX, page_token: text.to_owned() }).await.err(),
            users
                .create_user(pb::CreateUserRequest {
                    user: Some(named),
                    password: text.to_owned(),
                    request_id: String::new(),
                })
                .await
                .err(),
            users
                .create_user(pb::CreateUserRequest {
                    request_id: text.to_owned(),
                    ..new_user("berta@example.org", &[])
                })
                .await
                .err(),
        ];
        for status in codes.into_iter().flatten() {
            let code = status.code();
            assert!(
                matches!(code, Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition),
                "{text:?}: {status}"
            );
        }
    }
    let many = vec!["0190a000-0000-7000-8000-000000000001".to_owned(); 501];
    assert_eq!(refused(users.batch_get_users(pb::BatchGetUsersRequest { ids: many }).await).0, Code::InvalidArgument);
    house.knock(&administrator).await.unwrap();
}
