//! Sessions: signing in and out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ActorKind, Entropy, Origin, UserId};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;

use super::password::Passwords;
use super::throttle::{Admission, Throttle};
use crate::Error;
use crate::domain::password::Password;
use crate::domain::secret::{self, Secret, SecretKind};
use crate::domain::session::{self, Lifetimes, Session};
use crate::domain::user::{self, User, UserState};
use crate::events::publish;
use crate::store;
use crate::store::user::Credentials;

/// What somebody signs in with.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) login: String,
    pub(crate) password: Password,
    pub(crate) address: String,
    pub(crate) user_agent: String,
}

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) secret: Secret,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) user: User,
}

/// Use cases about sessions.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    db: Database,
    entropy: Arc<dyn Entropy>,
    passwords: Arc<Passwords>,
    throttle: Throttle,
    lifetimes: Lifetimes,
}

impl Sessions {
    pub(crate) fn new(
        db: Database,
        entropy: Arc<dyn Entropy>,
        passwords: Arc<Passwords>,
        throttle: Throttle,
        lifetimes: Lifetimes,
    ) -> Self {
        Self { db, entropy, passwords, throttle, lifetimes }
    }

    /// Signs somebody in. A login that does not exist, one that is disabled and a wrong password cost and say the same.
    pub(crate) async fn create(&self, attempt: SignIn) -> Result<SignedIn, Error> {
        let login_key = user::sign_in_key(&attempt.login)?;
        let admission = self.throttle.admit(&login_key, &attempt.address).await?;
        let known = store::user::credentials(self.db.pool(), &login_key).await?;
        let hash = known.as_ref().map(|credentials| credentials.hash.clone());
        let matches = match self.passwords.verify(attempt.password.clone(), hash).await {
            Ok(matches) => matches,
            Err(error) => {
                self.throttle.withdraw(admission).await?;
                return Err(error);
            }
        };
        match known {
            Some(credentials) if matches => self.begin(credentials, attempt, admission).await,
            other => self.refuse(other.map(|credentials| credentials.user_id)).await,
        }
    }

    async fn begin(&self, credentials: Credentials, attempt: SignIn, admission: Admission) -> Result<SignedIn, Error> {
        let id = credentials.user_id;
        let renewed = if self.passwords.is_outdated(&credentials.hash) {
            // A busy moment is no reason to keep anybody out: the next sign-in renews the hash.
            self.passwords.hash(attempt.password).await.ok()
        } else {
            None
        };
        let caller = signing_in(id);
        let mut uow = self.db.begin(&caller).await?;
        let user = store::user::lock(uow.conn(), id).await?.filter(|user| user.state == UserState::Active);
        let unchanged = store::user::password(uow.conn(), id).await? == Some(credentials.hash);
        let Some(user) = user.filter(|_| unchanged) else {
            drop(uow);
            return self.refuse(Some(id)).await;
        };
        if let Some(hash) = renewed {
            store::user::set_password(uow.conn(), id, &hash).await?;
        }
        let secret = Secret::draw(SecretKind::Session, self.entropy.as_ref());
        let session = Session::begin(uow.id(), id, secret.hash, &attempt.user_agent, self.lifetimes, uow.now());
        store::session::insert(uow.conn(), &session, session::MOST_PER_USER).await?;
        admission.succeed(uow.conn()).await?;
        let entry = publish::sign_in_recorded(uow.id(), Some(id), true);
        uow.record(entry);
        uow.commit().await?;
        Ok(SignedIn { secret, expires_at: session.expires_at, user })
    }

    async fn refuse(&self, user: Option<UserId>) -> Result<SignedIn, Error> {
        let mut uow = self.db.begin(&Caller::service("identity")).await?;
        let entry = publish::sign_in_recorded(uow.id(), user, false);
        uow.record(entry);
        uow.commit().await?;
        Err(Error::SignInRefused)
    }

    /// Ends the session of this secret. Ending one that does not exist succeeds.
    pub(crate) async fn delete(&self, presented: &str) -> Result<(), Error> {
        let Some(hash) = secret::presented(presented, SecretKind::Session) else { return Ok(()) };
        let Some(owner) = store::session::owner(self.db.pool(), hash).await? else { return Ok(()) };
        let mut uow = self.db.begin(&signing_in(owner)).await?;
        if store::session::delete(uow.conn(), hash).await? {
            let entry = publish::sign_out_recorded(uow.id(), owner);
            uow.record(entry);
            uow.commit().await?;
        }
        Ok(())
    }
}

/// Whoever proves to be a user by a password or a session's secret acts in that user's name.
fn signing_in(id: UserId) -> Caller {
    Caller {
        actor: Actor { kind: ActorKind::User, id: id.to_string() },
        origin: Origin::Web,
        ..Caller::service("identity")
    }
}
