//! What sends. Letters are claimed, it is asked whether each may be sent, one after the other is handed over, and what
//! became of it is written down; each of these is a step of its own, so that whatever dies in between leaves a ledger that
//! tells the truth:
//!
//! - before a letter is handed over, a claim that ends puts it back into the queue;
//! - from the moment it begins to be handed over, a claim that ends makes it `unknown`, and it is never sent again.
//!
//! Handing over is the slow part and belongs to one letter alone; the other steps are done for many at once:
//!
//! | Module | What it does |
//! |---|---|
//! | [`desk`] | claims letters and asks whether they may be sent |
//! | `mod` | sessions: each hands over one letter after the other |
//! | [`written`] | writes that letters are about to be handed over, and what became of them |
//! | [`sweep`] | looks after claims that have ended |

mod desk;
mod sweep;
mod written;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Entropy, Error};
use clientele_platform::postgres::Database;
use clientele_platform::{Together, together};
use futures::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::customer::Customers;
use super::figures::Figures;
use crate::domain::ledger::{Hindrance, Outcome, Patience, bounded, reason};
use crate::sender::{PointOfNoReturn, Sender, Session, Steps};
use crate::store;
use crate::store::ledger::{HandedOver, PutBack};
use desk::{Desk, Ready};
use written::Done;

/// The names of what goes on in the background.
pub(crate) const TASK: &str = "sending";
pub(crate) use sweep::TASK as SWEEP_TASK;
/// How long a claim lasts beyond what its step may take.
const SPARE: Duration = Duration::from_secs(10);
/// How long a letter may lie on the desk.
const ON_DESK: Duration = Duration::from_secs(5);
/// How soon a mail server is ready for a letter, if it is not slow: so long its claim lasts at least when it is begun.
const QUICK: Duration = Duration::from_secs(10);
/// How many letters a session may have handed over before what became of them is written: these are in doubt where the
/// process dies.
const IN_DOUBT: usize = 4;
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
    /// How many letters are handed over at once.
    pub(crate) sessions: u16,
    pub(crate) wake: Arc<Notify>,
    pub(crate) figures: Figures,
}

/// What all sessions of a process have in common.
struct Office {
    sending: Sending,
    desk: Desk,
    beginning: Together<HandedOver, Option<DateTime<Utc>>>,
    settling: mpsc::Sender<Done>,
    doubt: Arc<Semaphore>,
}

/// What a session sees of the letter it has.
struct Held<'a> {
    office: &'a Office,
    ready: &'a Ready,
    /// Until when the claim lasts once it has begun to be handed over.
    begun: OnceLock<DateTime<Utc>>,
    stop: &'a CancellationToken,
}

/// What a session did.
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
        let Ready { letter, epoch, .. } = self.ready;
        let begins = HandedOver {
            id: letter.id,
            epoch: *epoch,
            destination: letter.destination.clone(),
            consent_entry_ids: letter.consent_entry_ids.clone(),
        };
        // Where nobody answers, nobody works any more.
        let until = self.office.beginning.ask(begins).await.flatten().ok_or_else(claim_ended)?;
        let _ = self.begun.set(until);
        Ok(())
    }
}

fn claim_ended() -> Error {
    Error::unavailable("the claim of a letter has ended").with_reason(CLAIM_ENDED)
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::hours(1))
}

impl Sending {
    /// Sends letter after letter until it is told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let sessions = self.sessions;
        let most = usize::from(sessions) * IN_DOUBT;
        let (beginning, begun) = together(most);
        let (settling, done) = mpsc::channel(most);
        let mut writing = JoinSet::new();
        let sending = self.clone();
        writing.spawn(begun.work(most, move |letters| sending.clone().begin(letters)));
        let sending = self.clone();
        writing.spawn(sending.keep_settling(done, most));

        let desk = Desk::new(self.db.ids().next(), sessions);
        let doubt = Arc::new(Semaphore::new(most));
        let office = Arc::new(Office { sending: self, desk, beginning, settling, doubt });
        // Where one of all these fails, the others come to their end before it is told.
        let ending = stop.child_token();
        let mut failure = None;
        let mut working = JoinSet::new();
        for _ in 0..sessions {
            working.spawn(office.clone().session(ending.clone()));
        }
        let mut cleared = false;
        loop {
            let ended = tokio::select! {
                // What lies on the desk waits for nobody's last letter.
                () = ending.cancelled(), if !cleared => {
                    office.desk.clear(&office.sending).await;
                    cleared = true;
                    continue;
                }
                Some(written) = writing.join_next() => written,
                worked = working.join_next() => match worked {
                    Some(worked) => worked,
                    None => break,
                },
            };
            if let Err(error) = ended {
                failure = failure.or(error.is_panic().then(|| error.into_panic()));
                ending.cancel();
            }
        }
        office.desk.clear(&office.sending).await;
        drop(office);
        while let Some(written) = writing.join_next().await {
            if let Err(error) = written {
                failure = failure.or(error.is_panic().then(|| error.into_panic()));
            }
        }
        match failure {
            Some(panic) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }

    fn jitter(&self) -> u8 {
        let mut byte = [0];
        self.entropy.fill(&mut byte);
        byte[0]
    }
}

impl Office {
    /// One session: hands over letter after letter until it is told to stop, and waits where there is none.
    async fn session(self: Arc<Self>, stop: CancellationToken) {
        let sending = &self.sending;
        let mut session: Option<Box<dyn Session>> = None;
        let mut hindrances = 0;
        while !stop.is_cancelled() {
            let mut resting = false;
            match self.turn(&mut session, &stop).await {
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
                    sending.db.metrics().task_failed(sending.db.context(), TASK);
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
                () = sending.wake.notified() => {}
                () = tokio::time::sleep(sending.poll) => {}
            }
        }
    }

