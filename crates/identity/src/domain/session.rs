//! Sessions of people who signed in: they end when unused for a while, and in any case after a longer one.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{SessionId, UserId};

use super::secret::SecretHash;

const LONGEST_USER_AGENT: usize = 300;

/// How many sessions a user has at most: the oldest give way.
pub(crate) const MOST_PER_USER: i64 = 50;

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// A session unused for so long ends.
    pub(crate) idle: TimeDelta,
    /// A session ends after so long whatever its use.
    pub(crate) absolute: TimeDelta,
    /// Use is written down at most so often.
    pub(crate) notice: TimeDelta,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) secret_hash: SecretHash,
    pub(crate) user_agent: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) used_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(
        id: SessionId,
        user_id: UserId,
        secret_hash: SecretHash,
        user_agent: &str,
        lifetimes: Lifetimes,
        now: DateTime<Utc>,
    ) -> Self {
        let ends_at = now + lifetimes.absolute;
        Self {
            id,
            user_id,
            secret_hash,
            user_agent: readable(user_agent),
            created_at: now,
            used_at: now,
            expires_at: (now + lifetimes.idle).min(ends_at),
            ends_at,
        }
    }
}

/// Until when use at this moment prolongs a session; `None` when its last use was noticed a moment ago, so that busy
/// sessions do not write a row for each request.
pub(crate) fn prolonged(
    used_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    lifetimes: Lifetimes,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    (now - used_at >= lifetimes.notice).then(|| (now + lifetimes.idle).min(ends_at))
}

/// What a browser calls itself, as far as it is readable and short: shown to people, never trusted.
fn readable(user_agent: &str) -> String {
    user_agent.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_browser_calls_itself_is_kept_without_control_characters_and_short(name in ".{0,400}") {
            let kept = readable(&name);
            prop_assert!(kept.chars().count() <= LONGEST_USER_AGENT && !kept.contains(char::is_control));
            prop_assert_eq!(readable(&kept), kept);
        }
    }

    const LIFETIMES: Lifetimes =
        Lifetimes { idle: TimeDelta::hours(12), absolute: TimeDelta::days(30), notice: TimeDelta::minutes(5) };

    fn session(now: DateTime<Utc>) -> Session {
        let id = uuid::Uuid::nil();
        Session::begin(id.into(), id.into(), SecretHash([0; 32]), "Fire\u{0}fox\n", LIFETIMES, now)
    }

    #[test]
    fn use_prolongs_a_session_but_not_beyond_its_end() {
        let now = DateTime::UNIX_EPOCH;
        let session = session(now);
        assert_eq!(session.expires_at, now + TimeDelta::hours(12));
        assert_eq!(prolonged(now, session.ends_at, LIFETIMES, now + TimeDelta::minutes(4)), None);
        let later = now + TimeDelta::hours(6);
        assert_eq!(prolonged(now, session.ends_at, LIFETIMES, later), Some(later + TimeDelta::hours(12)));
        let last_day = now + TimeDelta::days(30) - TimeDelta::hours(1);
        assert_eq!(prolonged(now, session.ends_at, LIFETIMES, last_day), Some(session.ends_at));
    }

    #[test]
    fn a_browser_s_name_is_kept_readable_and_short() {
        assert_eq!(session(DateTime::UNIX_EPOCH).user_agent, "Firefox");
        assert_eq!(readable(&"x".repeat(1000)).len(), 300);
    }
}
