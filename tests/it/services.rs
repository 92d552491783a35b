//! The services themselves, as whoever reaches their ports finds them: health, reflection, tokens, and schemas that are
//! closed to one another.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::CONTEXTS;
use clientele_contracts::access::{Access, rules};
use clientele_contracts::customers::v1::ListCustomersRequest;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{IssueTokenRequest, ServiceCredential};
use clientele_kernel::{ActorKind, SystemClock};
use clientele_platform::postgres::runtime_role;
use clientele_testkit::Issuer;
use prost::Message;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::codegen::Bytes;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::house::{Form, House};

#[tokio::test(flavor = "multi_thread")]
async fn each_service_tells_its_health_and_contracts_and_refuses_whoever_it_does_not_know() {
    let house = House::start(Form::Apart).await;
    for context in CONTEXTS {
        let channel = channel(&house, context).await;
        health_and_reflection_answer(context, channel.clone()).await;
        every_method_wants_a_token(context, &channel).await;
    }
    forged_tokens_are_refused(&house).await;
    no_role_reaches_another_schema(&house).await;
}

async fn channel(house: &House, service: &str) -> Channel {
    let endpoint = Endpoint::from_shared(house.address(service)).expect("a service has an address");
    endpoint.connect().await.expect("the service listens")
}

async fn health_and_reflection_answer(context: &str, channel: Channel) {
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    assert_eq!(health.expect("health answers").into_inner().status(), ServingStatus::Serving, "{context}");

    let mut reflection = ServerReflectionClient::new(channel);
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(format!("clientele.{context}.v1.Feed"))),
    };
    let mut answers =
        reflection.server_reflection_info(tokio_stream::once(question)).await.expect("reflection answers").into_inner();
    let answer = answers.next().await.expect("there is an answer").expect("the answer is whole").message_response;
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer else { panic!("{context}: {answer:?}") };
    let described = files.file_descriptor_proto.iter().any(|file| {
        let file = prost_types::FileDescriptorProto::decode(file.as_slice()).expect("a descriptor can be read");
        file.package() == format!("clientele.{context}.v1")
            && file.service.iter().any(|service| service.name() == "Feed")
    });
    assert!(described, "{context} does not describe its feed");
}

/// Calls every method of the context without a token, and with nonsense for one.
async fn every_method_wants_a_token(context: &str, channel: &Channel) {
    let package = format!("/clientele.{context}.v1.");
    let guarded = rules().iter().filter(|(path, access)| path.starts_with(&package) && **access != Access::Public);
    let mut seen = 0;
    for (path, _) in guarded {
        for token in [None, Some("Bearer nonsense"), Some("Bearer a.b.c")] {
            let mut service = tonic::client::Grpc::new(channel.clone());
            service.ready().await.expect("the service is there");
            let mut request = tonic::Request::new(Bytes::new());
            if let Some(token) = token {
                request.metadata_mut().insert("authorization", MetadataValue::from_static(token));
            }
            let path_and_query = path.parse().expect("a method has a path");
            let answer = service.unary(request, path_and_query, Raw).await;
            let status = answer.map(drop).expect_err("a call without a token is served");
            assert_eq!(status.code(), Code::Unauthenticated, "{path} with {token:?}: {status}");
        }
        seen += 1;
    }
    assert!(seen > 0, "{context} has no guarded method");
}

async fn forged_tokens_are_refused(house: &House) {
    let genuine = token_of_the_gateway(house).await;
    let mut customers = CustomersClient::new(channel(house, "customers").await);
    let mut call = async |token: &str| {
        let mut request = tonic::Request::new(ListCustomersRequest::default());
        let value = format!("Bearer {token}").parse().expect("a token is metadata");
        request.metadata_mut().insert("authorization", value);
        customers.list_customers(request).await.map(drop)
    };
    // The gateway's own token is genuine, and may nothing here.
    assert_eq!(call(&genuine).await.expect_err("the gateway may list customers").code(), Code::PermissionDenied);

    let parts: Vec<&str> = genuine.split('.').collect();
    let read = |part: &str| -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("a token's part is base64");
        serde_json::from_slice(&bytes).expect("a token's part is JSON")
    };
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut mighty = read(parts[1]);
    mighty["perms"] = json!(["*"]);
    let unsigned = json!({"alg": "none", "kid": read(parts[0])["kid"]});
    let symmetric = json!({"alg": "HS256", "kid": read(parts[0])["kid"]});
    let stranger = Issuer::new(Arc::new(SystemClock)).token(ActorKind::User, "somebody", &["*"]);
    for (how, forged) in [
        ("with more permissions", format!("{}.{}.{}", parts[0], write(&mighty), parts[2])),
        ("without a signature", format!("{}.{}.", write(&unsigned), write(&mighty))),
        ("signed with the public key", format!("{}.{}.{}", write(&symmetric), write(&mighty), parts[2])),
        ("signed by a stranger", stranger),
    ] {
        let status = call(&forged).await.expect_err("a forged token is taken");
        assert_eq!(status.code(), Code::Unauthenticated, "{how}: {status}");
    }
}

/// A token that identity gives to a service of ours.
async fn token_of_the_gateway(house: &House) -> String {
    let mut identity = TokensClient::new(channel(house, "identity").await);
    let proof = |secret: String| IssueTokenRequest {
        proof: Some(Proof::Service(ServiceCredential { name: "gateway".to_owned(), secret })),
    };
    let refused = identity.issue_token(proof("a guess".to_owned())).await.expect_err("a wrong secret is taken");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let given = identity.issue_token(proof(crate::house::secret("gateway"))).await;
    given.expect("the gateway is known").into_inner().token
}

async fn no_role_reaches_another_schema(house: &House) {
    for context in CONTEXTS {
        let mut database = house.database(Some(&runtime_role(context))).await;
        let own = format!("select count(*) from {context}.journal");
        sqlx::query(sqlx::AssertSqlSafe(own)).execute(&mut database).await.expect("a service reads its own journal");
        for statement in [
            format!("update {context}.journal set position = 1"),
            format!("delete from {context}.journal"),
            format!("create table {context}.mine (a int)"),
            format!("create table public.mine_{context} (a int)"),
        ] {
            assert_denied(&mut database, context, &statement).await;
        }
        for other in CONTEXTS.into_iter().filter(|other| *other != context) {
            for statement in [
                format!("select count(*) from {other}.journal"),
                format!(
                    "insert into {other}.lease values ('a', '019ab000-0000-7000-8000-000000000001', 1, '2026-01-01')"
                ),
                format!("set role {}", runtime_role(other)),
                format!("set role {}", clientele_platform::postgres::owner_role(other)),
            ] {
                assert_denied(&mut database, context, &statement).await;
            }
        }
        database.close().await.expect("a connection closes");
    }
}

async fn assert_denied(database: &mut sqlx::PgConnection, context: &str, statement: &str) {
    let outcome = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(database).await;
    let error = outcome.map(drop).expect_err("it is denied");
    let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
    assert_eq!(code.as_deref(), Some("42501"), "{context} may `{statement}`: {error}");
}

/// Sends and takes messages as bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), tonic::Status> {
        prost::bytes::BufMut::put(buffer, item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        let length = prost::bytes::Buf::remaining(buffer);
        Ok(Some(prost::bytes::Buf::copy_to_bytes(buffer, length)))
    }
}
