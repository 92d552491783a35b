//! Transactions begin whole or not at all.

use clientele_platform::Caller;
use clientele_testkit::{TestDatabase, eventually};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::support::NONE;

/// Starts to begin, and goes away before the database has answered.
async fn abandon<T>(mut begin: BoxFuture<'_, T>) {
    let answer = futures::poll!(&mut begin);
    assert!(answer.is_pending(), "the database answered at once");
}

#[tokio::test]
async fn whoever_goes_away_while_a_transaction_begins_leaves_none_open() {
    let database = TestDatabase::new("orders", &NONE).await;
    let db = &database.db;
    let caller = Caller::service("test");
    let most = usize::try_from(db.pool().options().get_max_connections()).unwrap();
    let all = || futures::future::try_join_all((0..most).map(|_| db.pool().acquire()));
    drop(all().await.unwrap());
    // All are open and free, so that the first step is to begin.
    eventually("all connections' being free", async || (db.pool().num_idle() == most).then_some(())).await;
    abandon(db.begin(&caller).map(drop).boxed()).await;
    abandon(db.transaction().map(drop).boxed()).await;
    abandon(db.snapshot().map(drop).boxed()).await;
    // Whoever has all connections has those too that were put back meanwhile.
    let held = all().await.unwrap();
    let mut conn = database.superuser().await;
    let open: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!((held.len(), open), (most, 0));
}
