//! Letters that nobody works on: whatever is due is claimed within seconds, and whatever was claimed and left is put back
//! within a minute, so that what is much older than that says that no worker runs.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::messaging::v1::{Email, SendState};
use clientele_kernel::Error;
use clientele_platform::proto;

/// How late a worker may be, with clocks that differ.
const LATE: TimeDelta = TimeDelta::minutes(15);
/// How long a letter may wait for a mail server that is away or puts it off. With the settings that come with the program
/// a letter is given up after some two hours of being put off.
const LONG: TimeDelta = TimeDelta::days(3);

/// Why the letter is stuck; `None` where it is not.
pub(super) fn why(email: &Email, now: DateTime<Utc>) -> Result<Option<String>, Error> {
    let moment = |at| -> Result<Option<DateTime<Utc>>, Error> { proto::instant(at, "moment") };
    let past = |at: Option<DateTime<Utc>>, by: TimeDelta| at.filter(|at| now.signed_duration_since(*at) > by);
    Ok(match email.state() {
        SendState::Claimed => match moment(email.claimed_until)? {
            None => Some("it is claimed by a worker without an end".to_owned()),
            Some(until) => past(Some(until), LATE)
                .map(|until| format!("the claim of a worker ended at {until}, and nobody has said what became of it")),
        },
        SendState::Queued => {
            let due = past(moment(email.next_attempt_at)?, LATE)
                .map(|at| format!("it has been due since {at}, and no worker has claimed it"));
            let old = past(moment(email.created_at)?, LONG).map(|at| {
                format!("it has waited since {at} to be sent, after {} attempts: its detail says why", email.attempts)
            });
            due.or(old)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn letter(state: SendState, change: impl FnOnce(&mut Email)) -> Option<String> {
        let mut email = Email { created_at: Some(proto::timestamp(noon())), ..Email::default() };
        email.set_state(state);
        change(&mut email);
        why(&email, noon()).unwrap()
    }

    #[test]
    fn a_claim_that_ended_long_ago_is_told_and_one_that_has_just_ended_is_not() {
        let claimed = |minutes: i64| {
            let until = proto::timestamp(noon() + TimeDelta::minutes(minutes));
            letter(SendState::Claimed, |email| email.claimed_until = Some(until))
        };
        assert_eq!((claimed(5), claimed(-14)), (None, None));
        assert!(claimed(-16).unwrap().contains("ended at 2026-03-01 11:44:00 UTC"));
        assert!(letter(SendState::Claimed, |_| {}).is_some());
    }

    #[test]
    fn a_letter_that_is_long_due_or_waits_for_days_is_told() {
        let due = |minutes: i64| {
            let at = proto::timestamp(noon() + TimeDelta::minutes(minutes));
            letter(SendState::Queued, |email| email.next_attempt_at = Some(at))
        };
        assert_eq!((due(60), due(-14)), (None, None));
        assert!(due(-16).unwrap().contains("no worker has claimed it"));
        let old = |days: i64| {
            letter(SendState::Queued, |email| {
                email.created_at = Some(proto::timestamp(noon() - TimeDelta::days(days)));
                email.next_attempt_at = Some(proto::timestamp(noon() + TimeDelta::hours(1)));
                email.attempts = 2;
            })
        };
        assert_eq!(old(2), None);
        assert!(old(4).unwrap().contains("after 2 attempts"));
    }

    #[test]
    fn what_is_settled_is_never_stuck() {
        for state in [SendState::Sent, SendState::Failed, SendState::Suppressed, SendState::Unknown] {
            let old = |email: &mut Email| email.created_at = Some(proto::timestamp(noon() - TimeDelta::days(400)));
            assert_eq!(letter(state, old), None);
        }
    }
}
