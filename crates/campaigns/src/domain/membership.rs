//! A customer in a segment: how it came, why, and until when.

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, EventId, MembershipId, SegmentId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rule::{Reason, Verdict};

/// What set off a change of membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Something happened with the customer.
    Event,
    /// Time passed.
    Time,
    /// The segment's rule was made, changed or put away.
    Rule,
}

/// A customer and a segment, as far as they have to do with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) id: MembershipId,
    pub(crate) customer: CustomerId,
    pub(crate) segment: SegmentId,
    /// How often the customer entered and left.
    pub(crate) version: i64,
    /// Since when the customer belongs to the segment; none for one who does not.
    pub(crate) entered_at: Option<DateTime<Utc>>,
    /// When the rule's result next changes if nothing happens.
    pub(crate) next_change_at: Option<DateTime<Utc>>,
    /// As of when it was last decided otherwise than before; no later decision is of an earlier moment.
    pub(crate) decided_at: Option<DateTime<Utc>>,
}

impl Pair {
    /// A pair that has had nothing to do with each other.
    pub(crate) const fn new(id: MembershipId, customer: CustomerId, segment: SegmentId) -> Self {
        Self { id, customer, segment, version: 0, entered_at: None, next_change_at: None, decided_at: None }
    }

    /// Whether the customer belongs to the segment.
    pub(crate) const fn is_member(&self) -> bool {
        self.entered_at.is_some()
    }

    /// Whether nothing needs to be remembered of it.
    pub(crate) const fn is_void(&self) -> bool {
        self.version == 0 && self.next_change_at.is_none()
    }

    /// The moment as of which it is decided by somebody for whom it is `now`: clocks of replicas differ, and an age that
    /// was reached must not be undone by the slower one.
    pub(crate) fn moment(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.decided_at.map_or(now, |decided_at| decided_at.max(now))
    }

    /// The pair after a verdict of that moment; `None` where the verdict changes nothing.
    pub(crate) fn settle(&self, verdict: Verdict, at: DateTime<Utc>) -> Option<Self> {
        let mut after = Self { next_change_at: verdict.next_change_at, ..self.clone() };
        if verdict.holds != self.is_member() {
            after.version += 1;
            after.entered_at = verdict.holds.then_some(at);
        }
        let changed = after != *self;
        after.decided_at = Some(at);
        changed.then_some(after)
    }
}

/// A customer who belongs to a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) segment: SegmentId,
    pub(crate) segment_name: String,
    pub(crate) customer: CustomerId,
    pub(crate) entered_at: DateTime<Utc>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) next_change_at: Option<DateTime<Utc>>,
}

/// Where a customer's change of membership stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) event: EventId,
    pub(crate) membership: MembershipId,
    pub(crate) version: i64,
    pub(crate) segment: SegmentId,
    /// The segment's name now.
    pub(crate) segment_name: String,
    /// Whether the customer entered.
    pub(crate) entered: bool,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) cause: Cause,
}

/// By what steps are listed. Of several steps of a pair at one moment the version tells the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepKey {
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) version: i64,
    pub(crate) event: Uuid,
}

impl Step {
    /// What a page of steps goes on from.
    pub(crate) const fn key(&self) -> StepKey {
        StepKey { changed_at: self.changed_at, version: self.version, event: self.event.uuid() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_that_says_what_is_known_changes_nothing_and_another_raises_the_version_once() {
        let (one, two) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1));
        let pair = Pair::new(Uuid::nil().into(), Uuid::nil().into(), Uuid::nil().into());
        let verdict = |holds, next_change_at| Verdict { holds, next_change_at };
        assert_eq!(pair.settle(verdict(false, None), one), None);
        let member = pair.settle(verdict(true, Some(two)), one).unwrap();
        assert_eq!((member.version, member.entered_at, member.next_change_at), (1, Some(one), Some(two)));
        assert_eq!(member.settle(verdict(true, Some(two)), two), None);
        let moved = member.settle(verdict(true, None), two).unwrap();
        assert_eq!((moved.version, moved.entered_at), (1, Some(one)));
        let left = moved.settle(verdict(false, None), two).unwrap();
        assert_eq!((left.version, left.is_member(), left.is_void()), (2, false, false));
        assert_eq!((left.moment(one), pair.moment(one)), (two, one));
        assert!(pair.is_void());
    }
}
