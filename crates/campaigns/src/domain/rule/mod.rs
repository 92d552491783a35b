//! Rules: conditions and how they are joined.
//!
//! - [`condition`]: one condition on one field
//! - [`verdict`](self): whom a rule holds, why, and until when

pub(crate) mod condition;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use condition::{Condition, Value};
pub(crate) use verdict::{Reason, Verdict};

/// How deep rules may stand in each other; a condition alone is one level.
pub(crate) const MOST_LEVELS: usize = 4;
/// How many conditions a rule may have.
pub(crate) const MOST_CONDITIONS: usize = 50;

/// Who belongs to a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Condition(Condition),
    /// All of these must hold; at least one.
    All(Vec<Rule>),
    /// One of these must hold; at least one.
    Any(Vec<Rule>),
    Not(Box<Rule>),
}
