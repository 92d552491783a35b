//! How a process lives and ends.
//!
//! Stopping has two steps. *Soft*: take no new work, finish what runs. *Hard*: what still runs is dropped. The first
//! signal (SIGTERM, or SIGINT from Ctrl-C) is soft; a second one, or the end of the grace period, is hard. A task that
//! fails stops the whole process softly: what is left would only look alive.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How long tasks may take to notice that they have been dropped. Only one that blocks its thread takes longer.
const DROP_TIME: Duration = Duration::from_secs(2);

/// The task that ended the process, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{task} failed: {cause}")]
pub struct Failure {
    /// Name of the task.
    pub task: String,
    /// Why it failed, with the causes of the cause.
    pub cause: String,
}

/// The tasks of a process and the two steps of its end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    grace: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The first failure: those after it are most often its consequences.
    failure: Option<Failure>,
    /// The tasks that run, by the order they were started in.
    running: BTreeMap<u64, Cow<'static, str>>,
    started: u64,
}

impl Lifecycle {
    /// A lifecycle that leaves running tasks `grace` to end.
    pub fn new(grace: Duration) -> Self {
        let soft = CancellationToken::new();
        Self {
            inner: Arc::new(Inner {
                soft,
                hard: CancellationToken::new(),
                tracker: TaskTracker::new(),
                grace,
                state: Mutex::default(),
            }),
        }
    }

    /// Cancelled when no new work is to be taken.
    pub fn soft(&self) -> CancellationToken {
        self.inner.soft.clone()
    }

    /// Cancelled when running work is dropped. Only a task that has work to undo needs to look at it.
    pub fn hard(&self) -> CancellationToken {
        self.inner.hard.clone()
    }

    /// Starts a task the process cannot do without. Its error or panic is logged here, once, and stops the process.
    pub fn spawn<F, E>(&self, name: impl Into<Cow<'static, str>>, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cause>,
    {
        let task = Running::enter(self, name.into());
        let hard = self.hard();
        self.inner.tracker.spawn(async move {
            let outcome = tokio::select! {
                biased;
                () = hard.cancelled() => return,
                outcome = AssertUnwindSafe(future).catch_unwind() => outcome,
            };
            match outcome {
                Ok(Ok(())) => tracing::debug!(task = %task.name, "task has ended"),
                Ok(Err(error)) => task.fail(&chain(error.into().as_ref())),
                Err(panic) => task.fail(&format!("it panicked: {}", panic_text(panic.as_ref()))),
            }
        });
    }

    /// Begins to stop at the first SIGTERM or SIGINT, and drops what runs at the second.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (soft, hard) = (self.soft(), self.hard());
        tokio::spawn(async move {
            for (token, now) in
                [(soft, "finishing what runs; a second signal ends it at once"), (hard, "dropping what runs")]
            {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!(now, "told to stop");
                token.cancel();
            }
        });
        Ok(())
    }

    /// Begins to stop, without waiting for the end.
    pub fn stop(&self) {
        self.inner.soft.cancel();
    }

    /// Waits until something begins to stop the process: a signal, a failed task, or [`Lifecycle::stop`].
    pub async fn stopping(&self) {
        self.inner.soft.cancelled().await;
    }

    /// Waits until the process is to stop, then sees it to its end. The failure is the one that stopped it, if one did.
    pub async fn run(&self) -> Result<(), Failure> {
        self.stopping().await;
        self.shutdown().await
    }

