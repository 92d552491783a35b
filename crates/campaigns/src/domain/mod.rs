//! Rules, without IO: what may be asked of a customer, and what follows from the answers.
//!
//! - [`person`]: a customer as rules see them
//! - [`field`]: what rules may ask for
//! - [`rule`]: conditions and how they are joined; whom a rule holds, why, and until when
//! - [`segment`]: a rule with a name
//! - [`membership`]: a customer in a segment
//! - [`course`]: what becomes of the two as things are learned and time passes

pub(crate) mod course;
pub(crate) mod field;
pub(crate) mod membership;
pub(crate) mod person;
pub(crate) mod rule;
pub(crate) mod segment;
