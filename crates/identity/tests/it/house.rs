//! A running identity with an administrator, and what tests ask of it.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::api_keys_client::ApiKeysClient;
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::sessions_client::SessionsClient;
use clientele_contracts::identity::v1::stores_client::StoresClient;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_identity::{Config, DEFAULT, MIGRATIONS, NAME, bootstrap, build};
use clientele_kernel::SystemEntropy;
use clientele_platform::config::Loader;
use clientele_platform::grpc::Transport;
use clientele_testkit::{Harness, TestDatabase};
use prost_types::FieldMask;
use secrecy::ExposeSecret;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

pub(crate) const ADMINISTRATOR: &str = "admin@localhost";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SERVICE_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Identity, running.
pub(crate) struct House {
    pub(crate) harness: Harness,
    pub(crate) database: TestDatabase,
    pub(crate) administrator_password: String,
}

pub(crate) type Answer<T> = Result<T, Status>;

pub(crate) fn config() -> Config {
    let variables = [("CLIENTELE_IDENTITY__ANALYTICS_SECRET".to_owned(), SERVICE_SECRET.to_owned())];
    let configuration = Loader::new().defaults(DEFAULT).environment(variables).read().expect("the defaults are valid");
    configuration.section(NAME).expect("the section is there")
}

impl House {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new(NAME, &MIGRATIONS).await;
        let generated = bootstrap(&database.db, &SystemEntropy, &config()).await.expect("the first start works");
        let generated = generated.expect("a fresh database has no administrator");
        assert_eq!(generated.login, ADMINISTRATOR);
        let harness = Harness::new(database.clock.clone());
        let deps = harness.deps(&database);
        harness.start(build(config(), deps.clone()).await.expect("identity can be built"), &deps);
        Self { harness, database, administrator_password: generated.password.expose_secret().to_owned() }
    }

    pub(crate) fn anonymous(&self) -> Transport {
        self.harness.anonymous(NAME)
    }

    pub(crate) fn with_token(&self, token: &str) -> Transport {
        self.harness.client_as(NAME, token)
    }

    pub(crate) async fn sign_in(
        &self,
        login: &str,
        password: &str,
        address: &str,
    ) -> Answer<pb::CreateSessionResponse> {
        let request = pb::CreateSessionRequest {
            login: login.to_owned(),
            password: password.to_owned(),
            client_address: address.to_owned(),
            user_agent: "a test".to_owned(),
        };
        SessionsClient::new(self.anonymous()).create_session(request).await.map(Response::into_inner)
    }

    pub(crate) async fn sign_out(&self, secret: &str) -> Answer<()> {
        let request = pb::DeleteSessionRequest { session_secret: secret.to_owned() };
        SessionsClient::new(self.anonymous()).delete_session(request).await.map(|_| ())
    }

    pub(crate) async fn issue(&self, proof: Proof) -> Answer<pb::IssueTokenResponse> {
        let request = pb::IssueTokenRequest { proof: Some(proof) };
        TokensClient::new(self.anonymous()).issue_token(request).await.map(Response::into_inner)
    }

    pub(crate) async fn of_session(&self, secret: &str) -> Answer<pb::IssueTokenResponse> {
        self.issue(Proof::SessionSecret(secret.to_owned())).await
    }

    pub(crate) async fn of_key(&self, secret: &str) -> Answer<pb::IssueTokenResponse> {
        self.issue(Proof::ApiKey(secret.to_owned())).await
    }

    /// A token of the administrator.
    pub(crate) async fn administrator_token(&self) -> String {
        let session =
            self.sign_in(ADMINISTRATOR, &self.administrator_password, "").await.expect("the administrator signs in");
        self.of_session(&session.session_secret).await.expect("a session gives a token").token
    }

    /// The way in as the administrator.
    pub(crate) async fn administrator(&self) -> Transport {
        self.with_token(&self.administrator_token().await)
    }

    /// A group with these permissions.
    pub(crate) async fn group(&self, as_whom: &Transport, name: &str, permissions: &[&str]) -> Answer<pb::Group> {
        let group = pb::Group {
            name: name.to_owned(),
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            ..pb::Group::default()
        };
        let request = pb::CreateGroupRequest { group: Some(group), request_id: String::new() };
        GroupsClient::new(as_whom.clone()).create_group(request).await.map(Response::into_inner)
    }

    /// A user in these groups, with the password [`PASSWORD`].
    pub(crate) async fn user(&self, as_whom: &Transport, login: &str, groups: &[&str]) -> Answer<pb::User> {
        UsersClient::new(as_whom.clone()).create_user(new_user(login, groups)).await.map(Response::into_inner)
    }

    /// A signed-in user who may do just this: the user, their session's secret and the way in as them.
    pub(crate) async fn somebody(&self, login: &str, permissions: &[&str]) -> Somebody {
        let administrator = self.administrator().await;
        let group =
            self.group(&administrator, &format!("group of {login}"), permissions).await.expect("a group is made");
        let user = self.user(&administrator, login, &[&group.id]).await.expect("a user is made");
        let secret = self.sign_in(login, PASSWORD, "").await.expect("the user signs in").session_secret;
        let token = self.of_session(&secret).await.expect("a session gives a token").token;
        Somebody { user, group, secret, transport: self.with_token(&token) }
    }

    pub(crate) async fn update_user(&self, as_whom: &Transport, user: pb::User, fields: &[&str]) -> Answer<pb::User> {
        let request =
            pb::UpdateUserRequest { user: Some(user), update_mask: Some(mask(fields)), request_id: String::new() };
        UsersClient::new(as_whom.clone()).update_user(request).await.map(Response::into_inner)
    }

    pub(crate) async fn disable(&self, as_whom: &Transport, user: &pb::User) -> Answer<pb::User> {
        let user = pb::User { state: pb::UserState::Disabled.into(), ..user.clone() };
        self.update_user(as_whom, user, &["state"]).await
    }

    pub(crate) async fn key(&self, as_whom: &Transport, scopes: &[&str]) -> Answer<pb::CreateApiKeyResponse> {
        let scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
        let request = pb::CreateApiKeyRequest { name: "till".to_owned(), scopes, expires_at: None };
        ApiKeysClient::new(as_whom.clone()).create_api_key(request).await.map(Response::into_inner)
    }

    /// Whether the way in is open: asks something that needs `identity.store.read`.
    pub(crate) async fn knock(&self, as_whom: &Transport) -> Answer<()> {
        StoresClient::new(as_whom.clone()).list_stores(pb::ListStoresRequest::default()).await.map(|_| ())
    }
}

/// A user who signed in.
pub(crate) struct Somebody {
    pub(crate) user: pb::User,
    pub(crate) group: pb::Group,
    pub(crate) secret: String,
    pub(crate) transport: Transport,
}

pub(crate) fn new_user(login: &str, groups: &[&str]) -> pb::CreateUserRequest {
    let user = pb::User {
        login: login.to_owned(),
        display_name: "Somebody".to_owned(),
        group_ids: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..pb::User::default()
    };
    pb::CreateUserRequest { user: Some(user), password: PASSWORD.to_owned(), request_id: String::new() }
}

pub(crate) fn mask(fields: &[&str]) -> FieldMask {
    FieldMask { paths: fields.iter().map(|f| (*f).to_owned()).collect() }
}

/// The code and the stable reason of an error.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Answer<T>) -> (Code, String) {
    let status = answer.expect_err("this must be refused");
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

/// The fields an error names.
pub(crate) fn fields<T: std::fmt::Debug>(answer: Answer<T>) -> Vec<String> {
    let status = answer.expect_err("this must be refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().expect("the error names fields");
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// What both sides of a refusal are compared with.
pub(crate) fn because(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}
