//! Signing in: right, wrong, too often.

use chrono::TimeDelta;
use clientele_testkit::TestDatabase;
use sqlx::Row;
use tonic::Code;
use tonic_types::StatusExt;

use crate::house::{ADMINISTRATOR, House, PASSWORD, because, refused};

#[tokio::test]
async fn the_first_administrator_signs_in_with_the_generated_password_and_may_do_everything() {
    let house = House::new().await;
    let session = house.sign_in(" ADMIN@LocalHost ", &house.administrator_password, "10.0.0.1").await.unwrap();
    assert_eq!(session.user.unwrap().login, ADMINISTRATOR);
    let token = house.of_session(&session.session_secret).await.unwrap();
    assert_eq!(token.principal.unwrap().permissions, ["*"]);
    house.knock(&house.with_token(&token.token)).await.unwrap();
}

#[tokio::test]
async fn a_second_start_makes_no_second_administrator() {
    let house = House::new().await;
    let (config, entropy) = (crate::house::config(), clientele_kernel::SystemEntropy);
    let again = clientele_identity::bootstrap(&house.database.db, &entropy, &config).await.unwrap();
    assert!(again.is_none());
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
}

#[tokio::test]
async fn two_first_starts_at_once_make_one_administrator() {
    let database = TestDatabase::new(clientele_identity::NAME, &clientele_identity::MIGRATIONS).await;
    let (config, entropy) = (crate::house::config(), clientele_kernel::SystemEntropy);
    let (first, second) = tokio::join!(
        clientele_identity::bootstrap(&database.db, &entropy, &config),
        clientele_identity::bootstrap(&database.db, &entropy, &config),
    );
    let made = [first.unwrap(), second.unwrap()].into_iter().flatten().count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_configured_administrator_password_is_taken_and_not_generated() {
    let database = TestDatabase::new(clientele_identity::NAME, &clientele_identity::MIGRATIONS).await;
    let mut config = crate::house::config();
    config.administrator_password = PASSWORD.to_owned().into();
    let harness = clientele_testkit::Harness::new(database.clock.clone());
    let deps = harness.deps(&database);
    harness.start(clientele_identity::build(config.clone(), deps.clone()).await.unwrap(), &deps);
    let house = House { harness, database, administrator_password: PASSWORD.to_owned() };
    house.sign_in(ADMINISTRATOR, PASSWORD, "").await.unwrap();
    let again =
        clientele_identity::bootstrap(&house.database.db, &clientele_kernel::SystemEntropy, &config).await.unwrap();
    assert!(again.is_none());
}

#[tokio::test]
async fn a_wrong_password_an_unknown_login_and_a_disabled_user_are_told_the_same() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let user = house.user(&administrator, "gone@example.org", &[]).await.unwrap();
    house.disable(&administrator, &user).await.unwrap();

    let wrong = house.sign_in(ADMINISTRATOR, "not the password", "").await.unwrap_err();
    let unknown = house.sign_in("nobody@example.org", "not the password", "").await.unwrap_err();
    let disabled = house.sign_in("gone@example.org", PASSWORD, "").await.unwrap_err();
    for status in [&wrong, &unknown, &disabled] {
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(status.message(), wrong.message());
        assert_eq!(status.details(), wrong.details());
    }
}

#[tokio::test]
async fn after_five_failures_a_login_waits_and_the_wait_ends() {
    let house = House::new().await;
    for _ in 0..5 {
        let (code, _) = refused(house.sign_in(ADMINISTRATOR, "not the password", "").await);
        assert_eq!(code, Code::Unauthenticated);
    }
    // Even the right password has to wait now.
    let status = house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "SIGN_IN_THROTTLED");
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(delay.as_secs(), 5);

    house.database.clock.advance(TimeDelta::seconds(5));
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
    // Success has reset the count: the next failure is the first again.
    let (code, _) = refused(house.sign_in(ADMINISTRATOR, "not the password", "").await);
    assert_eq!(code, Code::Unauthenticated);
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
}

#[tokio::test]
async fn an_unknown_login_is_throttled_as_a_known_one() {
    let house = House::new().await;
    for _ in 0..5 {
        let (code, _) = refused(house.sign_in("nobody@example.org", "not the password", "").await);
        assert_eq!(code, Code::Unauthenticated);
    }
    let refusal = refused(house.sign_in("nobody@example.org", "not the password", "").await);
    assert_eq!(refusal, because(Code::ResourceExhausted, "SIGN_IN_THROTTLED"));
}

#[tokio::test]
async fn an_address_that_tries_many_logins_waits_and_others_do_not() {
    let house = House::new().await;
    for n in 0..20 {
        let (code, _) = refused(house.sign_in(&format!("user{n}@example.org"), "not the password", "10.0.0.1").await);
        assert_eq!(code, Code::Unauthenticated);
    }
    let refusal = refused(house.sign_in(ADMINISTRATOR, &house.administrator_password, "10.0.0.1").await);
    assert_eq!(refusal, because(Code::ResourceExhausted, "SIGN_IN_THROTTLED"));
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "10.0.0.2").await.unwrap();
}

#[tokio::test]
async fn signing_in_to_an_account_of_ones_own_does_not_reset_the_address() {
    let house = House::new().await;
    for n in 0..19 {
        refused(house.sign_in(&format!("user{n}@example.org"), "not the password", "10.0.0.1").await);
    }
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "10.0.0.1").await.unwrap();
    refused(house.sign_in("user19@example.org", "not the password", "10.0.0.1").await);
    let refusal = refused(house.sign_in("user20@example.org", "not the password", "10.0.0.1").await);
    assert_eq!(refusal, because(Code::ResourceExhausted, "SIGN_IN_THROTTLED"));
}

#[tokio::test]
async fn guesses_sent_all_at_once_do_not_overtake_the_count() {
    let house = House::new().await;
    let guesses = (0..20).map(|_| house.sign_in(ADMINISTRATOR, "not the password", ""));
    let answers = futures::future::join_all(guesses).await;
    let looked_at =
        answers.into_iter().filter(|answer| answer.as_ref().is_err_and(|s| s.code() == Code::Unauthenticated));
    assert_eq!(looked_at.count(), 5);
}

#[tokio::test]
async fn neither_address_nor_login_is_kept_with_the_failures() {
    let house = House::new().await;
    refused(house.sign_in("canary@example.org", "not the password", "203.0.113.77").await);
    let mut conn = house.database.superuser().await;
    let rows =
        sqlx::query("select t::text as row from identity.sign_in_throttle t").fetch_all(&mut conn).await.unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let text: String = row.get("row");
        assert!(!text.contains("canary") && !text.contains("203.0.113.77"), "{text}");
    }
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_made_anew_at_sign_in() {
    let house = House::new().await;
    let hash = async || -> String {
        let mut conn = house.database.superuser().await;
        sqlx::query_scalar("select password_hash from identity.user").fetch_one(&mut conn).await.unwrap()
    };
    let before = hash().await;
    assert!(before.contains("m=19456,t=2,p=1"), "{before}");

    let mut config = crate::house::config();
    config.password_iterations = 3;
    let deps = house.harness.deps(&house.database);
    house.harness.start(clientele_identity::build(config, deps.clone()).await.unwrap(), &deps);
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
    let after = hash().await;
    assert!(after.contains("m=19456,t=3,p=1"), "{after}");
    house.sign_in(ADMINISTRATOR, &house.administrator_password, "").await.unwrap();
    assert_eq!(hash().await, after);
}
