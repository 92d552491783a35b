//! Finds the members of a new rule, and has those of a segment that was put away leave: batch by batch, from where the
//! last batch ended, whoever did it. Events are applied meanwhile under the same rule, so that nobody is missed.

use clientele_platform::Caller;
use clientele_platform::postgres::UnitOfWork;
use uuid::Uuid;

use super::App;
use super::settle::{Question, moment, settle};
use crate::domain::membership::Cause;
use crate::domain::segment::Segment;
use crate::events::publish;
use crate::store::segment::Build;
use crate::{Error, store};

/// How many customers are looked at in one unit of work.
const BATCH: i64 = 500;

impl App {
    /// Works on a build that is not complete. True when there was one.
    pub(crate) async fn build_some(&self) -> Result<bool, Error> {
        if !store::segment::is_building(self.db.pool()).await? {
            return Ok(false);
        }
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        self.rules.hold(work.conn()).await?;
        let Some(mut build) = store::segment::take_build(work.conn()).await? else { return Ok(false) };
        let segment = store::segment::get(work.conn(), &[build.segment]).await?.pop();
        let mut segment = segment.ok_or(Error::NotFound(build.segment))?.segment;
        if segment.active {
            find_some(&mut work, &segment, &mut build).await?;
        } else {
            clear_some(&mut work, &segment, &mut build).await?;
        }
        store::segment::put_build(work.conn(), &build).await?;
        if build.complete {
            segment.version += 1;
            store::segment::update(work.conn(), &segment).await?;
            store::segment::raise_rules(work.conn()).await?;
            work.record(publish::segment(&segment, true));
            tracing::info!(segment = %segment.id, customers = build.examined, "the members of a segment are found");
        }
        work.commit().await?;
        Ok(true)
    }
}

/// Holds the rule against the customers that follow.
async fn find_some(work: &mut UnitOfWork, segment: &Segment, build: &mut Build) -> Result<(), Error> {
    if build.total.is_none() {
        build.total = Some(store::person::estimate(work.conn()).await?);
    }
    let ids = store::person::after(work.conn(), build.after, BATCH).await?;
    let Some(last) = ids.last() else {
        build.complete = true;
        build.total = Some(build.examined);
        return Ok(());
    };
    build.after = Uuid::from(*last);
    build.examined += i64::try_from(ids.len()).unwrap_or(BATCH);
    build.total = build.total.max(Some(build.examined));
    store::person::lock(work.conn(), &ids).await?;
    let people = store::person::get(work.conn(), &ids).await?;
    let pairs = store::membership::pairs(work.conn(), &ids, Some(segment.id)).await?;
    let (at, cause) = (moment(work), Cause::Rule);
    let questions: Vec<_> = people
        .iter()
        .map(|person| Question { customer: person.id, before: None, person: Some(person), segment, at, cause })
        .collect();
    settle(work, &pairs, &questions).await
}

/// Has some of those that have to do with a segment leave it. They are found by having to do with it, so that no place
/// need be kept.
async fn clear_some(work: &mut UnitOfWork, segment: &Segment, build: &mut Build) -> Result<(), Error> {
    if build.total.is_none() {
        build.total = Some(store::membership::number(work.conn(), segment.id).await?);
    }
    let ids = store::membership::concerned(work.conn(), segment.id, BATCH).await?;
    if ids.is_empty() {
        build.complete = true;
        return Ok(());
    }
    store::person::lock(work.conn(), &ids).await?;
    let pairs = store::membership::pairs(work.conn(), &ids, Some(segment.id)).await?;
    let members = pairs.values().filter(|pair| pair.is_member()).count();
    build.examined += i64::try_from(members).unwrap_or(BATCH);
    let (at, cause) = (moment(work), Cause::Rule);
    let questions: Vec<_> = pairs
        .values()
        .map(|pair| Question { customer: pair.customer, before: None, person: None, segment, at, cause })
        .collect();
    settle(work, &pairs, &questions).await
}
