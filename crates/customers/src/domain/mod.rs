//! Customers and the rules about them. Pure: no database, no transport, no clock of its own.
//!
//! - [`customer`]: the aggregate, what creates and changes it
//! - [`consent`]: what customers agreed to, and what follows for one contact point
//! - [`contact`]: phones and e-mail addresses, and when two of them are the same
//! - [`listing`]: what a list can be sorted by
//! - [`duplicate`]: customers that share a contact point
//! - [`history`]: what differs between two states
//! - [`import`]: files by hand: states, fields, what rows mean
//! - [`search`]: one spelling for all scripts, for what is stored and for what is asked

pub(crate) mod consent;
pub(crate) mod contact;
pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod listing;
pub(crate) mod search;
