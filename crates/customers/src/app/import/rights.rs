//! Whether who began an import may still do so. The token they came with ends after minutes, a run may take hours and be
//! gone on with after days: so identity is asked, when a run is taken up and every few minutes of it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::identity::v1::api_keys_client::ApiKeysClient;
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_contracts::identity::v1::{BatchGetUsersRequest, GetGroupRequest, ListApiKeysRequest, UserState};
use clientele_kernel::{Actor, ActorKind, Code, Error};
use clientele_platform::grpc::{self, Clients, Transport};
use clientele_platform::{Permissions, proto};

use super::IMPORT_ORDERS;
use super::run::Job;
use crate::domain::import::Kind;

/// For how long an answer holds.
const HOLDS: TimeDelta = TimeDelta::minutes(5);
/// For how long it holds while identity cannot be asked again, and how often that is tried.
const HOLDS_UNASKED: TimeDelta = TimeDelta::minutes(30);
const ASKED_AGAIN: TimeDelta = TimeDelta::seconds(15);
/// Who may bring customers in.
const IMPORT_CUSTOMERS: &str = "customers.customer.import";
const KEYS_AT_ONCE: i32 = 500;

/// What identity said of who began an import.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// When it said that they may; `None` before.
    at: Option<DateTime<Utc>>,
    /// When it is asked next.
    ask_at: Option<DateTime<Utc>>,
    /// Whether nothing goes on because it could not be asked.
    pub(super) is_unknown: bool,
}

/// Asks identity what people may do now.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    identity: Transport,
}

impl Rights {
    pub(super) fn new(clients: &Clients) -> Self {
        Self { identity: clients.transport("identity") }
    }

    /// Fails with `PERMISSION_DENIED` where who began the import may not do so any more. Where identity cannot be asked, what
    /// it said last holds for a while; UNAVAILABLE when that is over: then nothing goes on.
    pub(super) async fn require(&self, job: &mut Job, now: DateTime<Utc>) -> Result<(), Error> {
        job.allowed.is_unknown = false;
        if job.allowed.ask_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let permissions = match self.of(&job.import.actor, now).await {
            Err(away) if away.is_transient() => {
                if job.allowed.at.is_some_and(|at| now < at + HOLDS_UNASKED) {
                    job.allowed.ask_at = Some(now + ASKED_AGAIN);
                    return Ok(());
                }
                job.allowed.is_unknown = true;
                return Err(away);
            }
            answer => answer?,
        };
        let wanted: &[&str] = match job.import.kind {
            Kind::Customers => &[IMPORT_CUSTOMERS],
            Kind::Orders => &[IMPORT_CUSTOMERS, IMPORT_ORDERS],
        };
        if let Some(lacking) = wanted.iter().find(|permission| !permissions.allow(permission)) {
            let message = format!("whoever began the import lacks the permission `{lacking}` by now");
            return Err(Error::permission_denied(message).with_reason("IMPORT_NOT_ALLOWED"));
        }
        job.allowed.at = Some(now);
        job.allowed.ask_at = Some(now + HOLDS);
        Ok(())
    }

    async fn of(&self, actor: &Actor, now: DateTime<Utc>) -> Result<Permissions, Error> {
        match actor.kind {
            ActorKind::User => self.of_user(&actor.id).await,
            ActorKind::ApiKey => self.of_key(actor, now).await,
            // Services of ours keep what they may.
            ActorKind::Service => Ok([Permissions::EVERYTHING].into_iter().collect()),
        }
    }

    /// What a user may do; nothing where they may not sign in.
    async fn of_user(&self, id: &str) -> Result<Permissions, Error> {
        let request = BatchGetUsersRequest { ids: vec![id.to_owned()] };
        let users = UsersClient::new(self.identity.clone()).batch_get_users(request).await.map_err(grpc::error)?;
        let active = users.into_inner().users.into_iter().find(|user| user.state() == UserState::Active);
        let mut permissions: BTreeSet<String> = BTreeSet::new();
        let mut groups = GroupsClient::new(self.identity.clone());
        for id in active.map(|user| user.group_ids).unwrap_or_default() {
            match groups.get_group(GetGroupRequest { id }).await.map_err(grpc::error) {
                Ok(group) if group.get_ref().administrators => {
                    permissions.insert(Permissions::EVERYTHING.to_owned());
                }
                Ok(group) => permissions.extend(group.into_inner().permissions),
                Err(gone) if gone.code == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(permissions.into_iter().collect())
    }

    /// What a key may do: of its scopes, what its creator may.
    async fn of_key(&self, actor: &Actor, now: DateTime<Utc>) -> Result<Permissions, Error> {
        let mut keys = ApiKeysClient::new(self.identity.clone());
        let mut page_token = String::new();
        let found = loop {
            let request = ListApiKeysRequest { page_size: KEYS_AT_ONCE, page_token };
            let page = keys.list_api_keys(request).await.map_err(grpc::error)?.into_inner();
            if let Some(key) = page.api_keys.into_iter().find(|key| key.id == actor.id) {
                break Some(key);
            }
            if page.next_page_token.is_empty() {
                break None;
            }
            page_token = page.next_page_token;
        };
        let nothing = Permissions::default();
        let Some(key) = found.filter(|key| key.revoked_at.is_none()) else { return Ok(nothing) };
        if proto::instant(key.expires_at, "expires_at")?.is_some_and(|end| end <= now) {
            return Ok(nothing);
        }
        let creator = self.of_user(&key.created_by).await?;
        Ok(key.scopes.into_iter().filter(|scope| creator.allow(scope)).collect())
    }
}
