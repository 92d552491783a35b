//! How far a run has come, where it goes on, and what came of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Look;

/// Why a run could not go on, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) rows: i64,
    pub(crate) total_rows: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) unchanged: i64,
    pub(crate) refused: i64,
    pub(crate) orders_created: i64,
    pub(crate) orders_updated: i64,
    pub(crate) orders_unchanged: i64,
    /// Rows whose e-mail or phone several customers have.
    pub(crate) several: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

impl Progress {
    /// The beginning of a run.
    pub(crate) fn begin(now: DateTime<Utc>, look: &Look) -> Self {
        let total_rows = if look.uncounted { 0 } else { i64::try_from(look.total_rows).unwrap_or(i64::MAX) };
        Self { started_at: now, total_rows, ..Self::default() }
    }

    /// The end of a run that went through all rows.
    pub(super) fn end(&mut self, now: DateTime<Utc>) {
        self.total_rows = self.rows;
        self.ended_at = Some(now);
    }
}

/// What came of taking an import back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Undo {
    pub(crate) removed: i64,
    pub(crate) restored: i64,
    pub(crate) kept: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Where a run goes on when it was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// How many rows of the file have been gone through.
    pub(crate) rows: u64,
    /// Orders: whether all rows are sorted by order.
    pub(crate) staged: bool,
    /// Orders: the last order that is settled.
    pub(crate) after: Option<String>,
    /// Number of the next batch of orders.
    pub(crate) batch: u64,
    /// Whether that batch may have been sent: what became of it is not noted yet.
    #[serde(default)]
    pub(crate) sent: bool,
    /// Place of the next record.
    pub(crate) seq: i64,
    /// Taking back: whether the orders are settled.
    pub(crate) orders_undone: bool,
    /// Taking back: the records before this place are still to be settled.
    pub(crate) undo_before: Option<i64>,
}

/// All of a run that changes from batch to batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) progress: Option<Progress>,
    pub(crate) trial: Option<Progress>,
    pub(crate) undo: Option<Undo>,
    pub(crate) cursor: Cursor,
    /// Why it could not go on, where it could not.
    #[serde(default)]
    pub(crate) failure: Failure,
}
