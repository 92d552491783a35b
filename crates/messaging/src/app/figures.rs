//! How many letters wait, for how long, and what became of the others: for whoever watches the service.

use clientele_kernel::Error;
use clientele_platform::postgres::Database;
use clientele_platform::sample;
use clientele_platform::telemetry::{Counter, KeyValue, Level, Metrics};
use tokio_util::sync::CancellationToken;

use crate::domain::ledger::State;
use crate::store;

/// Its name among the tasks of the service.
pub(crate) const TASK: &str = "figures";
/// As far as is counted: beyond it, more makes no difference to what there is to do.
const MOST: u32 = 10_000;

/// The instruments of sending.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    worked_on: Counter<u64>,
    waiting: Level,
    oldest: Level,
    unknown: Level,
}

impl Figures {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let figures = Self {
            worked_on: metrics.counter(
                "clientele.letters.attempts",
                "{attempt}",
                "letters worked on, by the state they came to",
            ),
            waiting: metrics.level(
                "clientele.letters.waiting",
                "{letter}",
                "letters that wait to be sent or are being sent, counted up to 10000 of each",
            ),
            oldest: metrics.level("clientele.letters.oldest", "s", "age of the oldest letter that waits to be sent"),
            unknown: metrics.level(
                "clientele.letters.unknown",
                "{letter}",
                "letters of which nobody knows whether they were sent, counted up to 10000",
            ),
        };
        for state in [State::Queued, State::Sent, State::Failed, State::Suppressed, State::Unknown] {
            figures.worked_on.add(0, &[KeyValue::new("state", state.as_str())]);
        }
        figures
    }

    /// A letter was worked on and has come to a state; queued again where it is to be tried again.
    pub(crate) fn worked_on(&self, state: State) {
        self.worked_on.add(1, &[KeyValue::new("state", state.as_str())]);
    }

    /// Counts now and then, until told to stop.
    pub(crate) async fn keep(self, db: Database, stop: CancellationToken) -> Result<(), Error> {
        loop {
            if let Err(error) = self.count(&db).await {
                db.metrics().task_failed(db.context(), TASK);
                for level in [&self.waiting, &self.oldest, &self.unknown] {
                    level.unset(&[]);
                }
                tracing::debug!(%error, "letters could not be counted; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(sample::PERIOD) => {}
            }
        }
    }

    async fn count(&self, db: &Database) -> Result<(), crate::Error> {
        let waiting = store::email::waiting(db.pool(), MOST).await?;
        let rest = store::email::left(db.pool(), MOST).await?;
        let age = rest.oldest.and_then(|oldest| (db.clock().now() - oldest).to_std().ok()).unwrap_or_default();
        self.waiting.set(&[], f64::from(waiting));
        self.oldest.set(&[], age.as_secs_f64());
        self.unknown.set(&[], f64::from(rest.unknown));
        Ok(())
    }
}
