//! Deciding memberships: the one way by which customers enter and leave segments.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Partition, SegmentId};
use clientele_platform::postgres::UnitOfWork;

use crate::domain::membership::{Cause, Pair};
use crate::domain::person::Person;
use crate::domain::rule::Verdict;
use crate::domain::segment::Segment;
use crate::events::publish;
use crate::store::membership::Pairs;
use crate::{Error, store};

/// Whether a customer belongs to a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) customer: CustomerId,
    /// None for one who is gone.
    pub(crate) person: Option<&'a Person>,
    pub(crate) segment: &'a Segment,
    /// As of when, unless the pair was decided as of a later moment.
    pub(crate) at: DateTime<Utc>,
    /// Why it is asked.
    pub(crate) cause: Cause,
}

impl Question<'_> {
    fn verdict(&self, at: DateTime<Utc>) -> Verdict {
        match self.person {
            Some(person) if self.segment.active => self.segment.rule.verdict(person, at),
            _ => Verdict::default(),
        }
    }
}

/// The moment it is. Who decides reads it with the customers' locks in hand: a moment from before them may lie before what
/// somebody else has decided meanwhile.
pub(crate) fn moment(work: &UnitOfWork) -> DateTime<Utc> {
    work.database().clock().now()
}

/// Answers questions about customers whose rows are locked, whose pairs are as given, under rules that are held. What
/// changes is written and told.
pub(crate) async fn settle(work: &mut UnitOfWork, pairs: &Pairs, questions: &[Question<'_>]) -> Result<(), Error> {
    let mut changed = Vec::new();
    let mut counts: BTreeMap<(SegmentId, Partition), i64> = BTreeMap::new();
    for question in questions {
        let Question { customer, segment, .. } = *question;
        let known = pairs.get(&(customer, segment.id));
        let at = known.map_or(question.at, |known| known.moment(question.at));
        let verdict = question.verdict(at);
        if known.is_none() && verdict == Verdict::default() {
            continue;
        }
        let before = known.cloned().unwrap_or_else(|| Pair::new(work.id(), customer, segment.id));
        let Some(after) = before.settle(verdict, at) else { continue };
        if after.version != before.version {
            let reasons = question.person.map(|person| segment.rule.reasons(person, at)).unwrap_or_default();
            work.record(publish::membership(&after, segment, at, question.cause, &reasons));
            *counts.entry((segment.id, Partition::of(customer.uuid()))).or_default() +=
                if after.is_member() { 1 } else { -1 };
        }
        changed.push(after);
    }
    store::membership::put(work.conn(), &changed).await?;
    store::membership::raise_counts(work.conn(), &counts).await
}
