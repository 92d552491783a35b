//! Deciding memberships: the one way by which customers enter and leave segments.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Partition, SegmentId};
use clientele_platform::postgres::UnitOfWork;

use crate::domain::membership::{Cause, Pair};
use crate::domain::person::Person;
use crate::domain::segment::Segment;
use crate::events::publish;
use crate::store::membership::Pairs;
use crate::{Error, store};

/// Whether a customer belongs to a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) customer: CustomerId,
    /// The customer as known until then, by whom the moments before it are made up for; none where there is nothing to
    /// make up for.
    pub(crate) before: Option<&'a Person>,
    /// None for one who is gone.
    pub(crate) person: Option<&'a Person>,
    pub(crate) segment: &'a Segment,
    /// As of when, unless the pair was decided as of a later moment.
    pub(crate) at: DateTime<Utc>,
    /// Why it is asked.
    pub(crate) cause: Cause,
}

/// The moment it is. Who decides reads it with the customers' locks in hand: a moment from before them may lie before what
/// somebody else has decided meanwhile.
pub(crate) fn moment(work: &UnitOfWork) -> DateTime<Utc> {
    work.database().clock().now()
}

/// Answers questions about customers whose rows are locked, whose pairs are as given, under rules that are held; those
/// about a pair come in the order of their moments. What changes is written and told.
pub(crate) async fn settle(work: &mut UnitOfWork, pairs: &Pairs, questions: &[Question<'_>]) -> Result<(), Error> {
    let mut settled: BTreeMap<(CustomerId, SegmentId), Pair> = BTreeMap::new();
    let mut counts: BTreeMap<(SegmentId, Partition), i64> = BTreeMap::new();
    for question in questions {
        let Question { customer, before, person, segment, at, cause } = *question;
        let key = (customer, segment.id);
        let known = settled.get(&key).or_else(|| pairs.get(&key));
        let mut pair = known.cloned().unwrap_or_else(|| Pair::new(work.id(), customer, segment.id));
        let undecided = pair.clone();
        let mut changes = before.map(|before| pair.make_up(segment, before, at)).unwrap_or_default();
        changes.extend(pair.decide(segment, person, at, cause));
        for change in &changes {
            work.record(publish::membership(segment, change));
            *counts.entry((segment.id, Partition::of(customer.uuid()))).or_default() +=
                if change.pair.is_member() { 1 } else { -1 };
        }
        if pair != undecided {
            settled.insert(key, pair);
        }
    }
    let settled: Vec<Pair> = settled.into_values().collect();
    store::membership::put(work.conn(), &settled).await?;
    store::membership::raise_counts(work.conn(), &counts).await
}
