//! What changes because time passes. Every pair knows the moment at which its result next changes; nothing scans the base.

use clientele_platform::Caller;

use super::App;
use super::settle::{Question, moment, settle};
use crate::domain::membership::Cause;
use crate::{Error, store};

/// How many pairs are looked at in one unit of work.
const BATCH: i64 = 500;

impl App {
    /// Decides pairs whose moment has come, each as of that moment, however late it is looked at. True when there were any.
    pub(crate) async fn settle_due(&self) -> Result<bool, Error> {
        let ids = store::membership::due(self.db.pool(), self.db.clock().now(), BATCH).await?;
        if ids.is_empty() {
            return Ok(false);
        }
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        let rules = self.rules.hold(work.conn()).await?;
        // Whoever works on one of them at the moment decides it as of now, or leaves it to the next round.
        let ids = store::person::lock_free(work.conn(), &ids).await?;
        let now = moment(&work);
        let people = store::person::get(work.conn(), &ids).await?;
        let pairs = store::membership::pairs(work.conn(), &ids, None).await?;
        let mut questions = Vec::new();
        for person in &people {
            for segment in rules.segments() {
                let pair = pairs.get(&(person.id, segment.id));
                let due_at = pair.and_then(|pair| pair.next_change_at).filter(|due_at| *due_at <= now);
                let Some(due_at) = due_at else { continue };
                // A moment foretold by the rule before says nothing about the rule of now.
                let foretold = rules.get(segment.id).is_some_and(|in_use| in_use.complete);
                let (at, cause) = if foretold { (due_at, Cause::Time) } else { (now, Cause::Rule) };
                questions.push(Question { customer: person.id, person: Some(person), segment, at, cause });
            }
        }
        settle(&mut work, &pairs, &questions).await?;
        work.commit().await?;
        Ok(!ids.is_empty())
    }
}
