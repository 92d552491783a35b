//! The rules in use, kept in memory and read again when they have changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clientele_kernel::SegmentId;
use sqlx::PgConnection;

use crate::domain::segment::Segment;
use crate::{Error, store};

/// A segment in use.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) segment: Segment,
    /// Whether its members are all found.
    pub(crate) complete: bool,
}

/// All segments in use, as of a version of the rules.
#[derive(Debug)]
pub(crate) struct RuleSet {
    version: i64,
    segments: HashMap<SegmentId, InUse>,
}

impl RuleSet {
    /// The segments.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = &InUse> {
        self.segments.values()
    }

    /// One of them; none where it was put away.
    pub(crate) fn get(&self, id: SegmentId) -> Option<&InUse> {
        self.segments.get(&id)
    }
}

/// Keeps the newest rules that were read.
#[derive(Debug, Default)]
pub(crate) struct RuleBook(Mutex<Option<Arc<RuleSet>>>);

impl RuleBook {
    /// The rules, which nobody changes until the transaction ends: what is decided by them is decided by the rules in
    /// force when it commits. Comes before any other lock of the transaction but the consumer's own cursor.
    pub(crate) async fn hold(&self, conn: &mut PgConnection) -> Result<Arc<RuleSet>, Error> {
        let version = store::segment::hold_rules(conn).await?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known);
        }
        let views = store::segment::active(conn).await?.into_iter();
        let segments = views
            .map(|view| (view.segment.id, InUse { segment: view.segment, complete: view.progress.complete }))
            .collect();
        let read = Arc::new(RuleSet { version, segments });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
        Ok(read)
    }
}
