//! The worker that sends. It claims a letter, asks whether it may be sent, hands it over and writes down what became of
//! it; each of these is a step of its own, so that whatever dies in between leaves a ledger that tells the truth:
//!
//! - before the letter is handed over, a claim that ends puts it back into the queue;
//! - from the moment it begins to be handed over, a claim that ends makes it `unknown`, and it is never sent again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Code, Entropy, Error, LetterId};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::customer::{Customers, Verdict};
use super::email::named;
use super::figures::Figures;
use crate::NAME;
use crate::domain::email::Letter;
use crate::domain::ledger::{Hindrance, Outcome, Patience, Settlement, State, bounded, reason};
use crate::events::publish;
use crate::sender::{PointOfNoReturn, Sender, Session, Steps};
use crate::store;
use crate::store::ledger::{Claim, Lapsed, PutBack};

/// The names of what goes on in the background.
pub(crate) const TASK: &str = "sending";
pub(crate) const SWEEP_TASK: &str = "ended-claims";
/// How long a claim lasts beyond what its step may take.
const SPARE: Duration = Duration::from_secs(10);
/// How many ended claims are looked after in one transaction.
const SWEPT_AT_ONCE: u32 = 100;
/// How long is waited before the outcome of a letter is tried to be written once more; each further wait is twice the one
/// before.
const FIRST_SETTLE_WAIT: Duration = Duration::from_millis(100);
const LONGEST_SETTLE_WAIT: Duration = Duration::from_secs(5);
/// The reasons for which a letter is not handed over.
const CLAIM_ENDED: &str = "CLAIM_ENDED";
const STOPPING: &str = "STOPPING";

/// Sends what waits.
#[derive(Clone)]
pub(crate) struct Sending {
    pub(crate) db: Database,
    pub(crate) customers: Customers,
    pub(crate) sender: Arc<dyn Sender>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) patience: Patience,
    /// How long customers may take to answer.
    pub(crate) consent_deadline: Duration,
    pub(crate) steps: Steps,
    pub(crate) poll: Duration,
    pub(crate) wake: Arc<Notify>,
    pub(crate) figures: Figures,
}

/// What a worker sees of a letter it has.
struct Held<'a> {
    sending: &'a Sending,
    id: LetterId,
    epoch: i64,
    /// When the claim ends.
    until: Mutex<DateTime<Utc>>,
    stop: &'a CancellationToken,
}

impl Held<'_> {
    fn until(&self) -> DateTime<Utc> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasts(&self, until: DateTime<Utc>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// What a worker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It found nothing to do.
    Idle,
    /// It worked on a letter.
    Worked,
    /// The mail server is away, or does not take us.
    Hindered,
}

#[async_trait]
impl PointOfNoReturn for Held<'_> {
    async fn pass(&self) -> Result<(), Error> {
        // A letter that is begun now might be cut off when the time to stop is over, and nobody would know whether it was
        // taken.
        if self.stop.is_cancelled() {
            return Err(Error::unavailable("the worker is stopping").with_reason(STOPPING));
        }
        let db = &self.sending.db;
        let now = db.clock().now();
        let until = now + span(self.sending.steps.letter() + SPARE);
        if store::ledger::mark_handed_over(db.pool(), self.id, self.epoch, now, until).await? {
            self.lasts(until);
            Ok(())
        } else {
            Err(claim_ended())
        }
    }
}

fn claim_ended() -> Error {
    Error::unavailable("the claim of a letter has ended").with_reason(CLAIM_ENDED)
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::hours(1))
}

