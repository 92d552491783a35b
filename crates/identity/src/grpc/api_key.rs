//! `ApiKeys`: by which programs prove who they are.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::api_keys_server;
use clientele_kernel::{ApiKeyId, paging};
use clientele_platform::{Caller, proto};
use tonic::{Request, Response, Status};

use super::{cut, page_size, respond};
use crate::app::api_key::ApiKeys as App;
use crate::{Error, contract};

/// Serves `clientele.identity.v1.ApiKeys`.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    pub(crate) app: App,
}

impl ApiKeys {
    async fn create(
        &self,
        caller: &Caller,
        request: pb::CreateApiKeyRequest,
    ) -> Result<pb::CreateApiKeyResponse, Error> {
        let expires_at = proto::instant(request.expires_at, "expires_at")?;
        let (key, secret) = self.app.create(caller, &request.name, &request.scopes, expires_at).await?;
        Ok(pb::CreateApiKeyResponse { api_key: Some(contract::api_key(&key)), secret })
    }

    async fn list(&self, request: &pb::ListApiKeysRequest) -> Result<pb::ListApiKeysResponse, Error> {
        let list = paging::fingerprint(&["api_keys"]);
        let size = page_size(request.page_size)?;
        let before: Option<ApiKeyId> = paging::decode(&request.page_token, list)?;
        let mut keys = self.app.list(before, size + 1).await?;
        let next_page_token = cut(&mut keys, size, list, |key| key.id);
        Ok(pb::ListApiKeysResponse { api_keys: keys.iter().map(contract::api_key).collect(), next_page_token })
    }

    async fn revoke(&self, caller: &Caller, request: &pb::RevokeApiKeyRequest) -> Result<pb::ApiKey, Error> {
        let id = ApiKeyId::parse(&request.id, "id")?;
        Ok(contract::api_key(&self.app.revoke(caller, id).await?))
    }
}

#[tonic::async_trait]
impl api_keys_server::ApiKeys for ApiKeys {
    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        let caller = super::caller(&request)?;
        respond(self.create(&caller, request.into_inner()).await)
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        respond(self.list(request.get_ref()).await)
    }

    async fn revoke_api_key(&self, request: Request<pb::RevokeApiKeyRequest>) -> Result<Response<pb::ApiKey>, Status> {
        let caller = super::caller(&request)?;
        respond(self.revoke(&caller, request.get_ref()).await)
    }
}
