//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`customer`]: serves `Customers`
//! - [`consent`]: serves `Consents`
//! - [`history`]: serves `History`
//! - [`duplicate`]: serves `Duplicates`
//! - [`import`]: serves `Imports`
//! - [`feed`]: serves `Feed`

pub(crate) mod consent;
pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod import;
