//! What becomes of a letter in the ledger of sending, and when it is tried again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// What has become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Waiting to be claimed.
    Queued,
    /// A worker has it.
    Claimed,
    /// The mail server has taken it.
    Sent,
    /// Refused for good, or too often.
    Failed,
    /// Not sent, on purpose.
    Suppressed,
    /// Nobody can know whether the mail server has taken it.
    Unknown,
}

impl State {
    const ALL: [Self; 6] = [Self::Queued, Self::Claimed, Self::Sent, Self::Failed, Self::Suppressed, Self::Unknown];

    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// How an attempt to send a letter ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The mail server has taken it; its words.
    Sent(String),
    /// It was refused for good: a stable word, and the server's words.
    Refused(&'static str, String),
    /// It was surely not taken, and may be later: the server's words, or what went wrong.
    Deferred(String),
    /// The mail server is away, or does not take us: this says nothing about the letter.
    Hindered(Hindrance),
    /// It may have been taken or not: a stable word, and what went wrong.
    Unknown(&'static str, String),
    /// It may not be sent: a stable word.
    Suppressed(String),
}

/// What stood in the way of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hindrance {
    /// The step of the conversation.
    pub(crate) step: &'static str,
    /// The mail server's answer, where it gave one.
    pub(crate) code: Option<u16>,
    /// What went wrong, in the mail server's words: they may name people, and are no matter for a log.
    pub(crate) words: String,
}

/// Reasons, as callers see them.
pub(crate) mod reason {
    /// The mail server takes nothing for this recipient.
    pub(crate) const RECIPIENT_REFUSED: &str = "RECIPIENT_REFUSED";
    /// The mail server does not take this letter.
    pub(crate) const MESSAGE_REFUSED: &str = "MESSAGE_REFUSED";
    /// The mail server knows no addresses beyond ASCII.
    pub(crate) const ADDRESS_NOT_SUPPORTED: &str = "ADDRESS_NOT_SUPPORTED";
    /// No letter can be made of it.
    pub(crate) const INVALID_LETTER: &str = "INVALID_LETTER";
    /// It was tried as often as it may.
    pub(crate) const TOO_MANY_ATTEMPTS: &str = "TOO_MANY_ATTEMPTS";
    /// The connection broke off after the letter had begun to be handed over.
    pub(crate) const CONNECTION_LOST_AFTER_DATA: &str = "CONNECTION_LOST_AFTER_DATA";
    /// The mail server did not answer in time after the letter was handed over.
    pub(crate) const NO_REPLY_AFTER_DATA: &str = "NO_REPLY_AFTER_DATA";
    /// What the mail server answered to the letter means nothing.
    pub(crate) const UNREADABLE_REPLY_AFTER_DATA: &str = "UNREADABLE_REPLY_AFTER_DATA";
    /// Our worker ended after the letter had begun to be handed over.
    pub(crate) const WORKER_LOST_AFTER_DATA: &str = "WORKER_LOST_AFTER_DATA";
    /// It waited when the backup was made from which the database was restored since.
    pub(crate) const RESTORED: &str = "RESTORED";
    /// The customer is gone.
    pub(crate) const CUSTOMER_NOT_FOUND: &str = "CUSTOMER_NOT_FOUND";
    /// customers could not say whether it may be sent, and gave no reason.
    pub(crate) const NOT_ALLOWED: &str = "NOT_ALLOWED";
}

/// How often and when a letter is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How many times at most.
    pub(crate) attempts: i32,
    /// Wait before the second try.
    pub(crate) first_wait: Duration,
    /// Longest wait.
    pub(crate) longest_wait: Duration,
}

/// What is written when an attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) detail: String,
    /// When it is tried again; none for one that is settled.
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
}

impl Patience {
    /// The longest wait while a letter cannot be asked about, or the mail server is away: that passes, and is noticed soon.
    const LONGEST_POSTPONEMENT: Duration = Duration::from_mins(1);
    const FIRST_POSTPONEMENT: Duration = Duration::from_secs(1);