impl Sending {
    /// One worker: sends letter after letter until it is told to stop, and waits where there is none.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let owner: Uuid = self.db.ids().next();
        let mut session: Option<Box<dyn Session>> = None;
        let mut hindrances = 0;
        while !stop.is_cancelled() {
            let mut resting = false;
            match self.turn(owner, &mut session, &stop).await {
                Ok(Turn::Worked) => {
                    hindrances = 0;
                    continue;
                }
                Ok(Turn::Hindered) => {
                    hindrances += 1;
                    resting = true;
                }
                Ok(Turn::Idle) => {}
                Err(error) => {
                    self.db.metrics().task_failed(self.db.context(), TASK);
                    tracing::warn!(reason = error.reason, %error, "a letter could not be worked on");
                }
            }
            if let Some(mut session) = session.take() {
                session.close().await;
            }
            if resting {
                self.rest(hindrances, &stop).await;
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        Ok(())
    }

    /// Claims nothing for a while: every letter would find the mail server away.
    async fn rest(&self, hindrances: i32, stop: &CancellationToken) {
        let until = Patience::postponed(hindrances, self.db.clock().now(), self.jitter());
        while self.db.clock().now() < until && !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// Looks after claims that have ended, until it is told to stop.
    pub(crate) async fn sweep(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match self.sweep_once().await {
                Ok(swept) if swept == SWEPT_AT_ONCE as usize => continue,
                Ok(_) => {}
                Err(error) => {
                    self.db.metrics().task_failed(self.db.context(), SWEEP_TASK);
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

    /// Works on one letter, if one waits.
    async fn turn(
        &self,
        owner: Uuid,
        session: &mut Option<Box<dyn Session>>,
        stop: &CancellationToken,
    ) -> Result<Turn, Error> {
        let now = self.db.clock().now();
        let until = now + span(self.consent_deadline + SPARE);
        let Some(claim) = store::ledger::claim(self.db.pool(), owner, now, until).await? else {
            return Ok(Turn::Idle);
        };
        // Where one waits there may be more: another worker looks as well.
        self.wake.notify_one();
        let Claim { mut letter, epoch, postponements } = claim;
        let held = Held { sending: self, id: letter.id, epoch, until: Mutex::new(until), stop };
        if let Some(outcome) = self.sender.known(letter.id).await? {
            self.settle(&letter, &held, outcome).await?;
            return Ok(Turn::Worked);
        }
        let outcome = match self.customers.may_send(letter.customer_id, &letter.destination, letter.purpose).await {
            Ok(Verdict::Allowed { address, contact_point_id, entries }) => {
                letter.consent_entry_ids = entries;
                letter.destination.contact_point_id = contact_point_id;
                if !address.is_empty() {
                    letter.destination.address = address;
                }
                match self.hand_over(&letter, &held, session).await {
                    Ok(Outcome::Hindered(hindrance)) => {
                        self.hindered(&held, postponements, &hindrance).await?;
                        return Ok(Turn::Hindered);
                    }
                    Err(error) if error.reason == STOPPING => {
                        let now = self.db.clock().now();
                        let back =
                            PutBack { next_attempt_at: now, detail: &letter.detail, hindered: false, attempted: true };
                        store::ledger::put_back(self.db.pool(), letter.id, epoch, back).await?;
                        return Ok(Turn::Worked);
                    }
                    handed_over => handed_over?,
                }
            }
            Ok(Verdict::Refused { reason, entries }) => {
                letter.consent_entry_ids = entries;
                Outcome::Suppressed(named(reason))
            }
            Err(error) if error.code == Code::NotFound => Outcome::Suppressed(reason::CUSTOMER_NOT_FOUND.to_owned()),
            // Whatever else it is, nothing is sent without an answer.
            Err(error) => {
                let next = Patience::postponed(postponements + 1, self.db.clock().now(), self.jitter());
                tracing::warn!(email_id = %letter.id, next_attempt_at = %next, %error, "consent cannot be asked: the letter waits");
                let detail = "it cannot be asked at the moment whether the letter may be sent";
                let back = PutBack { next_attempt_at: next, detail, hindered: true, attempted: false };
                store::ledger::put_back(self.db.pool(), letter.id, epoch, back).await?;
                return Ok(Turn::Worked);
            }
        };
        self.settle(&letter, &held, outcome).await?;
        Ok(Turn::Worked)
    }

    /// Puts a letter back that the mail server did not even hear of: that is no attempt.
    async fn hindered(&self, held: &Held<'_>, postponements: i32, hindrance: &Hindrance) -> Result<(), Error> {
        let next = Patience::postponed(postponements + 1, self.db.clock().now(), self.jitter());
        let Hindrance { step, code, words } = hindrance;
        // The words stand with the letter: answers quote addresses, which are no matter for a log.
        tracing::warn!(
            email_id = %held.id, next_attempt_at = %next, step, code, "the mail server is away or does not take us"
        );
        let back = PutBack { next_attempt_at: next, detail: &bounded(words), hindered: true, attempted: true };
        store::ledger::put_back(self.db.pool(), held.id, held.epoch, back).await?;
        Ok(())
    }

    async fn hand_over(
        &self,
        letter: &Letter,
        held: &Held<'_>,
        session: &mut Option<Box<dyn Session>>,
    ) -> Result<Outcome, Error> {
        let now = self.db.clock().now();
        let until = now + span(self.steps.before() + SPARE);
        if !store::ledger::admit(self.db.pool(), letter, held.epoch, now, until).await? {
            return Err(claim_ended());
        }
        held.lasts(until);
        let session = session.get_or_insert_with(|| self.sender.session());
        session.hand_over(letter, held).await
    }

    /// Writes what became of a letter, trying again as long as the claim lasts: what is known now is known to nobody else.
    /// Whoever has the letter afterwards is safe from a late writer by the epoch.
    async fn settle(&self, letter: &Letter, held: &Held<'_>, outcome: Outcome) -> Result<(), Error> {
        let mut wait = FIRST_SETTLE_WAIT;
        loop {
            match self.try_settle(letter, held.epoch, outcome.clone()).await {
                Err(error) if error.reason != CLAIM_ENDED && self.db.clock().now() < held.until() => {
                    tracing::warn!(email_id = %letter.id, %error, "what became of a letter could not be written: trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_SETTLE_WAIT);
                }
                settled => return settled,
            }
        }
    }

    async fn try_settle(&self, letter: &Letter, epoch: i64, outcome: Outcome) -> Result<(), Error> {
        let mut uow = self.db.begin(&Caller::service(NAME)).await?;
        let Some(present) = store::ledger::lock_claimed(uow.conn(), letter.id, epoch).await? else {
            return Err(claim_ended());
        };
        let now = uow.now();
        let settlement = self.patience.settle(outcome, present.attempts, now, self.jitter());
        let present = Letter { consent_entry_ids: letter.consent_entry_ids.clone(), ..present };
        let settled = store::ledger::settle(uow.conn(), present, settlement, now).await?;
        uow.record(publish::settled(&settled));
        uow.commit().await?;
        self.figures.worked_on(settled.state);
        tracing::info!(
            email_id = %settled.id, state = settled.state.as_str(), reason = settled.reason, attempts = settled.attempts,
            "a letter was worked on"
        );
        Ok(())
    }

    /// Looks after claims that have ended; gives their number.
    async fn sweep_once(&self) -> Result<usize, Error> {
        let mut uow = self.db.begin(&Caller::service(NAME)).await?;
        let now = uow.now();
        let lapsed = store::ledger::lock_lapsed(uow.conn(), now, SWEPT_AT_ONCE.into()).await?;
        let count = lapsed.len();
        let mut states = Vec::new();
        if count == 0 {
            return Ok(0);
        }
        for Lapsed { id, epoch, handed_over } in lapsed {
            let Some(letter) = store::ledger::lock_claimed(uow.conn(), id, epoch).await? else { continue };
            let settlement = self.lapsed(letter.attempts, handed_over, now);
            let settled = store::ledger::settle(uow.conn(), letter, settlement, now).await?;
            tracing::warn!(
                email_id = %settled.id, state = settled.state.as_str(), reason = settled.reason,
                "a worker ended in the middle of a letter"
            );
            uow.record(publish::settled(&settled));
            states.push(settled.state);
        }
        uow.commit().await?;
        for state in states {
            self.figures.worked_on(state);
        }
        self.wake.notify_one();
        Ok(count)
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

    fn jitter(&self) -> u8 {
        let mut byte = [0];
        self.entropy.fill(&mut byte);
        byte[0]
    }
}
