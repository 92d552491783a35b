//! Request ids: a repetition gets the same answer, another request under the same id an error.

use clientele_contracts::orders::v1::{GetProductRequest, Product};
use clientele_kernel::Code;
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, purge_request_log};
use clientele_testkit::TestDatabase;

use crate::support::NONE;

const METHOD: &str = "/clientele.orders.v1.Products/GetProduct";

async fn command(
    db: &Database,
    request_id: &str,
    body: &str,
    answer: &str,
) -> Result<Product, clientele_kernel::Error> {
    let request = GetProductRequest { id: body.into() };
    let mut work = db.begin(&Caller::service("test")).await?;
    if let Some(known) = work.replay::<Product>(METHOD, request_id, &request).await? {
        return Ok(known);
    }
    let product = Product { name: answer.into(), ..Default::default() };
    work.commit_with(&product).await?;
    Ok(product)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_the_same_id_gets_the_same_answer() {
    let database = TestDatabase::new("orders", &NONE).await;
    assert_eq!(command(&database.db, "a", "body", "first").await.unwrap().name, "first");
    assert_eq!(command(&database.db, "a", "body", "second").await.unwrap().name, "first");
    assert_eq!(command(&database.db, "b", "body", "second").await.unwrap().name, "second");
    assert_eq!(command(&database.db, "", "body", "third").await.unwrap().name, "third");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_at_once_are_carried_out_once() {
    let database = TestDatabase::new("orders", &NONE).await;
    let attempts = (0..10).map(|n| {
        let db = database.db.clone();
        tokio::spawn(async move { command(&db, "a", "body", &n.to_string()).await.unwrap().name })
    });
    let answers = futures::future::try_join_all(attempts).await.unwrap();
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
}

#[tokio::test]
async fn another_request_under_the_same_id_is_an_error() {
    let database = TestDatabase::new("orders", &NONE).await;
    command(&database.db, "a", "body", "first").await.unwrap();
    let error = command(&database.db, "a", "another body", "second").await.unwrap_err();
    assert_eq!((error.code, error.reason), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let database = TestDatabase::new("orders", &NONE).await;
    command(&database.db, "a", "body", "first").await.unwrap();
    database.clock.advance(chrono::TimeDelta::hours(25));
    assert_eq!(command(&database.db, "a", "another body", "second").await.unwrap().name, "second");
    database.clock.advance(chrono::TimeDelta::hours(25));
    let now = clientele_kernel::Clock::now(&*database.clock);
    assert_eq!(purge_request_log(database.db.pool(), now, 100).await.unwrap(), 1);
}

#[tokio::test]
async fn a_request_id_that_cannot_be_kept_is_refused() {
    let database = TestDatabase::new("orders", &NONE).await;
    for id in ["x".repeat(129), "with space".into(), "nul\0".into(), "é".into()] {
        let error = command(&database.db, &id, "body", "answer").await.unwrap_err();
        assert_eq!(error.violations[0].field, "request_id");
    }
}
