//! Stores: creating, changing, reading.

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::{Etag, StoreId};
use clientele_platform::postgres::Database;
use clientele_platform::{Begun, Caller, Command};

use crate::Error;
use crate::domain::store::{NewStore, Store, StoreChange};
use crate::events::publish;
use crate::{contract, store};

const CREATE: &str = "/clientele.identity.v1.Stores/CreateStore";
const UPDATE: &str = "/clientele.identity.v1.Stores/UpdateStore";

/// Use cases about stores.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    db: Database,
}

impl Stores {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    pub(crate) async fn get(&self, id: StoreId) -> Result<Store, Error> {
        store::store::find(self.db.pool(), id).await?.ok_or(Error::StoreNotFound(id))
    }

    pub(crate) async fn list(&self, after: &str, limit: u32) -> Result<Vec<Store>, Error> {
        store::store::list(self.db.pool(), after, limit.into()).await
    }

    pub(crate) async fn create(
        &self,
        caller: &Caller,
        new: NewStore,
        request: pb::CreateStoreRequest,
    ) -> Result<pb::Store, Error> {
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let created = new.into_store(uow.id(), uow.now());
        store::store::insert(uow.conn(), &created).await?;
        uow.record(publish::store_recorded(&created));
        let answer = contract::store(&created);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: StoreId,
        etag: Etag,
        change: StoreChange,
        request: pb::UpdateStoreRequest,
    ) -> Result<pb::Store, Error> {
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let before = store::store::lock(uow.conn(), id).await?.ok_or(Error::StoreNotFound(id))?;
        etag.require(before.version)?;
        let after = before.changed(change, uow.now());
        if let Some(after) = &after {
            store::store::update(uow.conn(), after).await?;
            uow.record(publish::store_recorded(after));
        }
        let answer = contract::store(after.as_ref().unwrap_or(&before));
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}
