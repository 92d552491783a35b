//! `Users`: people who may sign in.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::users_server;
use clientele_kernel::{Error as KernelError, Etag, UserId, Violations, paging};
use clientele_platform::{Caller, proto};
use tonic::{Request, Response, Status};

use super::{cut, page_size, required, respond};
use crate::app::token::Tokens;
use crate::app::user::Users as App;
use crate::domain::password::Password;
use crate::domain::user::{self, NewUser, UserChange, UserState};
use crate::{Error, contract};

const LARGEST_BATCH: usize = 500;

/// Serves `clientele.identity.v1.Users`.
#[derive(Debug)]
pub(crate) struct Users {
    pub(crate) app: App,
    pub(crate) tokens: Tokens,
}

fn state(number: i32) -> Result<UserState, KernelError> {
    match pb::UserState::try_from(number) {
        Ok(pb::UserState::Active) => Ok(UserState::Active),
        Ok(pb::UserState::Disabled) => Ok(UserState::Disabled),
        _ => Err(KernelError::invalid("user.state", "must be USER_STATE_ACTIVE or USER_STATE_DISABLED")),
    }
}

fn change(sent: &pb::User, fields: &[&str]) -> Result<UserChange, KernelError> {
    let mut violations = Violations::new();
    let mut change = UserChange::default();
    for field in fields {
        match *field {
            "display_name" => {
                change.display_name = violations.take(field, user::parse_display_name(&sent.display_name));
            }
            "group_ids" => change.group_ids = violations.take(field, user::parse_group_ids(&sent.group_ids)),
            _ => change.state = violations.take(field, state(sent.state)),
        }
    }
    violations.into_result()?;
    Ok(change)
}

impl Users {
    async fn batch_get(&self, request: pb::BatchGetUsersRequest) -> Result<pb::BatchGetUsersResponse, Error> {
        if request.ids.len() > LARGEST_BATCH {
            let count = request.ids.len();
            return Err(KernelError::invalid(
                "ids",
                format!("has {count} entries: at most {LARGEST_BATCH} are allowed"),
            )
            .into());
        }
        let mut violations = Violations::new();
        let ids: Vec<UserId> = request
            .ids
            .iter()
            .enumerate()
            .filter_map(|(i, id)| violations.take("ids", UserId::parse(id, &format!("ids[{i}]"))))
            .collect();
        violations.into_result()?;
        let users = self.app.batch_get(&ids).await?;
        Ok(pb::BatchGetUsersResponse { users: users.iter().map(contract::user).collect() })
    }

    async fn list(&self, request: &pb::ListUsersRequest) -> Result<pb::ListUsersResponse, Error> {
        // The token holds the last user's id: it travels in URLs, where a login has no place.
        let list = paging::fingerprint(&["users"]);
        let size = page_size(request.page_size)?;
        let after: Option<UserId> = paging::decode(&request.page_token, list)?;
        let mut users = self.app.list(after, size + 1).await?;
        let next_page_token = cut(&mut users, size, list, |user| user.id);
        Ok(pb::ListUsersResponse { users: users.iter().map(contract::user).collect(), next_page_token })
    }

    async fn create(&self, caller: &Caller, request: pb::CreateUserRequest) -> Result<pb::User, Error> {
        let sent = required(request.user.as_ref(), "user")?;
        let mut violations = Violations::new();
        let new = violations.take("user", NewUser::parse(&sent.login, &sent.display_name, &sent.group_ids));
        let password = violations.take("password", Password::parse_new(&request.password, "password"));
        violations.into_result()?;
        let new = required(new, "user")?;
        let password = required(password, "password")?;
        self.app.create(caller, new, password, request).await
    }

    async fn update(&self, caller: &Caller, request: pb::UpdateUserRequest) -> Result<pb::User, Error> {
        let sent = required(request.user.as_ref(), "user")?;
        let id = UserId::parse(&sent.id, "user.id")?;
        let etag = Etag::parse(&sent.etag, "user.etag")?;
        let fields = proto::mask(request.update_mask.clone(), &["display_name", "group_ids", "state"])?;
        let change = change(sent, &fields)?;
        self.app.update(caller, id, etag, change, request).await
    }

    async fn change_password(&self, caller: &Caller, request: pb::ChangePasswordRequest) -> Result<(), Error> {
        let current = Password::parse(&request.current_password, "current_password")?;
        let new = Password::parse_new(&request.new_password, "new_password")?;
        let session = self.tokens.session_of(caller).await?;
        self.app.change_password(caller, session, current, new).await
    }
}

#[tonic::async_trait]
impl users_server::Users for Users {
    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::User>, Status> {
        let id = UserId::parse(&request.get_ref().id, "id").map_err(Error::from);
        respond(match id {
            Ok(id) => self.app.get(id).await.map(|user| contract::user(&user)),
            Err(error) => Err(error),
        })
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        respond(self.batch_get(request.into_inner()).await)
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        respond(self.list(request.get_ref()).await)
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Result<Response<pb::User>, Status> {
        let caller = super::caller(&request)?;
        respond(self.create(&caller, request.into_inner()).await)
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Result<Response<pb::User>, Status> {
        let caller = super::caller(&request)?;
        respond(self.update(&caller, request.into_inner()).await)
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let caller = super::caller(&request)?;
        let done = self.change_password(&caller, request.into_inner()).await;
        respond(done.map(|()| pb::ChangePasswordResponse {}))
    }
}
