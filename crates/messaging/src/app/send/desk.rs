//! The desk: letters that are claimed and may be sent, ready for whichever session is free. They are claimed and asked
//! about many at a time, and no more than are sent in about a second: a letter that lies here when the process dies waits
//! until its claim ends.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Error, LetterId};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{ON_DESK, SPARE, Sending, span};
use crate::app::customer::Verdict;
use crate::app::email::named;
use crate::domain::email::Letter;
use crate::domain::ledger::{Outcome, Patience};
use crate::store;
use crate::store::ledger::{Claim, PutBack};

/// How many letters are claimed at once at most.
const MOST_AT_ONCE: u32 = 100;
/// Claiming is to happen about this often.
const OFTEN_ENOUGH: TimeDelta = TimeDelta::seconds(1);

/// A letter that is claimed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) letter: Letter,
    pub(super) epoch: i64,
    pub(super) postponements: i32,
    /// When the claim ends.
    pub(super) until: DateTime<Utc>,
    /// What has become of it already, so that it is not handed over.
    pub(super) outcome: Option<Outcome>,
}

/// Letters ready to be sent.
#[derive(Debug)]
pub(super) struct Desk {
    owner: Uuid,
    least: u32,
    letters: Mutex<Letters>,
}

#[derive(Debug)]
struct Letters {
    ready: VecDeque<Ready>,
    /// How many are claimed next time.
    many: u32,
    claimed_at: DateTime<Utc>,
}

impl Desk {
    /// An empty desk for so many sessions.
    pub(super) fn new(owner: Uuid, sessions: u16) -> Self {
        let least = u32::from(sessions).max(1);
        let letters = Letters { ready: VecDeque::new(), many: least, claimed_at: DateTime::UNIX_EPOCH };
        Self { owner, least, letters: Mutex::new(letters) }
    }

    /// The next letter; none where none waits. Who comes while others are claimed waits for them.
    pub(super) async fn next(&self, sending: &Sending) -> Result<Option<Ready>, Error> {
        let mut letters = self.letters.lock().await;
        if letters.ready.is_empty() {
            let now = sending.db.clock().now();
            let since = now - letters.claimed_at;
            letters.many = if since < OFTEN_ENOUGH {
                (letters.many * 2).min(MOST_AT_ONCE)
            } else if since > OFTEN_ENOUGH * 2 {
                (letters.many / 2).max(self.least)
            } else {
                letters.many
            };
            letters.claimed_at = now;
            letters.ready = self.claim(sending, letters.many).await?.into();
        }
        let next = letters.ready.pop_front();
        if !letters.ready.is_empty() {
            // Another session looks as well.
            sending.wake.notify_one();
        }
        Ok(next)
    }

    /// Puts back what lies here: nobody takes it up soon.
    pub(super) async fn clear(&self, sending: &Sending) -> Result<(), Error> {
        let ready = std::mem::take(&mut self.letters.lock().await.ready);
        let now = sending.db.clock().now();
        for ready in ready {
            let back = PutBack { next_attempt_at: now, detail: &ready.letter.detail, hindered: false };
            store::ledger::put_back(sending.db.pool(), ready.letter.id, ready.epoch, back).await?;
        }
        Ok(())
    }

    async fn claim(&self, sending: &Sending, many: u32) -> Result<Vec<Ready>, Error> {
        let now = sending.db.clock().now();
        let until = now + span(sending.consent_deadline + ON_DESK + SPARE);
        let claims = store::ledger::claim(sending.db.pool(), self.owner, now, until, many).await?;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<LetterId> = claims.iter().map(|claim| claim.letter.id).collect();
        let mut known = sending.sender.known(&ids).await?;
        let questions: Vec<_> = claims
            .iter()
            .filter(|claim| !known.contains_key(&claim.letter.id))
            .map(|claim| (claim.letter.customer_id, claim.letter.destination.clone(), claim.letter.purpose))
            .collect();
        let mut verdicts = sending.customers.may_send_all(&questions).await.into_iter();
        let mut ready = Vec::with_capacity(claims.len());
        for Claim { mut letter, epoch, postponements } in claims {
            let outcome = match known.remove(&letter.id) {
                Some(outcome) => Some(outcome),
                None => match verdicts.next() {
                    Some(Ok(verdict)) => judged(&mut letter, verdict),
                    unasked => {
                        let error = unasked.and_then(Result::err);
                        sending.postpone(&letter, epoch, postponements, error.as_ref()).await?;
                        continue;
                    }
                },
            };
            ready.push(Ready { letter, epoch, postponements, until, outcome });
        }
        Ok(ready)
    }
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
    async fn postpone(
        &self,
        letter: &Letter,
        epoch: i64,
        postponements: i32,
        error: Option<&Error>,
    ) -> Result<(), Error> {
        let next = Patience::postponed(postponements + 1, self.db.clock().now(), self.jitter());
        let error = error.map(ToString::to_string).unwrap_or_default();
        tracing::warn!(email_id = %letter.id, next_attempt_at = %next, %error, "consent cannot be asked: the letter waits");
        let detail = "it cannot be asked at the moment whether the letter may be sent";
        let back = PutBack { next_attempt_at: next, detail, hindered: true };
        store::ledger::put_back(self.db.pool(), letter.id, epoch, back).await?;
        Ok(())
    }
}
