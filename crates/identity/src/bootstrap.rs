//! The first start: the administrators' group, and a first administrator where there is none.

use clientele_kernel::Entropy;
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, UnitOfWork};
use secrecy::{ExposeSecret, SecretString};

use crate::app::group;
use crate::config::Config;
use crate::domain::group::NewGroup;
use crate::domain::password::{self, Password, PasswordHash, Salt};
use crate::domain::user::NewUser;
use crate::events::publish;
use crate::{Error, store};

const ADMINISTRATOR_NAME: &str = "Administrator";

/// A password that was made for the first administrator. It is stored nowhere: show it once.
#[derive(Debug)]
pub struct GeneratedPassword {
    /// What the administrator signs in with.
    pub login: String,
    /// The password.
    pub password: SecretString,
}

/// Makes the administrators' group and the first administrator where there are none. With a password in the
/// configuration that one is taken; otherwise one is made and returned. Several processes may do this at once: one of
/// them does it.
pub async fn bootstrap(
    db: &Database,
    entropy: &dyn Entropy,
    config: &Config,
) -> Result<Option<GeneratedPassword>, clientele_kernel::Error> {
    let settings = config.settings()?;
    let given = settings.administrator_password.clone();
    let generated = given.is_none();
    let password = given.unwrap_or_else(|| password::draw(entropy));
    let made = make(db, entropy, config, &password).await?;
    Ok((made && generated).then(|| GeneratedPassword { login: settings.administrator_login, password }))
}

/// Makes the first administrator when the configuration has a password for one.
pub(crate) async fn bootstrap_from_configuration(
    db: &Database,
    entropy: &dyn Entropy,
    config: &Config,
) -> Result<(), Error> {
    if let Some(password) = config.settings()?.administrator_password {
        make(db, entropy, config, &password).await?;
    }
    Ok(())
}

async fn make(db: &Database, entropy: &dyn Entropy, config: &Config, password: &SecretString) -> Result<bool, Error> {
    // Looked at without a lock first: on every start but the first there is nothing to do.
    if store::group::administrators(db.pool()).await?.is_some() && store::user::any_administrator(db.pool()).await? {
        return Ok(false);
    }
    let settings = config.settings()?;
    let mut new = NewUser::parse(&settings.administrator_login, ADMINISTRATOR_NAME, &[])
        .map_err(|error| clientele_kernel::Error::invalid("identity.administrator_login", error.message))?;
    let password = Password::parse_new(password.expose_secret(), "identity.administrator_password")?;
    let (cost, salt) = (settings.hash_cost, Salt::draw(entropy));
    let hash = tokio::task::spawn_blocking(move || PasswordHash::make(&password, cost, &salt))
        .await
        .map_err(clientele_kernel::Error::internal)??;

    let mut uow = db.begin(&Caller::service("identity")).await?;
    store::group::lock_all(uow.conn()).await?;
    let group = match store::group::administrators(uow.conn()).await? {
        Some(id) => id,
        None => group::insert(&mut uow, NewGroup::administrators()).await?.id,
    };
    let first = !store::user::any_administrator(uow.conn()).await?;
    if first {
        new.group_ids = vec![group];
        insert(&mut uow, new, &hash).await?;
    }
    uow.commit().await?;
    Ok(first)
}

async fn insert(uow: &mut UnitOfWork, new: NewUser, hash: &PasswordHash) -> Result<(), Error> {
    let user = new.into_user(uow.id(), uow.now());
    store::user::insert(uow.conn(), &user, hash).await?;
    uow.record(publish::user_recorded(&user));
    Ok(())
}
