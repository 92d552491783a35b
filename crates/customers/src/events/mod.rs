//! Events: what customers tells other contexts. It follows none of them, so far.
//!
//! - [`publish`]: from what happened to a customer to the journal's entry

pub(crate) mod publish;
