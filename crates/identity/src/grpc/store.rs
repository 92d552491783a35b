//! `Stores`: shops and branches of the company.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::stores_server;
use clientele_kernel::{Error as KernelError, Etag, StoreId, Violations, paging};
use clientele_platform::{Caller, proto};
use tonic::{Request, Response, Status};

use super::{cut, page_size, required, respond};
use crate::app::store::Stores as App;
use crate::domain::store::{self, NewStore, StoreChange};
use crate::{Error, contract};

/// Serves `clientele.identity.v1.Stores`.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) app: App,
}

fn change(sent: &pb::Store, fields: &[&str]) -> Result<StoreChange, KernelError> {
    let mut violations = Violations::new();
    let mut change = StoreChange::default();
    for field in fields {
        match *field {
            "name" => change.name = violations.take(field, store::parse_name(&sent.name)),
            "time_zone" => change.time_zone = violations.take(field, store::parse_time_zone(&sent.time_zone)),
            _ => change.active = Some(sent.active),
        }
    }
    violations.into_result()?;
    Ok(change)
}

impl Stores {
    async fn get(&self, request: &pb::GetStoreRequest) -> Result<pb::Store, Error> {
        let id = StoreId::parse(&request.id, "id")?;
        Ok(contract::store(&self.app.get(id).await?))
    }

    async fn list(&self, request: &pb::ListStoresRequest) -> Result<pb::ListStoresResponse, Error> {
        let list = paging::fingerprint(&["stores"]);
        let size = page_size(request.page_size)?;
        let after: Option<String> = paging::decode(&request.page_token, list)?;
        let mut stores = self.app.list(after.as_deref().unwrap_or_default(), size + 1).await?;
        let next_page_token = cut(&mut stores, size, list, |store| store.name.key.clone());
        Ok(pb::ListStoresResponse { stores: stores.iter().map(contract::store).collect(), next_page_token })
    }

    async fn create(&self, caller: &Caller, request: pb::CreateStoreRequest) -> Result<pb::Store, Error> {
        let sent = required(request.store.as_ref(), "store")?;
        let new = NewStore::parse(&sent.name, &sent.time_zone)?;
        self.app.create(caller, new, request).await
    }

    async fn update(&self, caller: &Caller, request: pb::UpdateStoreRequest) -> Result<pb::Store, Error> {
        let sent = required(request.store.as_ref(), "store")?;
        let id = StoreId::parse(&sent.id, "store.id")?;
        let etag = Etag::parse(&sent.etag, "store.etag")?;
        let fields = proto::mask(request.update_mask.clone(), &["name", "time_zone", "active"])?;
        let change = change(sent, &fields)?;
        self.app.update(caller, id, etag, change, request).await
    }
}

#[tonic::async_trait]
impl stores_server::Stores for Stores {
    async fn get_store(&self, request: Request<pb::GetStoreRequest>) -> Result<Response<pb::Store>, Status> {
        respond(self.get(request.get_ref()).await)
    }

    async fn list_stores(
        &self,
        request: Request<pb::ListStoresRequest>,
    ) -> Result<Response<pb::ListStoresResponse>, Status> {
        respond(self.list(request.get_ref()).await)
    }

    async fn create_store(&self, request: Request<pb::CreateStoreRequest>) -> Result<Response<pb::Store>, Status> {
        let caller = super::caller(&request)?;
        respond(self.create(&caller, request.into_inner()).await)
    }

    async fn update_store(&self, request: Request<pb::UpdateStoreRequest>) -> Result<Response<pb::Store>, Status> {
        let caller = super::caller(&request)?;
        respond(self.update(&caller, request.into_inner()).await)
    }
}
