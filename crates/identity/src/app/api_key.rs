//! API keys: creating, revoking, listing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clientele_kernel::{ApiKeyId, Entropy, Error as KernelError};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;

use super::user::user_of;
use crate::Error;
use crate::domain::api_key::{ApiKey, NewApiKey};
use crate::domain::permission::Permissions;
use crate::domain::secret::{Secret, SecretKind};
use crate::domain::user::UserState;
use crate::events::publish;
use crate::store;

/// How many keys of one user may be valid at once; revoking all of them when the user is disabled is one transaction.
const MOST_PER_USER: i64 = 500;

/// Use cases about API keys.
#[derive(Debug, Clone)]
pub(crate) struct ApiKeys {
    db: Database,
    entropy: Arc<dyn Entropy>,
}

impl ApiKeys {
    pub(crate) fn new(db: Database, entropy: Arc<dyn Entropy>) -> Self {
        Self { db, entropy }
    }

    /// Creates a key; its secret is in the answer and nowhere else. Only people create keys: a key of a key would outlive
    /// the revocation of its parent.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        name: &str,
        scopes: &[String],
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(ApiKey, String), Error> {
        let creator = user_of(caller)?;
        let mut uow = self.db.begin(caller).await?;
        let new = NewApiKey::parse(name, scopes, expires_at, uow.now())?;
        super::group::require_reach(caller, &Permissions::Only(new.scopes.clone()))?;
        // The creator is kept from being disabled meanwhile: that revokes the keys there are, and this one is not yet.
        let user = store::user::lock(uow.conn(), creator).await?.filter(|user| user.state == UserState::Active);
        if user.is_none() {
            return Err(Error::NotAUser);
        }
        if store::api_key::count_of(uow.conn(), creator).await? >= MOST_PER_USER {
            return Err(KernelError::failed_precondition(
                "TOO_MANY_API_KEYS",
                format!("you have {MOST_PER_USER} valid keys: revoke one that is not used any more"),
            )
            .into());
        }
        let secret = Secret::draw(SecretKind::ApiKey, self.entropy.as_ref());
        let key = ApiKey {
            id: uow.id(),
            name: new.name,
            scopes: new.scopes,
            prefix: secret.prefix(),
            expires_at: new.expires_at,
            revoked_at: None,
            version: 1,
            created_at: uow.now(),
            created_by: creator,
        };
        store::api_key::insert(uow.conn(), &key, secret.hash).await?;
        uow.record(publish::api_key_created(&key));
        uow.commit().await?;
        Ok((key, secret.reveal()))
    }

    /// Revokes a key; revoking it again changes nothing.
    pub(crate) async fn revoke(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Error> {
        let mut uow = self.db.begin(caller).await?;
        let key = store::api_key::lock(uow.conn(), id).await?.ok_or(Error::ApiKeyNotFound(id))?;
        let Some(revoked) = key.revoked(uow.now()) else { return Ok(key) };
        store::api_key::update(uow.conn(), &revoked).await?;
        uow.record(publish::api_key_revoked(&revoked));
        uow.commit().await?;
        Ok(revoked)
    }

    pub(crate) async fn list(&self, before: Option<ApiKeyId>, limit: u32) -> Result<Vec<ApiKey>, Error> {
        store::api_key::list(self.db.pool(), before, limit.into()).await
    }
}
