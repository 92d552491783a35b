//! What other contexts tell of customers, as of the moments at which it became so. Locks are taken in one order everywhere:
//! the rules, then what is wanted, then customers by id, then numbers of members.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, SegmentId};
use clientele_platform::postgres::UnitOfWork;

use super::App;
use super::rules::RuleSet;
use super::settle::{Question, moment, settle};
use crate::domain::membership::Cause;
use crate::domain::person::{Facts, Person};
use crate::store::membership::Pairs;
use crate::store::person::{NewFacts, NewFigures, Versions};
use crate::store::refresh::Wanted;
use crate::{Error, store};

/// A customer as known before something is learned, and from each moment on at which something was.
#[derive(Debug)]
struct Course {
    before: Option<Person>,
    then: Vec<(DateTime<Utc>, Person)>,
}

impl App {
    /// Learns figures in the order given, unless later ones are known, and decides what follows from each of them.
    pub(crate) async fn learn_figures(&self, work: &mut UnitOfWork, mut new: Vec<NewFigures>) -> Result<(), Error> {
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
        let now = moment(work);
        new.retain_mut(|new| {
            let Some(known) = known.get_mut(&new.customer).filter(|known| known.figures < new.version) else {
                return false;
            };
            new.at = from(known, new.at, now);
            *known = Versions { figures: new.version, known_at: Some(new.at), ..*known };
            true
        });
        let people = store::person::get(work.conn(), known.keys().copied().collect::<Vec<_>>().as_slice()).await?;
        let mut courses: BTreeMap<CustomerId, Course> =
            people.into_iter().map(|person| (person.id, Course { before: Some(person), then: Vec::new() })).collect();
        let mut newest: BTreeMap<CustomerId, NewFigures> = BTreeMap::new();
        for new in new {
            // Of those without facts figures are kept, and nothing follows from them yet.
            if let Some(Course { before: Some(before), then }) = courses.get_mut(&new.customer) {
                then.push((new.at, Person { figures: new.figures.clone(), ..before.clone() }));
            }
            newest.insert(new.customer, new);
        }
        let newest: Vec<NewFigures> = newest.into_values().collect();
        store::person::put_figures(work.conn(), &newest).await?;
        if store::relearn::is_on(work.conn()).await? {
            return Ok(());
        }
        let ids: Vec<CustomerId> = newest.iter().map(|new| new.customer).collect();
        let pairs = store::membership::pairs(work.conn(), &ids, None).await?;
        settle_courses(work, &rules, &pairs, &courses.into_values().collect::<Vec<_>>()).await
    }

    /// Learns that customers have changed, so that their facts will be asked for, and that others are gone since a moment.
    pub(crate) async fn follow_customers(
        &self,
        work: &mut UnitOfWork,
        wanted: &[Wanted],
        gone: &BTreeMap<CustomerId, DateTime<Utc>>,
    ) -> Result<(), Error> {
        let now = work.now();
        if gone.is_empty() {
            return store::refresh::want(work.conn(), wanted, now).await;
        }
        let rules = self.rules.hold(work.conn()).await?;
        let ids: Vec<CustomerId> = gone.keys().copied().collect();
        store::refresh::want(work.conn(), wanted, now).await?;
        store::refresh::cancel(work.conn(), &ids).await?;
        // Those of whom nothing is known get a row too, as the lock against figures that are learned at this moment.
        store::person::ensure(work.conn(), &ids).await?;
        let known = store::person::lock(work.conn(), &ids).await?;
        leave_all(work, &rules, gone, &known).await?;
        store::person::bury(work.conn(), &ids).await?;
        store::person::forget(work.conn(), &ids).await
    }

