//! Events: those of other contexts that orders follows, and its own as they are told to the others.

pub(crate) mod consume;
pub(crate) mod publish;
