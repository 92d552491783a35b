//! Signs tokens and publishes its keys over the real gRPC service, as identity does: for tests of the other services.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_server::{Tokens, TokensServer};
use clientele_contracts::identity::v1::{
    IssueTokenRequest, IssueTokenResponse, ListSigningKeysRequest, ListSigningKeysResponse, RotateSigningKeysRequest,
    SigningKey,
};
use clientele_kernel::{ActorKind, Clock, Entropy, SystemEntropy};
use clientele_platform::grpc::{Claims, ISSUER};
use clientele_platform::proto;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

const LIFETIME_SECONDS: i64 = 300;

/// Signs tokens with a key made for one test.
#[derive(Clone)]
pub struct Issuer {
    clock: Arc<dyn Clock>,
    key: Arc<ed25519_dalek::SigningKey>,
}

impl Issuer {
    /// An issuer with a key of its own.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut seed = [0; 32];
        SystemEntropy.fill(&mut seed);
        Self { clock, key: Arc::new(ed25519_dalek::SigningKey::from_bytes(&seed)) }
    }

    /// A token of five minutes for a caller with these permissions; `*` for everything.
    pub fn token(&self, kind: ActorKind, id: &str, permissions: &[&str]) -> String {
        let now = self.clock.now().timestamp();
        let claims = Claims {
            iss: ISSUER.into(),
            sub: id.into(),
            kind: kind.as_str().into(),
            name: format!("{kind} {id}"),
            perms: permissions.iter().map(|p| (*p).to_owned()).collect(),
            iat: now,
            exp: now + LIFETIME_SECONDS,
            jti: Uuid::from_u128(1).to_string(),
        };
        let header = Header { kid: Some("test".into()), ..Header::new(Algorithm::EdDSA) };
        let pem = self.key.to_pkcs8_der().expect("a key can be encoded");
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(pem.as_bytes())).expect("claims can be signed")
    }

    /// The routes under which services find the keys.
    pub fn routes(&self) -> Routes {
        Routes::new(TokensServer::new(self.clone()))
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer")
    }
}

#[tonic::async_trait]
impl Tokens for Issuer {
    async fn issue_token(&self, request: Request<IssueTokenRequest>) -> Result<Response<IssueTokenResponse>, Status> {
        let Some(Proof::Service(service)) = request.into_inner().proof else {
            return Err(Status::unauthenticated("this issuer knows services only"));
        };
        let token = self.token(ActorKind::Service, &service.name, &["*"]);
        let until = self.clock.now() + chrono::TimeDelta::seconds(LIFETIME_SECONDS);
        Ok(Response::new(IssueTokenResponse { token, expires_at: Some(proto::timestamp(until)), principal: None }))
    }

    async fn list_signing_keys(
        &self,
        _: Request<ListSigningKeysRequest>,
    ) -> Result<Response<ListSigningKeysResponse>, Status> {
        let key = SigningKey {
            kid: "test".into(),
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            alg: "EdDSA".into(),
            x: URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
        };
        Ok(Response::new(ListSigningKeysResponse { keys: vec![key] }))
    }

    async fn rotate_signing_keys(
        &self,
        _: Request<RotateSigningKeysRequest>,
    ) -> Result<Response<ListSigningKeysResponse>, Status> {
        Err(Status::failed_precondition("the key of this issuer stays"))
    }
}