    /// Learns facts that were asked for, where they are still wanted, and decides what follows from them. Those without
    /// facts exist no longer: the event that says so is on its way. It is not where facts that were known already are
    /// asked for once more, because customers was restored from a backup: those leave at once.
    pub(crate) async fn learn_facts(
        &self,
        work: &mut UnitOfWork,
        asked: &[Wanted],
        mut facts: HashMap<CustomerId, (Facts, DateTime<Utc>)>,
    ) -> Result<(), Error> {
        let rules = self.rules.hold(work.conn()).await?;
        let wanted = store::refresh::lock(work.conn(), asked).await?;
        let absent: Vec<Wanted> = asked
            .iter()
            .filter(|asked| wanted.contains(&asked.customer) && !facts.contains_key(&asked.customer))
            .copied()
            .collect();
        let new: Vec<NewFacts> = asked
            .iter()
            .filter(|asked| wanted.contains(&asked.customer))
            .filter_map(|asked| {
                let (facts, at) = facts.remove(&asked.customer)?;
                Some(NewFacts { customer: asked.customer, version: asked.version, facts, at })
            })
            .collect();
        let ids: Vec<CustomerId> = new.iter().map(|new| new.customer).collect();
        store::person::ensure(work.conn(), &ids).await?;
        let all: Vec<CustomerId> = ids.iter().copied().chain(absent.iter().map(|absent| absent.customer)).collect();
        let known = store::person::lock(work.conn(), &all).await?;
        let now = moment(work);
        let gone: BTreeMap<CustomerId, DateTime<Utc>> = absent
            .iter()
            .filter(|absent| known.get(&absent.customer).is_some_and(|known| known.facts >= absent.version))
            .map(|absent| (absent.customer, now))
            .collect();
        if !gone.is_empty() {
            let ids: Vec<CustomerId> = gone.keys().copied().collect();
            leave_all(work, &rules, &gone, &known).await?;
            store::person::bury(work.conn(), &ids).await?;
            store::person::forget(work.conn(), &ids).await?;
        }
        let new: Vec<NewFacts> = new
            .into_iter()
            .filter_map(|new| {
                let known = known.get(&new.customer).filter(|known| known.facts <= new.version)?;
                Some(NewFacts { at: from(known, new.at, now), ..new })
            })
            .collect();
        let ids: Vec<CustomerId> = new.iter().map(|new| new.customer).collect();
        let before = store::person::get(work.conn(), &ids).await?;
        store::person::put_facts(work.conn(), &new).await?;
        let mut before: HashMap<CustomerId, Person> = before.into_iter().map(|person| (person.id, person)).collect();
        let moments: HashMap<CustomerId, DateTime<Utc>> = new.iter().map(|new| (new.customer, new.at)).collect();
        let mut courses = Vec::new();
        for person in store::person::get(work.conn(), &ids).await? {
            let at = moments.get(&person.id).copied().unwrap_or(now);
            courses.push(Course { before: before.remove(&person.id), then: vec![(at, person)] });
        }
        let pairs = store::membership::pairs(work.conn(), &ids, None).await?;
        settle_courses(work, &rules, &pairs, &courses).await?;
        store::refresh::done(work.conn(), asked).await
    }
}

/// The moment from which on something counts that is learned now of a customer of whom this much is known: when it became
/// so, but not before what was learned earlier, and not after now, whatever the clock says of whoever told it.
fn from(known: &Versions, became_so_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let at = became_so_at.min(now);
    known.known_at.map_or(at, |known_at| known_at.max(at))
}

/// Holds every rule against customers whose rows are locked, from each moment on at which something was learned.
async fn settle_courses(
    work: &mut UnitOfWork,
    rules: &RuleSet,
    pairs: &Pairs,
    courses: &[Course],
) -> Result<(), Error> {
    let mut questions = Vec::new();
    for course in courses {
        for in_use in rules.in_use() {
            let segment = &in_use.segment;
            // A moment foretold by the rule before says nothing about the rule of now.
            let mut before = course.before.as_ref().filter(|_| in_use.complete);
            for (at, person) in &course.then {
                // What became so before there was the rule follows from the rule.
                let (customer, at, cause) = (person.id, segment.updated_at.max(*at), Cause::Event);
                questions.push(Question { customer, before, person: Some(person), segment, at, cause });
                before = Some(person);
            }
        }
    }
    settle(work, pairs, &questions).await
}

/// Has customers leave every segment they belong to, those put away included.
async fn leave_all(
    work: &mut UnitOfWork,
    rules: &RuleSet,
    gone: &BTreeMap<CustomerId, DateTime<Utc>>,
    known: &BTreeMap<CustomerId, Versions>,
) -> Result<(), Error> {
    let now = moment(work);
    let ids: Vec<CustomerId> = gone.keys().copied().collect();
    let people = store::person::get(work.conn(), &ids).await?;
    let pairs = store::membership::pairs(work.conn(), &ids, None).await?;
    let mut segments: Vec<SegmentId> = pairs.keys().map(|(_, segment)| *segment).collect();
    segments.sort_unstable();
    segments.dedup();
    let segments = store::segment::get(work.conn(), &segments).await?;
    let mut questions = Vec::new();
    for (customer, segment) in pairs.keys() {
        let (Some(gone_at), Some(known)) = (gone.get(customer), known.get(customer)) else { continue };
        if let Some(view) = segments.iter().find(|view| view.segment.id == *segment) {
            let is_complete = rules.get(*segment).is_some_and(|in_use| in_use.complete);
            let before = people.iter().find(|person| person.id == *customer).filter(|_| is_complete);
            let (segment, at, cause) = (&view.segment, from(known, *gone_at, now), Cause::Event);
            questions.push(Question { customer: *customer, before, person: None, segment, at, cause });
        }
    }
    settle(work, &pairs, &questions).await
}
