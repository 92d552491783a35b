//! Claims that have ended: their workers have died, or were too slow.

use chrono::{DateTime, Utc};
use clientele_kernel::{Error, LetterId};
use clientele_platform::Caller;
use tokio_util::sync::CancellationToken;

use super::Sending;
use crate::NAME;
use crate::domain::ledger::{Outcome, Settlement, State, reason};
use crate::events::publish;
use crate::store;

pub(crate) const TASK: &str = "ended-claims";
/// How many ended claims are looked after in one transaction.
const AT_ONCE: u32 = 100;

impl Sending {
    /// Looks after claims that have ended, until it is told to stop.
    pub(crate) async fn sweep(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match self.sweep_once().await {
                Ok(swept) if swept == AT_ONCE as usize => continue,
                Ok(_) => {}
                Err(error) => {
                    self.db.metrics().task_failed(self.db.context(), TASK);
                    tracing::warn!(reason = error.reason, %error, "ended claims could not be looked after");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        Ok(())
    }

    /// Looks after claims that have ended; gives their number.
    async fn sweep_once(&self) -> Result<usize, Error> {
        let mut uow = self.db.begin(&Caller::service(NAME)).await?;
        let now = uow.now();
        let lapsed = store::ledger::lock_lapsed(uow.conn(), now, AT_ONCE.into()).await?;
        if lapsed.is_empty() {
            return Ok(0);
        }
        let claims: Vec<(LetterId, i64)> = lapsed.iter().map(|lapsed| (lapsed.id, lapsed.epoch)).collect();
        let handed_over = |id| lapsed.iter().any(|lapsed| lapsed.id == id && lapsed.handed_over);
        let settlements = store::ledger::lock_claimed(uow.conn(), &claims)
            .await?
            .into_iter()
            .map(|letter| {
                let settlement = self.lapsed(letter.attempts, handed_over(letter.id), now);
                (letter, settlement)
            })
            .collect();
        let settled = store::ledger::settle(uow.conn(), settlements, now).await?;
        for letter in &settled {
            tracing::warn!(
                email_id = %letter.id, state = letter.state.as_str(), reason = letter.reason,
                "a worker ended in the middle of a letter"
            );
            uow.record(publish::settled(letter));
        }
        uow.commit().await?;
        for letter in &settled {
            self.figures.worked_on(letter.state);
        }
        self.wake.notify_one();
        Ok(lapsed.len())
    }

    /// What follows from a claim that ended.
    fn lapsed(&self, attempts: i32, handed_over: bool, now: DateTime<Utc>) -> Settlement {
        let words = "our worker ended in the middle of it".to_owned();
        let outcome = if handed_over {
            Outcome::Unknown(reason::WORKER_LOST_AFTER_DATA, words)
        } else {
            Outcome::Deferred(words)
        };
        let settlement = self.patience.settle(outcome, attempts, now, 0);
        // It was no fault of the mail server, so there is nothing to wait for.
        let next_attempt_at = (settlement.state == State::Queued).then_some(now);
        Settlement { next_attempt_at, ..settlement }
    }
}
