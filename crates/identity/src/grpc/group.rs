//! `Groups`: what users may do.

use clientele_contracts::access;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::groups_server;
use clientele_kernel::{Error as KernelError, Etag, GroupId, Violations, paging};
use clientele_platform::{Caller, proto};
use tonic::{Request, Response, Status};

use super::{cut, page_size, required, respond};
use crate::app::group::Groups as App;
use crate::domain::group::{self, GroupChange, NewGroup};
use crate::{Error, contract};

/// Serves `clientele.identity.v1.Groups`.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) app: App,
}

fn change(sent: &pb::Group, fields: &[&str]) -> Result<GroupChange, KernelError> {
    let mut violations = Violations::new();
    let mut change = GroupChange::default();
    for field in fields {
        match *field {
            "name" => change.name = violations.take(field, group::parse_name(&sent.name)),
            _ => change.permissions = violations.take(field, group::parse_permissions(&sent.permissions)),
        }
    }
    violations.into_result()?;
    Ok(change)
}

impl Groups {
    async fn get(&self, request: &pb::GetGroupRequest) -> Result<pb::Group, Error> {
        let id = GroupId::parse(&request.id, "id")?;
        Ok(contract::group(&self.app.get(id).await?))
    }

    async fn list(&self, request: &pb::ListGroupsRequest) -> Result<pb::ListGroupsResponse, Error> {
        let list = paging::fingerprint(&["groups"]);
        let size = page_size(request.page_size)?;
        let after: Option<String> = paging::decode(&request.page_token, list)?;
        let mut groups = self.app.list(after.as_deref().unwrap_or_default(), size + 1).await?;
        let next_page_token = cut(&mut groups, size, list, |group| group.name.key.clone());
        Ok(pb::ListGroupsResponse { groups: groups.iter().map(contract::group).collect(), next_page_token })
    }

    async fn create(&self, caller: &Caller, request: pb::CreateGroupRequest) -> Result<pb::Group, Error> {
        let sent = required(request.group.as_ref(), "group")?;
        let new = NewGroup::parse(&sent.name, &sent.permissions)?;
        self.app.create(caller, new, request).await
    }

    async fn update(&self, caller: &Caller, request: pb::UpdateGroupRequest) -> Result<pb::Group, Error> {
        let sent = required(request.group.as_ref(), "group")?;
        let id = GroupId::parse(&sent.id, "group.id")?;
        let etag = Etag::parse(&sent.etag, "group.etag")?;
        let fields = proto::mask(request.update_mask.clone(), &["name", "permissions"])?;
        let change = change(sent, &fields)?;
        self.app.update(caller, id, etag, change, request).await
    }
}

#[tonic::async_trait]
impl groups_server::Groups for Groups {
    async fn get_group(&self, request: Request<pb::GetGroupRequest>) -> Result<Response<pb::Group>, Status> {
        respond(self.get(request.get_ref()).await)
    }

    async fn list_groups(
        &self,
        request: Request<pb::ListGroupsRequest>,
    ) -> Result<Response<pb::ListGroupsResponse>, Status> {
        respond(self.list(request.get_ref()).await)
    }

    async fn create_group(&self, request: Request<pb::CreateGroupRequest>) -> Result<Response<pb::Group>, Status> {
        let caller = super::caller(&request)?;
        respond(self.create(&caller, request.into_inner()).await)
    }

    async fn update_group(&self, request: Request<pb::UpdateGroupRequest>) -> Result<Response<pb::Group>, Status> {
        let caller = super::caller(&request)?;
        respond(self.update(&caller, request.into_inner()).await)
    }

    async fn list_permissions(
        &self,
        _request: Request<pb::ListPermissionsRequest>,
    ) -> Result<Response<pb::ListPermissionsResponse>, Status> {
        let permissions = access::permissions()
            .into_iter()
            .map(|(name, methods)| pb::Permission {
                name: name.to_owned(),
                methods: methods.iter().map(|path| path.trim_start_matches('/').replace('/', ".")).collect(),
            })
            .collect();
        respond(Ok(pb::ListPermissionsResponse { permissions }))
    }
}