    /// Stops: softly, then, after the grace period or a second signal, hard. Returns when the tasks have ended.
    pub async fn shutdown(&self) -> Result<(), Failure> {
        let inner = &self.inner;
        inner.soft.cancel();
        inner.tracker.close();
        let hard = tokio::select! {
            () = inner.tracker.wait() => false,
            () = inner.hard.cancelled() => true,
            () = tokio::time::sleep(inner.grace) => true,
        };
        if hard {
            tracing::warn!(tasks = %self.running(), grace = ?inner.grace, "dropping what has not ended in time");
            inner.hard.cancel();
            if tokio::time::timeout(DROP_TIME, inner.tracker.wait()).await.is_err() {
                tracing::warn!(tasks = %self.running(), "leaving behind what does not end");
            }
        }
        match self.state(|state| state.failure.clone()) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn running(&self) -> String {
        self.state(|state| state.running.values().cloned().collect::<Vec<_>>().join(", "))
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.inner.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A task on the list of those that run, until dropped.
struct Running {
    lifecycle: Lifecycle,
    number: u64,
    name: Cow<'static, str>,
}

impl Running {
    fn enter(lifecycle: &Lifecycle, name: Cow<'static, str>) -> Self {
        let number = lifecycle.state(|state| {
            state.started += 1;
            state.running.insert(state.started, name.clone());
            state.started
        });
        Self { lifecycle: lifecycle.clone(), number, name }
    }

    fn fail(&self, cause: &str) {
        tracing::error!(task = %self.name, error = cause, "task has failed: stopping the process");
        self.lifecycle.state(|state| {
            let failure = || Failure { task: self.name.to_string(), cause: cause.to_owned() };
            state.failure.get_or_insert_with(failure);
        });
        self.lifecycle.stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifecycle.state(|state| state.running.remove(&self.number));
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.name).finish()
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "it did not say why",
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn stopping_waits_for_running_work_to_end() {
        let lifecycle = Lifecycle::new(LONG);
        let (finished, mut has_finished) = oneshot::channel();
        let soft = lifecycle.soft();
        lifecycle.spawn("worker", async move {
            soft.cancelled().await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            finished.send(()).map_err(|()| "nobody waits")
        });
        lifecycle.shutdown().await.unwrap();
        has_finished.try_recv().unwrap();
    }

    #[tokio::test]
    async fn work_that_outlasts_the_grace_period_is_dropped() {
        let lifecycle = Lifecycle::new(Duration::from_millis(1));
        let (held, dropped) = oneshot::channel::<()>();
        lifecycle.spawn("stubborn", async move {
            let _held = held;
            pending::<Result<(), Infallible>>().await
        });
        lifecycle.shutdown().await.unwrap();
        assert!(dropped.await.is_err());
        assert_eq!(lifecycle.running(), "");
    }

    #[tokio::test]
    async fn a_second_request_to_stop_ends_the_grace_period() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("stubborn", pending::<Result<(), Infallible>>());
        let ended = tokio::spawn({
            let lifecycle = lifecycle.clone();
            async move { lifecycle.run().await }
        });
        lifecycle.stop();
        lifecycle.hard().cancel();
        ended.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_error_of_a_task_stops_the_process_and_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen")]
        struct Outer(#[source] std::io::Error);

        let lifecycle = Lifecycle::new(LONG);
        let soft = lifecycle.soft();
        lifecycle.spawn("bystander", async move {
            soft.cancelled().await;
            Err("a consequence")
        });
        lifecycle.spawn("server", async { Err(Outer(std::io::Error::other("port is taken"))) });
        let failure = lifecycle.run().await.unwrap_err();
        assert_eq!(failure.to_string(), "server failed: cannot listen: port is taken");
    }

    #[tokio::test]
    async fn a_panic_of_a_task_stops_the_process() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("relay", async {
            assert_eq!(1 + 1, 3, "sums are off");
            Ok::<(), Infallible>(())
        });
        let failure = lifecycle.run().await.unwrap_err();
        assert!(
            failure.to_string().starts_with("relay failed: it panicked: ") && failure.cause.contains("sums are off")
        );
    }

    #[tokio::test]
    async fn the_end_of_a_task_stops_nothing() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("short", async { Ok::<(), Infallible>(()) });
        while !lifecycle.running().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!lifecycle.soft().is_cancelled());
        lifecycle.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn the_first_signal_stops_softly_and_the_second_hard() {
        use nix::sys::signal::{Signal, raise};

        let lifecycle = Lifecycle::new(LONG);
        lifecycle.stop_on_signals().unwrap();
        raise(Signal::SIGTERM).unwrap();
        lifecycle.stopping().await;
        assert!(!lifecycle.hard().is_cancelled());
        raise(Signal::SIGINT).unwrap();
        lifecycle.hard().cancelled().await;
    }
}
