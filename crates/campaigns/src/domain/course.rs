//! What becomes of a pair as things are learned of the customer and time passes.

use chrono::{DateTime, Utc};

use super::membership::{Cause, Pair};
use super::person::Person;
use super::rule::{MOST_CONDITIONS, Reason, Verdict};
use super::segment::Segment;

/// A customer entered or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The pair after it.
    pub(crate) pair: Pair,
    pub(crate) at: DateTime<Utc>,
    pub(crate) cause: Cause,
    /// Why; none for a customer who is gone.
    pub(crate) reasons: Vec<Reason>,
}

impl Pair {
    /// Decides the pair by what is known of the customer from a moment on, or from the last decision on where that is
    /// later. A customer who is gone belongs to nothing, and nobody to a segment that is put away.
    pub(crate) fn decide(
        &mut self,
        segment: &Segment,
        person: Option<&Person>,
        at: DateTime<Utc>,
        cause: Cause,
    ) -> Option<Change> {
        let at = self.moment(at);
        let person = person.filter(|_| segment.active);
        let verdict = person.map_or(Verdict::default(), |person| segment.rule.verdict(person, at));
        let after = self.settle(verdict, at)?;
        let is_change = after.version != self.version;
        *self = after;
        is_change.then(|| {
            let reasons = person.map(|person| segment.rule.reasons(person, at)).unwrap_or_default();
            Change { pair: self.clone(), at, cause, reasons }
        })
    }

    /// Makes up for the moments before `until` at which time alone turned the pair, in their order, by what was known of
    /// the customer then.
    pub(crate) fn make_up(&mut self, segment: &Segment, person: &Person, until: DateTime<Utc>) -> Vec<Change> {
        let mut changes = Vec::new();
        // A condition turns once, so that there are no more moments than conditions.
        for _ in 0..MOST_CONDITIONS {
            let Some(at) = self.next_change_at.filter(|at| *at < until) else { break };
            changes.extend(self.decide(segment, Some(person), at, Cause::Time));
        }
        changes
    }
}

#[cfg(test)]
mod tests;
