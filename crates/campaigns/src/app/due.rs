//! What changes because time passes. Every pair knows the moment at which its result next changes; nothing scans the base.

use clientele_platform::Caller;

use super::App;
use super::settle::{Question, moment, settle};
use crate::domain::membership::Cause;
use crate::{Error, store};

/// How many pairs are looked at in one unit of work.
const BATCH: i64 = 500;

impl App {
    /// Decides pairs whose moments have come, as of each of them, however late they are looked at. True when there were any.
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
            for in_use in rules.in_use() {
                let segment = &in_use.segment;
                let pair = pairs.get(&(person.id, segment.id));
                if pair.and_then(|pair| pair.next_change_at).is_none_or(|due_at| due_at > now) {
                    continue;
                }
                // A moment foretold by the rule before says nothing about the rule of now.
                let before = in_use.complete.then_some(person);
                let cause = if in_use.complete { Cause::Time } else { Cause::Rule };
                questions.push(Question { customer: person.id, before, person: Some(person), segment, at: now, cause });
            }
        }
        settle(&mut work, &pairs, &questions).await?;
        work.commit().await?;
        Ok(!ids.is_empty())
    }
}
