//! What is written of letters: that they are about to be handed over, and what became of them. Many at a time, where many
//! come: a commit is what writing costs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_kernel::{Error, LetterId};
use clientele_platform::{Backoff, Caller};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

use super::{CLAIM_ENDED, SPARE, Sending, TASK, claim_ended, span};
use crate::NAME;
use crate::domain::email::Letter;
use crate::domain::ledger::Outcome;
use crate::events::publish;
use crate::store;
use crate::store::ledger::HandedOver;

/// How long is waited before the outcome of a letter is tried to be written once more; each further wait is twice the one
/// before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many are tried to be written one by one at once: callers need connections too.
const ALONE_AT_ONCE: usize = 3;

/// A letter that something has become of.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) letter: Letter,
    pub(super) epoch: i64,
    /// When the claim ends, at the earliest.
    pub(super) until: DateTime<Utc>,
    /// Whether the attempt is not noted yet.
    pub(super) uncounted: bool,
    pub(super) outcome: Outcome,
    /// Given back when it is written.
    pub(super) _doubt: OwnedSemaphorePermit,
}

impl Sending {
    /// Notes of letters that nobody can know from now on whether the mail server has taken them. Gives for each until when its
    /// claim lasts; none where it must not be handed over.
    pub(super) async fn begin(self, letters: Vec<HandedOver>) -> Vec<Option<DateTime<Utc>>> {
        let now = self.db.clock().now();
        let until = now + span(self.steps.letter() + SPARE);
        let noted = match store::ledger::mark_handed_over(self.db.pool(), &letters, now, until).await {
            Ok(noted) => noted,
            Err(error) => {
                tracing::warn!(%error, "it could not be written that letters are about to be handed over: they are not");
                return vec![None; letters.len()];
            }
        };
        letters.iter().map(|letter| noted.contains(&(letter.id, letter.epoch)).then_some(until)).collect()
    }

    /// Writes what became of letters, at most so many at a time, until no more can come.
    pub(super) async fn keep_settling(self, mut done: mpsc::Receiver<Done>, most: usize) {
        let mut alone = JoinSet::new();
        let few = Arc::new(Semaphore::new(ALONE_AT_ONCE));
        let mut letters = Vec::new();
        while done.recv_many(&mut letters, most).await > 0 {
            if let Err(error) = self.settle(&letters).await {
                // One of them may be what stands in the way of all.
                tracing::warn!(%error, "what became of letters could not be written: trying one by one");
                for letter in letters.drain(..) {
                    alone.spawn(self.clone().settle_alone(letter, few.clone()));
                }
            }
            letters.clear();
            while let Some(ended) = alone.try_join_next() {
                unpanicked(ended);
            }
        }
        while let Some(ended) = alone.join_next().await {
            unpanicked(ended);
        }
    }

    /// Writes what became of a letter, trying again as long as the claim lasts: what is known now is known to nobody else.
    /// Whoever has the letter afterwards is safe from a late writer by the epoch.
    async fn settle_alone(self, done: Done, few: Arc<Semaphore>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let tried = {
                let _place = few.acquire().await;
                self.settle(std::slice::from_ref(&done)).await
            };
            let Err(error) = tried else { return };
            let email_id = done.letter.id;
            if self.db.clock().now() >= done.until {
                self.db.metrics().task_failed(self.db.context(), TASK);
                tracing::warn!(%email_id, reason = error.reason, %error, "a letter could not be worked on");
                return;
            }
            tracing::warn!(%email_id, %error, "what became of a letter could not be written: trying again");
            backoff.pause().await;
        }
    }

    /// Writes what became of letters, all of them or none.
    async fn settle(&self, done: &[Done]) -> Result<(), Error> {
        let mut uow = self.db.begin(&Caller::service(NAME)).await?;
        // Where a letter comes twice, the claim of the one has ended and the other took its place.
        let mut claims: BTreeMap<LetterId, i64> = BTreeMap::new();
        for done in done {
            let epoch = claims.entry(done.letter.id).or_insert(done.epoch);
            *epoch = done.epoch.max(*epoch);
        }
        let newest = claims;
        let claims: Vec<(LetterId, i64)> = newest.iter().map(|(id, epoch)| (*id, *epoch)).collect();
        let mut present: HashMap<LetterId, Letter> = store::ledger::lock_claimed(uow.conn(), &claims)
            .await?
            .into_iter()
            .map(|letter| (letter.id, letter))
            .collect();
        let now = uow.now();
        let mut settlements = Vec::with_capacity(done.len());
        for Done { letter, epoch, uncounted, outcome, .. } in done {
            let held = newest.get(&letter.id) == Some(epoch);
            let Some(present) = held.then(|| present.remove(&letter.id)).flatten() else {
                let error = claim_ended();
                tracing::warn!(email_id = %letter.id, reason = CLAIM_ENDED, %error, "a letter could not be worked on");
                continue;
            };
            let letter = Letter {
                destination: letter.destination.clone(),
                consent_entry_ids: letter.consent_entry_ids.clone(),
                attempts: present.attempts + i32::from(*uncounted),
                ..present
            };
            let settlement = self.patience.settle(outcome.clone(), letter.attempts, now, self.jitter());
            settlements.push((letter, settlement));
        }
        let settled = store::ledger::settle(uow.conn(), settlements, now).await?;
        for letter in &settled {
            uow.record(publish::settled(letter));
        }
        uow.commit().await?;
        for letter in &settled {
            self.figures.worked_on(letter.state);
            tracing::info!(
                email_id = %letter.id, state = letter.state.as_str(), reason = letter.reason, attempts = letter.attempts,
                "a letter was worked on"
            );
        }
        Ok(())
    }
}

/// A panic of a task is its owner's.
fn unpanicked(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
