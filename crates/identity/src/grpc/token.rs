//! `Tokens`: short-lived tokens and the keys by which they are verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::issue_token_request::Proof as SentProof;
use clientele_contracts::identity::v1::tokens_server;
use clientele_kernel::{ActorKind, Error as KernelError};
use clientele_platform::proto;
use tonic::{Request, Response, Status};

use super::respond;
use crate::Error;
use crate::app::token::{Proof, PublicKey, Tokens as App};

/// Serves `clientele.identity.v1.Tokens`.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) app: App,
}

fn keys(keys: &[PublicKey]) -> pb::ListSigningKeysResponse {
    let key = |key: &PublicKey| pb::SigningKey {
        kid: key.id.to_string(),
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        x: URL_SAFE_NO_PAD.encode(key.bytes),
    };
    pb::ListSigningKeysResponse { keys: keys.iter().map(key).collect() }
}

impl Tokens {
    async fn issue(&self, request: pb::IssueTokenRequest) -> Result<pb::IssueTokenResponse, Error> {
        let proof = match request.proof {
            Some(SentProof::SessionSecret(secret)) => Proof::Session(secret),
            Some(SentProof::ApiKey(secret)) => Proof::ApiKey(secret),
            Some(SentProof::Service(sent)) => Proof::Service { name: sent.name, secret: sent.secret.into() },
            None => {
                let wanted = "is missing: one of `session_secret`, `api_key`, `service` is wanted";
                return Err(KernelError::invalid("proof", wanted).into());
            }
        };
        let issued = self.app.issue(proof).await?;
        let kind = match issued.principal.kind {
            ActorKind::User => pb::PrincipalKind::User,
            ActorKind::ApiKey => pb::PrincipalKind::ApiKey,
            ActorKind::Service => pb::PrincipalKind::Service,
        };
        Ok(pb::IssueTokenResponse {
            token: issued.token,
            expires_at: Some(proto::timestamp(issued.expires_at)),
            principal: Some(pb::Principal {
                kind: kind.into(),
                id: issued.principal.id,
                display_name: issued.principal.display_name,
                permissions: issued.principal.permissions.to_token(),
            }),
        })
    }
}

#[tonic::async_trait]
impl tokens_server::Tokens for Tokens {
    async fn issue_token(
        &self,
        request: Request<pb::IssueTokenRequest>,
    ) -> Result<Response<pb::IssueTokenResponse>, Status> {
        respond(self.issue(request.into_inner()).await)
    }

    async fn list_signing_keys(
        &self,
        _request: Request<pb::ListSigningKeysRequest>,
    ) -> Result<Response<pb::ListSigningKeysResponse>, Status> {
        respond(self.app.published().await.map(|published| keys(&published)))
    }

    async fn rotate_signing_keys(
        &self,
        request: Request<pb::RotateSigningKeysRequest>,
    ) -> Result<Response<pb::ListSigningKeysResponse>, Status> {
        let caller = super::caller(&request)?;
        let revoke = request.into_inner().revoke;
        respond(self.app.rotate(&caller, revoke).await.map(|published| keys(&published)))
    }
}
