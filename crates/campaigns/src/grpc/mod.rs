//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`feed`]: serves `Feed`
//! - [`operation`]: serves `Operations`

pub(crate) mod feed;
pub(crate) mod operation;
