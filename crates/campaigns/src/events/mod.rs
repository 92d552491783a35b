//! What campaigns follows, and what it tells.
//!
//! - [`consume`]: one handler for each context that is followed
//! - [`publish`]: the public events and the sealed after-images

pub(crate) mod consume;
pub(crate) mod publish;
