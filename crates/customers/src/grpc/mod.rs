//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`customer`]: serves `Customers`
//! - [`history`]: serves `History`
//! - [`duplicate`]: serves `Duplicates`
//! - [`feed`]: serves `Feed`

pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod feed;
pub(crate) mod history;
