//! What other contexts tell of customers. Locks are taken in one order everywhere: the rules, then what is wanted, then
//! customers by id, then numbers of members.

use std::collections::HashMap;

use clientele_kernel::{CustomerId, SegmentId};
use clientele_platform::postgres::UnitOfWork;

use super::App;
use super::rules::RuleSet;
use super::settle::{Question, moment, settle};
use crate::domain::membership::Cause;
use crate::domain::person::Facts;
use crate::store::person::{NewFacts, NewFigures};
use crate::store::refresh::Wanted;
use crate::{Error, store};

impl App {
    /// Learns figures, unless later ones are known, and decides what follows from them.
    pub(crate) async fn learn_figures(&self, work: &mut UnitOfWork, new: Vec<NewFigures>) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let rules = self.rules.hold(work.conn()).await?;
        let ids: Vec<CustomerId> = new.iter().map(|new| new.customer).collect();
        store::person::ensure(work.conn(), &ids).await?;
        let mut known = store::person::lock(work.conn(), &ids).await?;
        // Asked with the lock in hand, which whoever deletes them takes as well.
        let gone = store::person::gone(work.conn(), &ids).await?;
        if !gone.is_empty() {
            store::person::forget(work.conn(), &gone).await?;
            known.retain(|id, _| !gone.contains(id));
        }
        let later: Vec<NewFigures> = new
            .into_iter()
            .filter(|new| known.get(&new.customer).is_some_and(|known| known.figures < new.version))
            .collect();
        let ids: Vec<CustomerId> = later.iter().map(|new| new.customer).collect();
        store::person::put_figures(work.conn(), &later).await?;
        settle_all(work, &rules, &ids).await
    }

    /// Learns that customers have changed, so that their facts will be asked for, and that others are gone.
    pub(crate) async fn follow_customers(
        &self,
        work: &mut UnitOfWork,
        wanted: &[Wanted],
        gone: &[CustomerId],
    ) -> Result<(), Error> {
        let now = work.now();
        if gone.is_empty() {
            return store::refresh::want(work.conn(), wanted, now).await;
        }
        self.rules.hold(work.conn()).await?;
        store::refresh::want(work.conn(), wanted, now).await?;
        store::refresh::cancel(work.conn(), gone).await?;
        // Those of whom nothing is known get a row too, as the lock against figures that are learned at this moment.
        store::person::ensure(work.conn(), gone).await?;
        store::person::lock(work.conn(), gone).await?;
        leave_all(work, gone).await?;
        store::person::bury(work.conn(), gone).await?;
        store::person::forget(work.conn(), gone).await
    }

    /// Learns facts that were asked for, where they are still wanted, and decides what follows from them. Those without
    /// facts exist no longer: the event that says so is on its way.
    pub(crate) async fn learn_facts(
        &self,
        work: &mut UnitOfWork,
        asked: &[Wanted],
        mut facts: HashMap<CustomerId, Facts>,
    ) -> Result<(), Error> {
        let rules = self.rules.hold(work.conn()).await?;
        let wanted = store::refresh::lock(work.conn(), asked).await?;
        let new: Vec<NewFacts> = asked
            .iter()
            .filter(|asked| wanted.contains(&asked.customer))
            .filter_map(|asked| {
                let facts = facts.remove(&asked.customer)?;
                Some(NewFacts { customer: asked.customer, version: asked.version, facts })
            })
            .collect();
        let ids: Vec<CustomerId> = new.iter().map(|new| new.customer).collect();
        store::person::ensure(work.conn(), &ids).await?;
        let known = store::person::lock(work.conn(), &ids).await?;
        let new: Vec<NewFacts> = new
            .into_iter()
            .filter(|new| known.get(&new.customer).is_some_and(|known| known.facts <= new.version))
            .collect();
        store::person::put_facts(work.conn(), &new).await?;
        settle_all(work, &rules, &ids).await?;
        store::refresh::done(work.conn(), asked).await
    }
}

/// Holds every rule against customers whose rows are locked.
async fn settle_all(work: &mut UnitOfWork, rules: &RuleSet, ids: &[CustomerId]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let at = moment(work);
    let people = store::person::get(work.conn(), ids).await?;
    let pairs = store::membership::pairs(work.conn(), ids, None).await?;
    let mut questions = Vec::new();
    for person in &people {
        for segment in rules.segments() {
            questions.push(Question { customer: person.id, person: Some(person), segment, at, cause: Cause::Event });
        }
    }
    settle(work, &pairs, &questions).await
}

/// Has customers leave every segment they belong to, those put away included.
async fn leave_all(work: &mut UnitOfWork, ids: &[CustomerId]) -> Result<(), Error> {
    let at = moment(work);
    let pairs = store::membership::pairs(work.conn(), ids, None).await?;
    let mut segments: Vec<SegmentId> = pairs.keys().map(|(_, segment)| *segment).collect();
    segments.sort_unstable();
    segments.dedup();
    let segments = store::segment::get(work.conn(), &segments).await?;
    let mut questions = Vec::new();
    for (customer, segment) in pairs.keys() {
        if let Some(view) = segments.iter().find(|view| view.segment.id == *segment) {
            let (segment, cause) = (&view.segment, Cause::Event);
            questions.push(Question { customer: *customer, person: None, segment, at, cause });
        }
    }
    settle(work, &pairs, &questions).await
}
