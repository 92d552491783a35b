//! How long somebody who guesses passwords has to wait. Failures are counted per login and per network address; from a
//! limit on, each further one doubles the wait, up to a longest one, so that nobody can shut a stranger's account for
//! longer than that.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

/// What failures are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SubjectKind {
    Address,
    Login,
}

impl SubjectKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Login => "login",
        }
    }
}

/// A login or address, by its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) hash: [u8; 32],
}

impl Subject {
    pub(crate) fn of(kind: SubjectKind, text: &str) -> Self {
        Self { kind, hash: Sha256::digest(text.as_bytes()).into() }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}, …)", self.kind.as_str())
    }
}

/// When waiting begins, and how it grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// So many failures are free of a wait.
    pub(crate) failures: i32,
    /// Failures are forgotten this long after the last one, or after the wait it caused.
    pub(crate) window: TimeDelta,
    /// The first wait.
    pub(crate) first_wait: TimeDelta,
    /// No wait is longer.
    pub(crate) longest_wait: TimeDelta,
}

impl Limits {
    fn wait_after(&self, failures: i32) -> Option<TimeDelta> {
        let doublings = failures.checked_sub(self.failures).filter(|n| *n >= 0)?;
        // 2^30 seconds is beyond any longest wait, so cutting there loses nothing.
        Some((self.first_wait * (1 << doublings.min(30))).min(self.longest_wait))
    }
}

/// Failures counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) failures: i32,
    pub(crate) failed_at: DateTime<Utc>,
    pub(crate) blocked_until: Option<DateTime<Utc>>,
    pub(crate) forget_at: DateTime<Utc>,
}

impl Tally {
    /// How long a new attempt still has to wait.
    pub(crate) fn wait(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.blocked_until.map(|until| until - now).filter(|wait| *wait > TimeDelta::zero())
    }

    /// The tally after one more failure. An attempt counts as a failure before the password is looked at and is taken
    /// back when it was right, so that guesses sent all at once cannot overtake the count.
    pub(crate) fn failed(before: Option<Self>, limits: &Limits, now: DateTime<Utc>) -> Self {
        let earlier = before.filter(|tally| tally.forget_at > now).map_or(0, |tally| tally.failures);
        let failures = earlier.saturating_add(1);
        let blocked_until = limits.wait_after(failures).map(|wait| now + wait);
        Self { failures, failed_at: now, blocked_until, forget_at: blocked_until.unwrap_or(now) + limits.window }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        failures: 5,
        window: TimeDelta::minutes(15),
        first_wait: TimeDelta::seconds(5),
        longest_wait: TimeDelta::minutes(15),
    };

    fn after(failures: usize) -> Tally {
        let now = DateTime::UNIX_EPOCH;
        (1..failures).fold(Tally::failed(None, &LIMITS, now), |tally, _| Tally::failed(Some(tally), &LIMITS, now))
    }

    #[test]
    fn the_fifth_failure_starts_a_wait_that_doubles_up_to_a_quarter_of_an_hour() {
        let waits: Vec<_> =
            (1..=14).map(|n| after(n).wait(DateTime::UNIX_EPOCH).map_or(0, |wait| wait.num_seconds())).collect();
        assert_eq!(waits, [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    }

    #[test]
    fn failures_are_forgotten_after_a_quiet_quarter_of_an_hour() {
        let tally = after(4);
        let soon = DateTime::UNIX_EPOCH + TimeDelta::minutes(14);
        assert_eq!(Tally::failed(Some(tally), &LIMITS, soon).failures, 5);
        let later = DateTime::UNIX_EPOCH + TimeDelta::minutes(15);
        assert_eq!(Tally::failed(Some(tally), &LIMITS, later).failures, 1);
    }

    proptest! {
        #[test]
        fn no_number_of_failures_makes_anybody_wait_longer_than_the_longest_wait(failures in 0..i32::MAX) {
            let now = DateTime::UNIX_EPOCH;
            let before = Tally { failures, failed_at: now, blocked_until: None, forget_at: now + TimeDelta::days(1) };
            let tally = Tally::failed(Some(before), &LIMITS, now);
            prop_assert!(tally.wait(now).is_none_or(|wait| wait <= LIMITS.longest_wait));
            prop_assert!(tally.failures > 0);
        }
    }
}
