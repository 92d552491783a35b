//! Users: creating, changing, reading; changing one's own password.

use std::collections::HashMap;
use std::sync::Arc;

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::{Error as KernelError, Etag, GroupId, SessionId, UserId};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Caller, Command};

use super::password::Passwords;
use super::throttle::Throttle;
use crate::Error;
use crate::domain::password::Password;
use crate::domain::user::{NewUser, User, UserChange, UserState};
use crate::events::publish;
use crate::{contract, store};

const CREATE: &str = "/clientele.identity.v1.Users/CreateUser";
const UPDATE: &str = "/clientele.identity.v1.Users/UpdateUser";

/// Use cases about users.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    db: Database,
    passwords: Arc<Passwords>,
    throttle: Throttle,
}

impl Users {
    pub(crate) fn new(db: Database, passwords: Arc<Passwords>, throttle: Throttle) -> Self {
        Self { db, passwords, throttle }
    }

    pub(crate) async fn get(&self, id: UserId) -> Result<User, Error> {
        store::user::find(self.db.pool(), id).await?.ok_or(Error::UserNotFound(id))
    }

    /// Those that exist, in the order asked.
    pub(crate) async fn batch_get(&self, ids: &[UserId]) -> Result<Vec<User>, Error> {
        let found = store::user::find_many(self.db.pool(), ids).await?;
        let by_id: HashMap<UserId, User> = found.into_iter().map(|user| (user.id, user)).collect();
        Ok(ids.iter().filter_map(|id| by_id.get(id).cloned()).collect())
    }

    pub(crate) async fn list(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, Error> {
        store::user::list(self.db.pool(), after, limit.into()).await
    }

    /// Creates a user. `request` is what the caller sent, for repetitions of it.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        new: NewUser,
        password: Password,
        mut request: pb::CreateUserRequest,
    ) -> Result<pb::User, Error> {
        // What is remembered of a request must not give the password away.
        request.password = match request.request_id.as_str() {
            "" => String::new(),
            id => self.passwords.fingerprint(password.clone(), id).await?,
        };
        let hash = self.passwords.hash(password).await?;
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        require_existing(&mut uow, &new.group_ids).await?;
        require_reach(&mut uow, &new.group_ids).await?;
        let user = new.into_user(uow.id(), uow.now());
        store::user::insert(uow.conn(), &user, &hash).await?;
        uow.record(publish::user_recorded(&user));
        let answer = contract::user(&user);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Changes a user. Disabling one ends their sessions and API keys in the same transaction.
    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: UserId,
        etag: Etag,
        change: UserChange,
        request: pb::UpdateUserRequest,
    ) -> Result<pb::User, Error> {
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request: &request };
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let before = store::user::lock(uow.conn(), id).await?.ok_or(Error::UserNotFound(id))?;
        etag.require(before.version)?;
        if let Some(groups) = &change.group_ids {
            require_existing(&mut uow, groups).await?;
            require_reach(&mut uow, groups).await?;
        }
        require_reach(&mut uow, &before.group_ids).await.map_err(|error| match error {
            Error::BeyondCaller(_) => Error::BeyondCaller(None),
            other => other,
        })?;
        let now = uow.now();
        let Some(after) = before.changed(change, now) else {
            let answer = contract::user(&before);
            uow.commit_with(&answer).await?;
            return Ok(answer);
        };
        keep_an_administrator(&mut uow, &before, &after).await?;
        store::user::update(uow.conn(), &after).await?;
        if before.is_disabled_by(&after) {
            end_access(&mut uow, id).await?;
        }
        uow.record(publish::user_recorded(&after));
        let answer = contract::user(&after);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Sets the caller's own password and ends their sessions but the present one. Guesses at the present password count
    /// as failed sign-ins: a token that got into wrong hands must not let its holder guess on.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        session: Option<SessionId>,
        current: Password,
        new: Password,
    ) -> Result<(), Error> {
        let id = user_of(caller)?;
        let user = self.get(id).await?;
        let admission = self.throttle.admit(user.login.key(), "").await?;
        let known = store::user::password(self.db.pool(), id).await?;
        let hashed = match self.passwords.verify(current, known.clone()).await {
            Ok(false) => return Err(Error::WrongPassword),
            Ok(true) => self.passwords.hash(new).await,
            Err(error) => Err(error),
        };
        let hash = match hashed {
            Ok(hash) => hash,
            Err(error) => {
                self.throttle.withdraw(admission).await?;
                return Err(error);
            }
        };

        let mut uow = self.db.begin(caller).await?;
        let before = store::user::lock(uow.conn(), id).await?.ok_or(Error::UserNotFound(id))?;
        if before.state != UserState::Active || store::user::password(uow.conn(), id).await? != known {
            return Err(Error::WrongPassword);
        }
        let after = before.touched(uow.now());
        store::user::update(uow.conn(), &after).await?;
        store::user::set_password(uow.conn(), id, &hash).await?;
        store::session::delete_of(uow.conn(), id, session).await?;
        admission.succeed(uow.conn()).await?;
        uow.record(publish::user_recorded(&after));
        Ok(uow.commit().await?)
    }
}

/// The user who calls; an error for programs and services.
pub(crate) fn user_of(caller: &Caller) -> Result<UserId, Error> {
    caller.user().ok_or(Error::NotAUser)
}

async fn require_existing(uow: &mut UnitOfWork, groups: &[GroupId]) -> Result<(), Error> {
    let existing = store::group::existing(uow.conn(), groups).await?;
    match groups.iter().find(|id| !existing.contains(id)) {
        None => Ok(()),
        Some(id) => Err(KernelError::invalid("user.group_ids", format!("there is no group `{id}`")).into()),
    }
}

/// Fails unless the caller may do all that members of these groups may: who manages users must not become more than they
/// are by it.
async fn require_reach(uow: &mut UnitOfWork, groups: &[GroupId]) -> Result<(), Error> {
    let held = super::permissions_of(uow.caller());
    let granted = store::user::permissions(uow.conn(), groups).await?;
    if held.cover(&granted) {
        return Ok(());
    }
    let lacking = granted.to_token();
    Err(Error::BeyondCaller(held.lacks(&lacking).cloned()))
}

async fn keep_an_administrator(uow: &mut UnitOfWork, before: &User, after: &User) -> Result<(), Error> {
    let Some(group) = store::group::administrators(uow.conn()).await? else { return Ok(()) };
    let leads = |user: &User| user.state == UserState::Active && user.group_ids.contains(&group);
    if !leads(before) || leads(after) || store::user::other_administrators(uow.conn(), before.id).await? > 0 {
        return Ok(());
    }
    Err(Error::LastAdministrator)
}

/// Ends all sessions of a user and revokes their keys.
async fn end_access(uow: &mut UnitOfWork, id: UserId) -> Result<(), Error> {
    store::session::delete_of(uow.conn(), id, None).await?;
    let now = uow.now();
    for key in store::api_key::lock_of(uow.conn(), id).await? {
        if let Some(revoked) = key.revoked(now) {
            store::api_key::update(uow.conn(), &revoked).await?;
            uow.record(publish::api_key_revoked(&revoked));
        }
    }
    Ok(())
}
