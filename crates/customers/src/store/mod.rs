//! SQL, row types and their mapping. The only place that knows the database.
//!
//! - [`customer`]: reads customers, writes created and changed ones, many at a time
//! - [`consent`]: the ledger of consents
//! - [`contact`]: phones, e-mail addresses and the keys they are compared by
//! - [`reference`]: whose an external reference is
//! - [`listing`]: pages of customers by search, filter and order
//! - [`import`]: files by hand, and what came of them
//! - [`duplicate`]: customers that share contact points

pub(crate) mod consent;
pub(crate) mod contact;
pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod import;
pub(crate) mod listing;
pub(crate) mod reference;
