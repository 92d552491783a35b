//! SQL, row types and their mapping to the domain: the only place that knows tables. Names of constraints become domain
//! errors in `crate::error`.

pub(crate) mod api_key;
pub(crate) mod group;
pub(crate) mod session;
#[expect(clippy::module_inception, reason = "the aggregate is a store, and one name runs through all layers")]
pub(crate) mod store;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod user;