    /// What follows from an outcome after so many attempts. `jitter`, 0 to 255, spreads tries in time.
    pub(crate) fn settle(self, outcome: Outcome, attempts: i32, now: DateTime<Utc>, jitter: u8) -> Settlement {
        let (state, reason, detail) = match outcome {
            Outcome::Sent(words) => (State::Sent, String::new(), words),
            Outcome::Refused(reason, words) => (State::Failed, reason.to_owned(), words),
            Outcome::Unknown(reason, words) => (State::Unknown, reason.to_owned(), words),
            Outcome::Suppressed(reason) => (State::Suppressed, reason, String::new()),
            Outcome::Deferred(words) if attempts >= self.attempts => {
                (State::Failed, reason::TOO_MANY_ATTEMPTS.to_owned(), words)
            }
            Outcome::Hindered(Hindrance { words, .. }) | Outcome::Deferred(words) => {
                (State::Queued, String::new(), words)
            }
        };
        let wait = || spread(doubled(self.first_wait, attempts - 1, self.longest_wait), jitter);
        let next_attempt_at = (state == State::Queued).then(|| now + wait());
        Settlement { state, reason, detail: bounded(&detail), next_attempt_at }
    }

    /// When to go on, after so many hindrances in a row that say nothing about the letter.
    pub(crate) fn postponed(postponements: i32, now: DateTime<Utc>, jitter: u8) -> DateTime<Utc> {
        now + spread(doubled(Self::FIRST_POSTPONEMENT, postponements - 1, Self::LONGEST_POSTPONEMENT), jitter)
    }
}

fn doubled(first: Duration, times: i32, longest: Duration) -> Duration {
    let factor = 2_u32.checked_pow(u32::try_from(times).unwrap_or(0)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

/// Three to five quarters of the wait.
fn spread(wait: Duration, jitter: u8) -> TimeDelta {
    let spread = wait.mul_f64(0.75 + f64::from(jitter) / 255.0 / 2.0);
    TimeDelta::from_std(spread).unwrap_or(TimeDelta::days(1))
}

/// The words of a mail server, fit to be kept and shown.
pub(crate) fn bounded(words: &str) -> String {
    const LONGEST: usize = 500;
    words.trim().chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience =
        Patience { attempts: 5, first_wait: Duration::from_mins(1), longest_wait: Duration::from_mins(5) };

    fn deferred() -> Outcome {
        Outcome::Deferred("450 greylisted".to_owned())
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let now = DateTime::UNIX_EPOCH;
        let waits: Vec<i64> = (1..5)
            .map(|attempts| {
                let settlement = PATIENCE.settle(deferred(), attempts, now, 0);
                (settlement.next_attempt_at.unwrap() - now).num_seconds()
            })
            .collect();
        assert_eq!(waits, [45, 90, 180, 225], "three quarters of 1, 2, 4 and 5 minutes");
    }

    #[test]
    fn after_the_last_attempt_a_letter_is_given_up() {
        let settlement = PATIENCE.settle(deferred(), 5, DateTime::UNIX_EPOCH, 0);
        assert_eq!((settlement.state, settlement.reason.as_str()), (State::Failed, reason::TOO_MANY_ATTEMPTS));
        assert_eq!(settlement.detail, "450 greylisted");
    }

    #[test]
    fn what_nobody_can_know_is_never_tried_again() {
        let outcome = Outcome::Unknown(reason::CONNECTION_LOST_AFTER_DATA, String::new());
        let settlement = PATIENCE.settle(outcome, 1, DateTime::UNIX_EPOCH, 0);
        assert_eq!((settlement.state, settlement.next_attempt_at), (State::Unknown, None));
    }

    proptest! {
        #[test]
        fn only_what_waits_has_a_next_attempt_and_never_in_the_past(
            attempts in -1..200_i32, jitter: u8, words in ".*", kind in 0..6_u8,
        ) {
            let outcome = match kind {
                0 => Outcome::Sent(words),
                1 => Outcome::Refused(reason::MESSAGE_REFUSED, words),
                2 => Outcome::Deferred(words),
                3 => Outcome::Unknown(reason::NO_REPLY_AFTER_DATA, words),
                4 => Outcome::Hindered(Hindrance { step: "MAIL", code: Some(550), words }),
                _ => Outcome::Suppressed(words),
            };
            let now = DateTime::UNIX_EPOCH;
            let settlement = PATIENCE.settle(outcome, attempts, now, jitter);
            prop_assert_eq!(settlement.state == State::Queued, settlement.next_attempt_at.is_some());
            if let Some(next) = settlement.next_attempt_at {
                prop_assert!(next > now && next <= now + TimeDelta::seconds(375));
            }
            prop_assert!(settlement.detail.chars().count() <= 500 && !settlement.detail.contains(char::is_control));
            prop_assert!(Patience::postponed(attempts, now, jitter) <= now + TimeDelta::seconds(75));
        }
    }
}