    /// Claims nothing for a while: every letter would find the mail server away.
    async fn rest(&self, hindrances: i32, stop: &CancellationToken) {
        let sending = &self.sending;
        let until = Patience::postponed(hindrances, sending.db.clock().now(), sending.jitter());
        while sending.db.clock().now() < until && !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(sending.poll) => {}
            }
        }
    }

    /// Works on one letter, if one waits.
    async fn turn(&self, session: &mut Option<Box<dyn Session>>, stop: &CancellationToken) -> Result<Turn, Error> {
        // First the place among those in doubt, for a letter is not to wait for it off the desk.
        let Ok(doubt) = self.doubt.clone().acquire_owned().await else {
            return Ok(Turn::Idle);
        };
        let Some(mut ready) = self.desk.next(&self.sending, stop).await? else {
            return Ok(Turn::Idle);
        };
        if let Some(outcome) = ready.outcome.take() {
            let attempted = !matches!(outcome, Outcome::Suppressed(_));
            self.settle(ready, attempted, outcome, doubt).await;
            return Ok(Turn::Worked);
        }
        let held = Held { office: self, ready: &ready, begun: OnceLock::new(), stop };
        let handing_over = session.get_or_insert_with(|| self.sending.sender.session()).hand_over(&ready.letter, &held);
        let (outcome, extended) = self.in_time(&held, handing_over).await;
        let begun = held.begun.into_inner();
        ready.until = begun.or(extended).unwrap_or(ready.until);
        match outcome {
            None => {
                // Its next try may fail in the same way: it counts, so that it is not tried for ever.
                *session = None;
                tracing::error!(email_id = %ready.letter.id, "a letter made our worker fail, which is a fault of the program");
                let words = "our worker failed in the middle of it".to_owned();
                let outcome = match begun {
                    Some(_) => Outcome::Unknown(reason::WORKER_LOST_AFTER_DATA, words),
                    None => Outcome::Deferred(words),
                };
                self.settle(ready, begun.is_none(), outcome, doubt).await;
            }
            Some(Ok(Outcome::Hindered(hindrance))) => {
                self.hindered(&ready, &hindrance).await?;
                return Ok(Turn::Hindered);
            }
            Some(Err(error)) if error.reason == STOPPING => {
                store::ledger::put_back_all(self.sending.db.pool(), &[ready.place()]).await?;
            }
            Some(handed_over) => self.settle(ready, begun.is_none(), handed_over?, doubt).await,
        }
        Ok(Turn::Worked)
    }

    /// Hands a letter over; none where that panics. Where the mail server is slow to be ready for it, the claim is made to
    /// last, and until when is given too: most servers are quick, and it needs no further write.
    async fn in_time(
        &self,
        held: &Held<'_>,
        handing_over: impl Future<Output = Result<Outcome, Error>>,
    ) -> (Option<Result<Outcome, Error>>, Option<DateTime<Utc>>) {
        let lasting = self.last(held);
        let handing_over = AssertUnwindSafe(handing_over).catch_unwind();
        tokio::pin!(lasting, handing_over);
        let mut until = None;
        loop {
            tokio::select! {
                outcome = &mut handing_over => return (outcome.ok(), until),
                lasts = &mut lasting, if until.is_none() => until = lasts,
            }
        }
    }

    /// Has the claim of a letter last whose mail server is slow, from when it is. Ends where the letter begins to be handed
    /// over or the claim has ended: then the moment of handing over does not come.
    async fn last(&self, held: &Held<'_>) -> Option<DateTime<Utc>> {
        tokio::time::sleep(QUICK / 2).await;
        let sending = &self.sending;
        let Ready { letter, epoch, .. } = held.ready;
        while held.begun.get().is_none() {
            let now = sending.db.clock().now();
            let until = now + span(sending.steps.before() + SPARE);
            match store::ledger::extend(sending.db.pool(), letter.id, *epoch, now, until).await {
                Ok(true) => return Some(until),
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(email_id = %letter.id, %error, "a claim could not be made to last; trying again");
                    tokio::time::sleep(QUICK / 10).await;
                }
            }
        }
        std::future::pending().await
    }

    /// Puts a letter back that the mail server did not even hear of: that is no attempt. The others on the desk would fare no
    /// better.
    async fn hindered(&self, ready: &Ready, hindrance: &Hindrance) -> Result<(), Error> {
        let sending = &self.sending;
        let next = Patience::postponed(ready.postponements + 1, sending.db.clock().now(), sending.jitter());
        let Hindrance { step, code, words } = hindrance;
        // The words stand with the letter: answers quote addresses, which are no matter for a log.
        tracing::warn!(
            email_id = %ready.letter.id, next_attempt_at = %next, step, code, "the mail server is away or does not take us"
        );
        let back = PutBack { next_attempt_at: next, detail: &bounded(words), hindered: true };
        store::ledger::put_back(sending.db.pool(), ready.letter.id, ready.epoch, back).await?;
        self.desk.clear(sending).await;
        Ok(())
    }

    /// Has it written what became of a letter, without waiting for it. `uncounted` says that its attempt is not noted yet.
    async fn settle(&self, ready: Ready, uncounted: bool, outcome: Outcome, doubt: OwnedSemaphorePermit) {
        let Ready { letter, epoch, until, .. } = ready;
        // There is always room: whoever settles holds one of as many permits.
        let done = Done { letter, epoch, until, uncounted, outcome, _doubt: doubt };
        if self.settling.send(done).await.is_err() {
            tracing::warn!("what became of a letter cannot be written any more");
        }
    }
}
