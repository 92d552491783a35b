//! SQL, row types and their mapping. The only place that knows tables.
//!
//! - [`person`]: what rules may ask of customers
//! - [`refresh`]: customers whose facts have to be asked for
//! - [`relearn`]: what is being learned once more
//! - [`segment`]: segments, their builds, and the lock under which rules change
//! - [`membership`]: who belongs to what, and when that changes next
//! - [`count`]: a rule as one statement
//! - [`progress`]: how far the consumers have come

pub(crate) mod count;
pub(crate) mod membership;
pub(crate) mod person;
pub(crate) mod progress;
pub(crate) mod refresh;
pub(crate) mod relearn;
pub(crate) mod segment;
