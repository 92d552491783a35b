//! How background work goes round: at once again while there is something to do, else after a short rest and a commit in
//! this process, and after a failure later and later.

use std::future::Future;
use std::time::Duration;

use clientele_kernel::Error as KernelError;
use clientele_platform::Backoff;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::Error;

/// How long nobody looks whether there is something to do: what happens shows within a second.
const REST: Duration = Duration::from_millis(200);
/// The same where nothing is committed in this process: what other replicas left, and what becomes due by time.
const LONG_REST: Duration = Duration::from_millis(800);
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Does a piece of work again and again until stopped. `once` tells whether there was something to do.
pub(crate) async fn repeat<F>(
    name: &'static str,
    app: App,
    stop: CancellationToken,
    once: impl Fn(App) -> F,
) -> Result<(), KernelError>
where
    F: Future<Output = Result<bool, Error>>,
{
    let mut backoff = Backoff::new(SHORTEST_RETRY, LONGEST_RETRY);
    let mut commits = app.db.commits();
    loop {
        commits.mark_unchanged();
        let outcome = tokio::select! {
            // What is under way is rolled back; whoever comes next does it.
            () = stop.cancelled() => return Ok(()),
            outcome = once(app.clone()) => outcome,
        };
        let idle = matches!(outcome, Ok(false));
        let pause = match outcome {
            Ok(had_work) => {
                backoff.reset();
                if had_work { Duration::ZERO } else { REST }
            }
            Err(error) => {
                app.db.metrics().task_failed(app.db.context(), name);
                let error = KernelError::from(error);
                let cause = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(work = name, %error, cause, "background work has failed; trying again");
                backoff.grow()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        if idle {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = commits.changed() => {}
                () = tokio::time::sleep(LONG_REST) => {}
            }
        }
    }
}
