//! Use cases that change state, and questions that do not: one module per aggregate.

pub(crate) mod api_key;
pub(crate) mod group;
pub(crate) mod housekeeping;
pub(crate) mod password;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod user;

use clientele_platform::Caller;

use crate::domain::permission::Permissions;

/// What a caller may do, in the domain's terms.
pub(crate) fn permissions_of(caller: &Caller) -> Permissions {
    Permissions::of_token(caller.permissions.iter().map(str::to_owned))
}
