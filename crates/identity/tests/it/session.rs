//! Sessions: how they are prolonged, and how they end.

use chrono::TimeDelta;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::users_client::UsersClient;
use sqlx::Row;
use tonic::Code;

use crate::house::{ADMINISTRATOR, House, PASSWORD, because, config, refused};

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_for_twelve_hours() {
    let house = House::new().await;
    let secret = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    house.database.clock.advance(TimeDelta::hours(11));
    house.of_session(&secret).await.unwrap();
    // Use has prolonged it.
    house.database.clock.advance(TimeDelta::hours(11));
    house.of_session(&secret).await.unwrap();
    house.database.clock.advance(TimeDelta::hours(12));
    assert_eq!(refused(house.of_session(&secret).await), because(Code::Unauthenticated, "PROOF_REFUSED"));
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_however_much_it_is_used() {
    let house = House::new().await;
    let secret = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    for _ in 0..59 {
        house.database.clock.advance(TimeDelta::hours(12) - TimeDelta::seconds(1));
        house.of_session(&secret).await.unwrap();
    }
    house.database.clock.advance(TimeDelta::hours(12));
    assert_eq!(refused(house.of_session(&secret).await).0, Code::Unauthenticated);
}

#[tokio::test]
async fn busy_use_of_a_session_writes_once_in_five_minutes() {
    let house = House::new().await;
    let secret = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    let written = async || -> String {
        let mut conn = house.database.superuser().await;
        let row = sqlx::query("select xmin::text as version from identity.session").fetch_one(&mut conn).await.unwrap();
        row.get("version")
    };
    let first = written().await;
    house.database.clock.advance(TimeDelta::minutes(4));
    house.of_session(&secret).await.unwrap();
    assert_eq!(written().await, first);
    house.database.clock.advance(TimeDelta::minutes(1));
    house.of_session(&secret).await.unwrap();
    assert_ne!(written().await, first);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_doing_it_again_succeeds() {
    let house = House::new().await;
    let secret = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    house.sign_out(&secret).await.unwrap();
    assert_eq!(refused(house.of_session(&secret).await), because(Code::Unauthenticated, "PROOF_REFUSED"));
    house.sign_out(&secret).await.unwrap();
    house.sign_out("never a session").await.unwrap();
}

#[tokio::test]
async fn the_secret_of_a_session_is_stored_nowhere() {
    let house = House::new().await;
    let secret = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    assert!(secret.starts_with("cls_"));
    let mut conn = house.database.superuser().await;
    for table in ["session", "journal"] {
        let statement = format!("select t::text as row from identity.{table} t");
        for row in sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&mut conn).await.unwrap() {
            assert!(!row.get::<String, _>("row").contains(&secret[4..]));
        }
    }
}

#[tokio::test]
async fn a_user_has_at_most_fifty_sessions_and_the_oldest_give_way() {
    let house = House::new().await;
    let sign_in =
        async || house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap().session_secret;
    let oldest = sign_in().await;
    house.database.clock.advance(TimeDelta::seconds(1));
    let second = sign_in().await;
    house.database.clock.advance(TimeDelta::seconds(1));
    for _ in 0..49 {
        sign_in().await;
    }
    assert_eq!(refused(house.of_session(&oldest).await).0, Code::Unauthenticated);
    house.of_session(&second).await.unwrap();
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions_and_keeps_this_one() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &[]).await;
    let other = house.sign_in("anna@example.org", PASSWORD, "").await.unwrap().session_secret;

    let change = |current: &str| pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: "another horse battery".to_owned(),
    };
    let mut users = UsersClient::new(somebody.transport.clone());
    let wrong = users.change_password(change("not the password")).await;
    assert_eq!(refused(wrong), because(Code::InvalidArgument, "WRONG_PASSWORD"));
    users.change_password(change(PASSWORD)).await.unwrap();

    house.of_session(&somebody.secret).await.unwrap();
    assert_eq!(refused(house.of_session(&other).await).0, Code::Unauthenticated);
    assert_eq!(refused(house.sign_in("anna@example.org", PASSWORD, "").await).0, Code::Unauthenticated);
    house.sign_in("anna@example.org", "another horse battery", "").await.unwrap();
}

#[tokio::test]
async fn whoever_holds_a_stolen_token_cannot_guess_the_password_on_and_on() {
    let house = House::new().await;
    let somebody = house.somebody("anna@example.org", &[]).await;
    let mut users = UsersClient::new(somebody.transport.clone());
    let guess = pb::ChangePasswordRequest {
        current_password: "not the password".to_owned(),
        new_password: "another horse battery".to_owned(),
    };
    for _ in 0..5 {
        assert_eq!(refused(users.change_password(guess.clone()).await).1, "WRONG_PASSWORD");
    }
    let throttled = refused(users.change_password(guess).await);
    assert_eq!(throttled, because(Code::ResourceExhausted, "SIGN_IN_THROTTLED"));
}

#[tokio::test]
async fn disabling_a_user_ends_sessions_and_keys_at_once() {
    let house = House::new().await;
    let permissions = ["identity.api_key.write", "identity.store.read"];
    let somebody = house.somebody("anna@example.org", &permissions).await;
    let key = house.key(&somebody.transport, &["identity.store.read"]).await.unwrap().secret;
    house.of_key(&key).await.unwrap();

    let administrator = house.administrator().await;
    let disabled = house.disable(&administrator, &somebody.user).await.unwrap();
    assert_eq!(refused(house.of_session(&somebody.secret).await).0, Code::Unauthenticated);
    assert_eq!(refused(house.of_key(&key).await).0, Code::Unauthenticated);
    assert_eq!(refused(house.sign_in("anna@example.org", PASSWORD, "").await).0, Code::Unauthenticated);

    // Enabled again, the user signs in again; what was ended stays ended.
    let enabled = pb::User { state: pb::UserState::Active.into(), ..disabled };
    house.update_user(&administrator, enabled, &["state"]).await.unwrap();
    assert_eq!(refused(house.of_session(&somebody.secret).await).0, Code::Unauthenticated);
    assert_eq!(refused(house.of_key(&key).await).0, Code::Unauthenticated);
    house.sign_in("anna@example.org", PASSWORD, "").await.unwrap();
}

#[tokio::test]
async fn what_has_ended_is_cleared_away() {
    let house = House::new().await;
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
    refused(house.sign_in("nobody@example.org", PASSWORD, "10.0.0.1").await);
    let left = async |table: &str| -> i64 {
        let mut conn = house.database.superuser().await;
        let statement = format!("select count(*) from identity.{table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&mut conn).await.unwrap()
    };
    let deps = house.harness.deps(&house.database);
    clientele_identity::build(config(), deps.clone()).await.unwrap();
    assert_eq!((left("session").await, left("sign_in_throttle").await), (1, 2));
    house.database.clock.advance(TimeDelta::hours(12));
    clientele_identity::build(config(), deps).await.unwrap();
    assert_eq!((left("session").await, left("sign_in_throttle").await), (0, 0));
}
