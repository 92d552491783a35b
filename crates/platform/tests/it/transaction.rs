//! Transactions begin whole or not at all.

use std::future::poll_fn;
use std::task::Poll;

use clientele_platform::Caller;
use clientele_testkit::{TestDatabase, eventually};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::support::NONE;

/// Begins, and goes away before the end: once at each step on the way, which a look at the database, or at another task,
/// ends.
async fn abandon_at_each_step<'a, T>(begin: impl Fn() -> BoxFuture<'a, T>) {
    for steps in 1.. {
        let mut beginning = begin();
        let mut left = steps;
        let came_to_the_end = poll_fn(|cx| match beginning.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => {
                left -= 1;
                if left == 0 { Poll::Ready(false) } else { Poll::Pending }
            }
        });
        if came_to_the_end.await {
            assert!(steps > 1, "there was no step to go away at");
            return;
        }
    }
}

#[tokio::test]
async fn whoever_goes_away_while_a_transaction_begins_leaves_none_open() {
    let database = TestDatabase::new("orders", &NONE).await;
    let db = &database.db;
    let caller = Caller::service("test");
    let most = usize::try_from(db.pool().options().get_max_connections()).unwrap();
    let all = || futures::future::try_join_all((0..most).map(|_| db.pool().acquire()));
    drop(all().await.unwrap());
    // All are open and free: none has to be opened first.
    eventually("all connections' being free", async || (db.pool().num_idle() == most).then_some(())).await;
    abandon_at_each_step(|| db.begin(&caller).map(drop).boxed()).await;
    abandon_at_each_step(|| db.transaction().map(drop).boxed()).await;
    abandon_at_each_step(|| db.snapshot().map(drop).boxed()).await;
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
