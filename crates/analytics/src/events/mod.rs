//! What other contexts tell. Analytics itself tells nothing yet.

pub(crate) mod consume;
