//! Between identity's aggregates and the messages that stand for them in the contract: in answers, and as the after-image
//! in the journal.

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::Etag;
use clientele_platform::proto;

use crate::domain::api_key::ApiKey;
use crate::domain::group::Group;
use crate::domain::store::Store;
use crate::domain::user::{User, UserState};

/// A user as callers see one.
pub(crate) fn user(user: &User) -> pb::User {
    let state = match user.state {
        UserState::Active => pb::UserState::Active,
        UserState::Disabled => pb::UserState::Disabled,
    };
    pb::User {
        id: user.id.to_string(),
        login: user.login.as_str().to_owned(),
        display_name: user.display_name.clone(),
        group_ids: user.group_ids.iter().map(ToString::to_string).collect(),
        state: state.into(),
        etag: Etag(user.version).to_string(),
        created_at: Some(proto::timestamp(user.created_at)),
        updated_at: Some(proto::timestamp(user.updated_at)),
    }
}

/// A group as callers see one.
pub(crate) fn group(group: &Group) -> pb::Group {
    pb::Group {
        id: group.id.to_string(),
        name: group.name.text.clone(),
        permissions: group.permission_names(),
        administrators: group.is_administrators(),
        etag: Etag(group.version).to_string(),
        created_at: Some(proto::timestamp(group.created_at)),
        updated_at: Some(proto::timestamp(group.updated_at)),
    }
}

/// A store as callers see one.
pub(crate) fn store(store: &Store) -> pb::Store {
    pb::Store {
        id: store.id.to_string(),
        name: store.name.text.clone(),
        time_zone: store.time_zone.name().to_owned(),
        active: store.active,
        etag: Etag(store.version).to_string(),
        created_at: Some(proto::timestamp(store.created_at)),
        updated_at: Some(proto::timestamp(store.updated_at)),
    }
}

/// A key as callers see one.
pub(crate) fn api_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        name: key.name.clone(),
        scopes: key.scopes.iter().cloned().collect(),
        prefix: key.prefix.clone(),
        expires_at: key.expires_at.map(proto::timestamp),
        revoked_at: key.revoked_at.map(proto::timestamp),
        created_at: Some(proto::timestamp(key.created_at)),
        created_by: key.created_by.to_string(),
    }
}
