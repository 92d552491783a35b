//! Entities, values and rules, without IO: what a login, a password, a permission is, when a session ends, how long a
//! guesser waits, which key signs.

pub(crate) mod api_key;
pub(crate) mod group;
pub(crate) mod password;
pub(crate) mod permission;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod user;
