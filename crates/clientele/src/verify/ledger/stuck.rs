//! Letters that nobody works on. What was claimed and left is put back within a minute, so that a claim that ended long ago
//! says that no worker runs. A letter that is long due says so only where no other is worked on either: while the mail server
//! is away each worker tries one letter and rests, and where many wait each waits its turn.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::messaging::v1::{Email, SendState};
use clientele_kernel::Error;
use clientele_platform::proto;

use super::super::Found;

/// How late a worker may be, with clocks that differ.
const LATE: TimeDelta = TimeDelta::minutes(15);
/// The longest wait while the mail server is away, give or take a quarter, with clocks that differ.
const POSTPONED: TimeDelta = TimeDelta::minutes(2);
/// The longest wait between two tries that can be set, and the quarter by which waits are spread, with clocks that differ.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(31);

/// What shows whether letters are worked on.
#[derive(Debug)]
pub(super) struct Watch {
    begun: DateTime<Utc>,
    /// Whether any letter was tried or settled lately.
    works: bool,
    /// How many letters are long due, and the one that is longest.
    due: usize,
    longest_due: Option<(DateTime<Utc>, String)>,
}

impl Watch {
    /// A watch that begins now.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self { begun: now, works: false, due: 0, longest_due: None }
    }

    /// A letter as the ledger has it. Tells why it is stuck, where that shows in the letter alone.
    pub(super) fn letter(&mut self, email: &Email) -> Result<Option<String>, Error> {
        let moment = |at| -> Result<Option<DateTime<Utc>>, Error> { proto::instant(at, "moment") };
        match email.state() {
            SendState::Claimed => {
                let Some(until) = moment(email.claimed_until)? else {
                    return Ok(Some("it is claimed by a worker without an end".to_owned()));
                };
                if !self.is_long_before(until) {
                    self.works = true;
                    return Ok(None);
                }
                return Ok(Some(format!(
                    "the claim of a worker ended at {until}, and nobody has said what became of it"
                )));
            }
            SendState::Queued => {
                let Some(at) = moment(email.next_attempt_at)? else { return Ok(None) };
                if at > self.begun + LONGEST_WAIT {
                    return Ok(Some(format!("it is not to be tried before {at}, later than any wait that can be set")));
                }
                if self.is_long_before(at) {
                    self.due += 1;
                    if self.longest_due.as_ref().is_none_or(|(longest, _)| at < *longest) {
                        self.longest_due = Some((at, email.id.clone()));
                    }
                } else if !email.detail.is_empty() && at <= self.begun + POSTPONED {
                    // It was put back a moment ago. It may also be one that was put off for longer and has come due by now:
                    // then what is stuck is told a little later.
                    self.works = true;
                }
            }
            _ if email.reference.is_none() => {
                if let Some(at) = moment(email.settled_at)? {
                    self.worked_on(at);
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// A worker has tried or settled a letter.
    pub(super) fn worked_on(&mut self, at: DateTime<Utc>) {
        self.works |= !self.is_long_before(at);
    }

    /// Tells of letters that are long due where none was worked on.
    pub(super) fn tell(self, found: &mut Found) {
        let Some((at, letter)) = self.longest_due.filter(|_| !self.works) else { return };
        let others = match self.due {
            1 => String::new(),
            due => format!(", {} others are late as well", due - 1),
        };
        found.push(format_args!(
            "letter {letter} is stuck: it has been due since {at}{others}, and no letter at all was tried or settled in {} \
             minutes",
            LATE.num_minutes()
        ));
    }

    fn is_long_before(&self, at: DateTime<Utc>) -> bool {
        self.begun.signed_duration_since(at) > LATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn letter(state: SendState, change: impl FnOnce(&mut Email)) -> Email {
        let mut email = Email { id: "a".to_owned(), created_at: Some(proto::timestamp(noon())), ..Email::default() };
        email.set_state(state);
        change(&mut email);
        email
    }

    fn at(minutes: i64) -> prost_types::Timestamp {
        proto::timestamp(noon() + TimeDelta::minutes(minutes))
    }

    fn queued(minutes: i64, detail: &str) -> Email {
        letter(SendState::Queued, |email| {
            (email.next_attempt_at, email.detail) = (Some(at(minutes)), detail.to_owned());
        })
    }

    /// What is told of a ledger with these letters, and of a journal that told of work so many minutes ago.
    fn told(letters: &[Email], worked_on: Option<i64>) -> Vec<String> {
        let (mut watch, mut found) = (Watch::new(noon()), Found::default());
        for email in letters {
            if let Some(why) = watch.letter(email).unwrap() {
                found.push(why);
            }
        }
        if let Some(minutes) = worked_on {
            watch.worked_on(noon() - TimeDelta::minutes(minutes));
        }
        watch.tell(&mut found);
        found.shown().to_vec()
    }

    #[test]
    fn a_claim_that_ended_long_ago_is_told_and_one_that_has_just_ended_is_not() {
        let claimed =
            |minutes| told(&[letter(SendState::Claimed, |email| email.claimed_until = Some(at(minutes)))], None);
        assert_eq!((claimed(5).len(), claimed(-14).len()), (0, 0));
        assert!(claimed(-16)[0].contains("ended at 2026-03-01 11:44:00 UTC"));
        assert_eq!(told(&[letter(SendState::Claimed, |_| {})], None).len(), 1);
    }

    #[test]
    fn letters_that_are_long_due_are_told_where_nothing_is_worked_on() {
        assert!(told(&[queued(60, ""), queued(-14, "")], None).is_empty());
        // What has long been due, what another system sent, and what was settled or tried long ago shows no work.
        let recorded = letter(SendState::Sent, |email| {
            (email.settled_at, email.reference) =
                (Some(at(-1)), Some(clientele_contracts::platform::v1::ExternalReference::default()));
        });
        let settled = letter(SendState::Sent, |email| email.settled_at = Some(at(-16)));
        let lines = told(&[queued(-16, ""), queued(-30, "RCPT: 450 later"), recorded, settled], Some(16));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("due since 2026-03-01 11:30:00 UTC, 1 others are late as well"), "{lines:?}");
    }

    #[test]
    fn a_backlog_is_not_stuck_while_any_letter_is_tried_or_settled() {
        let backlog = || vec![queued(-16, ""), queued(-6_000, "")];
        let claimed = letter(SendState::Claimed, |email| email.claimed_until = Some(at(1)));
        let settled = letter(SendState::Failed, |email| email.settled_at = Some(at(-14)));
        let put_back = queued(1, "connect: connection refused");
        for sign in [claimed, settled, put_back] {
            assert_eq!(told(&[backlog(), vec![sign]].concat(), None), Vec::<String>::new());
        }
        assert_eq!(told(&backlog(), Some(14)), Vec::<String>::new(), "the journal tells of a letter that was put off");
        assert_eq!(told(&backlog(), None).len(), 1);
    }

    #[test]
    fn a_letter_that_waits_longer_than_any_may_is_told_and_one_that_is_put_off_for_days_in_all_is_not() {
        let old = |minutes| {
            letter(SendState::Queued, |email| {
                (email.created_at, email.next_attempt_at) = (Some(at(-60_000)), Some(at(minutes)));
            })
        };
        assert!(told(&[old(30 * 60)], None).is_empty());
        assert!(told(&[old(32 * 60)], None)[0].contains("later than any wait"));
    }
}
