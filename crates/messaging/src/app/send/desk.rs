//! The desk: letters that are claimed and may be sent, ready for whichever session is free. They are claimed and asked
//! about many at a time, and no more than are sent in about a second: a letter that lies here when the process dies waits
//! until its claim ends.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Error, LetterId};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ON_DESK, QUICK, SPARE, Sending, span};
use crate::app::customer::Verdict;
use crate::app::email::named;
use crate::domain::email::Letter;
use crate::domain::ledger::{Outcome, Patience};
use crate::store;
use crate::store::ledger::{Claimed, Place, PutBack};

/// How many letters are claimed at once at most.
const MOST_AT_ONCE: u32 = 100;
/// Claiming is to happen about this often.
const OFTEN_ENOUGH: TimeDelta = TimeDelta::seconds(1);

/// A letter that is claimed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) letter: Letter,
    pub(super) epoch: i64,
    /// When it was due.
    pub(super) due: DateTime<Utc>,
    pub(super) postponements: i32,
    /// When the claim ends.
    pub(super) until: DateTime<Utc>,
    /// What has become of it already, so that it is not handed over.
    pub(super) outcome: Option<Outcome>,
}

impl Ready {
    /// Where it goes back to.
    pub(super) fn place(&self) -> Place {
        Place { id: self.letter.id, epoch: self.epoch, due: self.due }
    }
}

/// Letters ready to be sent.
#[derive(Debug)]
pub(super) struct Desk {
    owner: Uuid,
    least: u32,
    letters: Mutex<Letters>,
    /// Held by whoever claims.
    claiming: Mutex<()>,
}

#[derive(Debug)]
struct Letters {
    ready: VecDeque<Ready>,
    /// How many are claimed next time.
    many: u32,
    claimed_at: DateTime<Utc>,
    /// The last time none was found to claim.
    none_wait: bool,
    /// How often the desk was cleared.
    cleared: u64,
}

impl Letters {
    /// How many are few.
    fn few(&self) -> usize {
        usize::try_from(self.many / 4).unwrap_or(usize::MAX)
    }

    fn take(&mut self, sending: &Sending) -> Option<Ready> {
        let next = self.ready.pop_front();
        if !self.ready.is_empty() {
            // Another session looks as well.
            sending.wake.notify_one();
        }
        next
    }

    /// How many are to be claimed now.
    fn pace(&mut self, now: DateTime<Utc>, least: u32) -> u32 {
        let since = now - self.claimed_at;
        if since < OFTEN_ENOUGH {
            self.many = (self.many * 2).min(MOST_AT_ONCE);
        } else if since > OFTEN_ENOUGH * 2 {
            self.many = (self.many / 2).max(least);
        }
        self.claimed_at = now;
        self.many
    }
}

impl Desk {
    /// An empty desk for so many sessions.
    pub(super) fn new(owner: Uuid, sessions: u16) -> Self {
        let least = u32::from(sessions).max(1);
        let letters = Letters {
            ready: VecDeque::new(),
            many: least,
            claimed_at: DateTime::UNIX_EPOCH,
            none_wait: false,
            cleared: 0,
        };
        Self { owner, least, letters: Mutex::new(letters), claiming: Mutex::default() }
    }

    /// The next letter; none where none waits, or nobody is to begin one. Where few are left, who comes claims further ones while
    /// others take those; who finds none waits for whoever claims.
    pub(super) async fn next(&self, sending: &Sending, stop: &CancellationToken) -> Result<Option<Ready>, Error> {
        let mut letters = self.letters.lock().await;
        let now = sending.db.clock().now();
        // They have lain here for too long: their claims end soon, and consent was asked for long ago.
        let stale = letters.ready.partition_point(|ready| ready.until - now <= span(QUICK));
        if stale > 0 {
            put_back(sending, letters.ready.drain(..stale).collect()).await;
        }
        if stop.is_cancelled() {
            return Ok(None);
        }
        if letters.ready.len() > letters.few() {
            return Ok(letters.take(sending));
        }
        let _claiming = if let Ok(claiming) = self.claiming.try_lock() {
            claiming
        } else {
            if let Some(next) = letters.take(sending) {
                return Ok(Some(next));
            }
            drop(letters);
            // Not let go of any more: whoever did to look once more would be behind others who wait, and they behind each other.
            let claiming = self.claiming.lock().await;
            letters = self.letters.lock().await;
            if stop.is_cancelled() {
                return Ok(None);
            }
            let next = letters.take(sending);
            if next.is_some() || letters.none_wait {
                return Ok(next);
            }
            claiming
        };
        let (many, cleared) = (letters.pace(sending.db.clock().now(), self.least), letters.cleared);
        drop(letters);
        let claimed = self.claim(sending, many).await?;
        let mut letters = self.letters.lock().await;
        if stop.is_cancelled() || letters.cleared != cleared {
            put_back(sending, claimed.into()).await;
            return Ok(None);
        }
        letters.none_wait = claimed.is_empty();
        letters.ready.extend(claimed);
        Ok(letters.take(sending))
    }

