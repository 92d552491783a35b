//! Groups: creating, changing, reading.

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::{Etag, GroupId};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Caller, Command};

use crate::Error;
use crate::domain::group::{Group, GroupChange, NewGroup};
use crate::domain::permission::Permissions;
use crate::events::publish;
use crate::{contract, store};

const CREATE: &str = "/clientele.identity.v1.Groups/CreateGroup";
const UPDATE: &str = "/clientele.identity.v1.Groups/UpdateGroup";

/// Use cases about groups.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    db: Database,
}

impl Groups {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    pub(crate) async fn get(&self, id: GroupId) -> Result<Group, Error> {
        store::group::find(self.db.pool(), id).await?.ok_or(Error::GroupNotFound(id))
    }

    pub(crate) async fn list(&self, after: &str, limit: u32) -> Result<Vec<Group>, Error> {
        store::group::list(self.db.pool(), after, limit.into()).await
    }

    pub(crate) async fn create(
        &self,
        caller: &Caller,
        new: NewGroup,
        request: pb::CreateGroupRequest,
    ) -> Result<pb::Group, Error> {
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        require_reach(caller, &new.permissions)?;
        let group = insert(&mut uow, new).await?;
        let answer = contract::group(&group);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: GroupId,
        etag: Etag,
        change: GroupChange,
        request: pb::UpdateGroupRequest,
    ) -> Result<pb::Group, Error> {
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let before = store::group::lock(uow.conn(), id).await?.ok_or(Error::GroupNotFound(id))?;
        if before.is_administrators() {
            return Err(Error::AdministratorsFixed);
        }
        etag.require(before.version)?;
        if let Some(wanted) = &change.permissions {
            // What the group has already is not passed on anew.
            let had: Vec<String> = before.permission_names();
            let added = wanted.iter().filter(|name| !had.contains(name)).cloned().collect();
            require_reach(caller, &Permissions::Only(added))?;
        }
        let after = before.changed(change, uow.now());
        if let Some(after) = &after {
            store::group::update(uow.conn(), after).await?;
            uow.record(publish::group_recorded(after));
        }
        let answer = contract::group(after.as_ref().unwrap_or(&before));
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// Writes a new group within a unit of work.
pub(crate) async fn insert(uow: &mut UnitOfWork, new: NewGroup) -> Result<Group, Error> {
    let group = new.into_group(uow.id(), uow.now());
    store::group::insert(uow.conn(), &group).await?;
    uow.record(publish::group_recorded(&group));
    Ok(group)
}

/// Fails when the caller would pass on more than they may do themselves.
pub(crate) fn require_reach(caller: &Caller, granted: &Permissions) -> Result<(), Error> {
    let wanted = granted.to_token();
    match super::permissions_of(caller).lacks(&wanted) {
        None => Ok(()),
        Some(lacking) => Err(Error::BeyondCaller(Some(lacking.clone()))),
    }
}
