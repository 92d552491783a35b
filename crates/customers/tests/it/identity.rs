//! Identity, as far as imports can tell: everybody may do what this says.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clientele_contracts::identity::v1 as identity;
use clientele_contracts::identity::v1::groups_server::{Groups, GroupsServer};
use clientele_contracts::identity::v1::users_server::{Users, UsersServer};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What everybody may do; `None` for all there is. Whether nobody is there to ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity(Arc<Mutex<Option<BTreeSet<String>>>>, Arc<AtomicBool>);

fn unimplemented<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("imports do not ask this"))
}

impl Identity {
    /// What tells people's rights beside the routes that sign tokens.
    pub(crate) fn routes(&self, tokens: Routes) -> Routes {
        tokens.add_service(UsersServer::new(self.clone())).add_service(GroupsServer::new(self.clone()))
    }

    /// From now on everybody may do this alone.
    pub(crate) fn allow_only(&self, permissions: &[&str]) {
        *self.0.lock().unwrap() = Some(permissions.iter().map(|&name| name.to_owned()).collect());
    }

    /// Whether nobody is there to ask, from now on.
    pub(crate) fn is_away(&self, away: bool) {
        self.1.store(away, Ordering::Relaxed);
    }

    /// From now on everybody may do everything.
    pub(crate) fn allow_all(&self) {
        *self.0.lock().unwrap() = None;
    }
}

#[async_trait::async_trait]
impl Users for Identity {
    async fn get_user(&self, _: Request<identity::GetUserRequest>) -> Result<Response<identity::User>, Status> {
        unimplemented()
    }

    async fn batch_get_users(
        &self,
        request: Request<identity::BatchGetUsersRequest>,
    ) -> Result<Response<identity::BatchGetUsersResponse>, Status> {
        if self.1.load(Ordering::Relaxed) {
            return Err(Status::unavailable("nobody is there"));
        }
        let user = |id| identity::User {
            id,
            group_ids: vec!["everybody".into()],
            state: identity::UserState::Active.into(),
            ..identity::User::default()
        };
        let users = request.into_inner().ids.into_iter().map(user).collect();
        Ok(Response::new(identity::BatchGetUsersResponse { users }))
    }

    async fn list_users(
        &self,
        _: Request<identity::ListUsersRequest>,
    ) -> Result<Response<identity::ListUsersResponse>, Status> {
        unimplemented()
    }

    async fn create_user(&self, _: Request<identity::CreateUserRequest>) -> Result<Response<identity::User>, Status> {
        unimplemented()
    }

    async fn update_user(&self, _: Request<identity::UpdateUserRequest>) -> Result<Response<identity::User>, Status> {
        unimplemented()
    }

    async fn change_password(
        &self,
        _: Request<identity::ChangePasswordRequest>,
    ) -> Result<Response<identity::ChangePasswordResponse>, Status> {
        unimplemented()
    }
}

#[async_trait::async_trait]
impl Groups for Identity {
    async fn get_group(
        &self,
        request: Request<identity::GetGroupRequest>,
    ) -> Result<Response<identity::Group>, Status> {
        let permissions = self.0.lock().unwrap().clone();
        Ok(Response::new(identity::Group {
            id: request.into_inner().id,
            administrators: permissions.is_none(),
            permissions: permissions.into_iter().flatten().collect(),
            ..identity::Group::default()
        }))
    }

    async fn list_groups(
        &self,
        _: Request<identity::ListGroupsRequest>,
    ) -> Result<Response<identity::ListGroupsResponse>, Status> {
        unimplemented()
    }

    async fn create_group(
        &self,
        _: Request<identity::CreateGroupRequest>,
    ) -> Result<Response<identity::Group>, Status> {
        unimplemented()
    }

    async fn update_group(
        &self,
        _: Request<identity::UpdateGroupRequest>,
    ) -> Result<Response<identity::Group>, Status> {
        unimplemented()
    }

    async fn list_permissions(
        &self,
        _: Request<identity::ListPermissionsRequest>,
    ) -> Result<Response<identity::ListPermissionsResponse>, Status> {
        unimplemented()
    }
}