    /// Puts back what lies here, and what is being claimed: nobody takes it up soon.
    pub(super) async fn clear(&self, sending: &Sending) {
        let mut letters = self.letters.lock().await;
        letters.cleared += 1;
        let ready = std::mem::take(&mut letters.ready);
        drop(letters);
        put_back(sending, ready).await;
    }

    async fn claim(&self, sending: &Sending, many: u32) -> Result<Vec<Ready>, Error> {
        let now = sending.db.clock().now();
        let until = now + span(sending.consent_deadline + ON_DESK + SPARE);
        let claimed = store::ledger::claim(sending.db.pool(), self.owner, now, until, many).await?;
        let places: Vec<Place> = claimed.iter().map(|claimed| claimed.place).collect();
        let ready = judge(sending, claimed, until).await;
        if ready.is_err() {
            // Nobody has them: what failed is not to hold them until their claims end.
            store::ledger::put_back_all(sending.db.pool(), &places).await?;
        }
        ready
    }
}

/// Puts letters back to where they were in the queue. Where that fails, they wait until their claims end.
async fn put_back(sending: &Sending, ready: VecDeque<Ready>) {
    let places: Vec<Place> = ready.iter().map(Ready::place).collect();
    if let Err(error) = store::ledger::put_back_all(sending.db.pool(), &places).await {
        tracing::warn!(%error, "letters that nobody begins could not be put back: they wait until their claims end");
    }
}

/// Asks whether letters may be sent. Those of which it cannot be asked go back into the queue.
async fn judge(sending: &Sending, claimed: Vec<Claimed>, until: DateTime<Utc>) -> Result<Vec<Ready>, Error> {
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<LetterId> = claimed.iter().map(|claimed| claimed.place.id).collect();
    let mut letters = store::email::by_ids(sending.db.pool(), &ids).await?;
    let mut known = sending.sender.known(&ids).await?;
    let questions: Vec<_> = claimed
        .iter()
        .filter(|claimed| !known.contains_key(&claimed.place.id))
        .filter_map(|claimed| letters.get(&claimed.place.id))
        .map(|letter| (letter.customer_id, letter.destination.clone(), letter.purpose))
        .collect();
    let mut verdicts = sending.customers.may_send_all(&questions).await.into_iter();
    let mut ready = Vec::with_capacity(claimed.len());
    for Claimed { place, postponements } in claimed {
        // Letters are never deleted.
        let Some(mut letter) = letters.remove(&place.id) else { continue };
        let outcome = match known.remove(&letter.id) {
            Some(outcome) => Some(outcome),
            None => match verdicts.next() {
                Some(Ok(verdict)) => judged(&mut letter, verdict),
                unasked => {
                    let error = unasked.and_then(Result::err);
                    sending.postpone(&letter, place.epoch, postponements, error.as_ref()).await;
                    continue;
                }
            },
        };
        ready.push(Ready { letter, epoch: place.epoch, due: place.due, postponements, until, outcome });
    }
    Ok(ready)
}

/// Writes into the letter by what it may be sent and to which address; where it may not, that is what has become of it.
fn judged(letter: &mut Letter, verdict: Verdict) -> Option<Outcome> {
    match verdict {
        Verdict::Allowed { address, contact_point_id, entries } => {
            letter.consent_entry_ids = entries;
            letter.destination.contact_point_id = contact_point_id;
            if !address.is_empty() {
                letter.destination.address = address;
            }
            None
        }
        Verdict::Refused { reason, entries } => {
            letter.consent_entry_ids = entries;
            Some(Outcome::Suppressed(named(reason)))
        }
    }
}

impl Sending {
    /// Puts back a letter of which it cannot be asked whether it may be sent: whatever the reason is, nothing is sent
    /// without an answer.
    async fn postpone(&self, letter: &Letter, epoch: i64, postponements: i32, error: Option<&Error>) {
        let next = Patience::postponed(postponements + 1, self.db.clock().now(), self.jitter());
        let error = error.map(ToString::to_string).unwrap_or_default();
        tracing::warn!(email_id = %letter.id, next_attempt_at = %next, %error, "consent cannot be asked: the letter waits");
        let detail = "it cannot be asked at the moment whether the letter may be sent";
        let back = PutBack { next_attempt_at: next, detail, hindered: true };
        if let Err(error) = store::ledger::put_back(self.db.pool(), letter.id, epoch, back).await {
            tracing::warn!(%error, "letters that nobody begins could not be put back: they wait until their claims end");
        }
    }
}
