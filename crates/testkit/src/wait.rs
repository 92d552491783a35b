//! Waiting for a condition, never for a fixed time.

use std::future::Future;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(10);

/// Asks again and again until the answer is there, at most 20 seconds; panics with `what` when it does not come.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    eventually_within(Duration::from_secs(20), what, ask).await
}

/// The same with a limit of one's own.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(STEP).await;
        }
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(late) => panic!("{what} did not happen within {limit:?}: {late}"),
    }
}
