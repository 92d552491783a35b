//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`segment`]: serves `Segments`
//! - [`membership`]: serves `Memberships`
//! - [`feed`]: serves `Feed`
//! - [`operation`]: serves `Operations`

pub(crate) mod feed;
pub(crate) mod membership;
pub(crate) mod operation;
pub(crate) mod segment;
