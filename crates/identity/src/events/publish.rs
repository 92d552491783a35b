//! From changes to journal entries: the public event without personal data, and the after-image, which is sealed.

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::UserId;
use clientele_platform::postgres::Entry;
use uuid::Uuid;

use crate::contract;
use crate::domain::api_key::ApiKey;
use crate::domain::group::Group;
use crate::domain::store::Store;
use crate::domain::user::{User, UserState};

/// A user was created or changed.
pub(crate) fn user_recorded(user: &User) -> Entry {
    let event = pb::UserRecorded {
        user_id: user.id.to_string(),
        active: user.state == UserState::Active,
        group_ids: user.group_ids.iter().map(ToString::to_string).collect(),
    };
    Entry::new("user", user.id.uuid(), user.version, &event).image(&contract::user(user))
}

/// A group was created or changed.
pub(crate) fn group_recorded(group: &Group) -> Entry {
    let event = pb::GroupRecorded {
        group_id: group.id.to_string(),
        permissions: group.permission_names(),
        administrators: group.is_administrators(),
    };
    Entry::new("group", group.id.uuid(), group.version, &event).image(&contract::group(group))
}

/// A store was created or changed.
pub(crate) fn store_recorded(store: &Store) -> Entry {
    let event = pb::StoreRecorded {
        store_id: store.id.to_string(),
        name: store.name.text.clone(),
        time_zone: store.time_zone.name().to_owned(),
        active: store.active,
    };
    Entry::new("store", store.id.uuid(), store.version, &event).image(&contract::store(store))
}

/// An API key was created.
pub(crate) fn api_key_created(key: &ApiKey) -> Entry {
    let event = pb::ApiKeyCreated { api_key_id: key.id.to_string(), scopes: key.scopes.iter().cloned().collect() };
    Entry::new("api_key", key.id.uuid(), key.version, &event).image(&contract::api_key(key))
}

/// An API key was revoked.
pub(crate) fn api_key_revoked(key: &ApiKey) -> Entry {
    let event = pb::ApiKeyRevoked { api_key_id: key.id.to_string() };
    Entry::new("api_key", key.id.uuid(), key.version, &event).image(&contract::api_key(key))
}

/// Somebody signed in or failed to. Each attempt is an aggregate of its own: it never changes.
pub(crate) fn sign_in_recorded(attempt: Uuid, user: Option<UserId>, succeeded: bool) -> Entry {
    let event = pb::SignInRecorded { user_id: user.map(|id| id.to_string()).unwrap_or_default(), succeeded };
    Entry::new("sign_in", attempt, 1, &event)
}

/// Somebody signed out.
pub(crate) fn sign_out_recorded(sign_out: Uuid, user: UserId) -> Entry {
    Entry::new("sign_out", sign_out, 1, &pb::SignOutRecorded { user_id: user.to_string() })
}

/// A new signing key was made; those before it may have been revoked.
pub(crate) fn signing_keys_rotated(kid: Uuid, revoked: bool) -> Entry {
    Entry::new("signing_key", kid, 1, &pb::SigningKeysRotated { kid: kid.to_string(), revoked })
}
