//! Who calls: the proof a request brings, the token it is exchanged for, and the protection of what a browser does by
//! itself.
//!
//! - [`credential`]: the session cookie or the API key of a request
//! - [`tokens`]: exchanges a credential for a short-lived token at identity, and keeps it
//! - [`csrf`]: makes sure that a page of ours sent what carries the cookie

pub(crate) mod credential;
pub(crate) mod csrf;
pub(crate) mod tokens;

pub(crate) use credential::{Credential, Fingerprint, Proof};
pub(crate) use tokens::{Principal, Tokens};
