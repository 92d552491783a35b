//! The dictionary of statuses.

use clientele_kernel::Error;
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Command};
use prost::Message;

use crate::domain::status::{Dictionary, MOST_STATUSES, Status, StatusDraft};
use crate::events::publish;
use crate::store;

/// What can be done with statuses.
#[derive(Clone)]
pub(crate) struct Statuses {
    db: Database,
}

impl Statuses {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    /// All statuses, by group and place.
    pub(crate) async fn list(&self) -> Result<Vec<Status>, Error> {
        Ok(store::status::all(self.db.pool()).await?)
    }

    /// Adds a status.
    pub(crate) async fn create<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        draft: &StatusDraft,
        answer: fn(&Status) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let status = Status::create(draft, uow.id()).map_err(|error| error.within("status"))?;
        let most = i64::try_from(MOST_STATUSES).unwrap_or(i64::MAX);
        if store::status::count(&mut *uow.conn()).await? >= most {
            let message = format!("the dictionary holds {MOST_STATUSES} statuses, and more are not kept");
            return Err(Error::failed_precondition("TOO_MANY_STATUSES", message));
        }
        store::status::insert(uow.conn(), &status).await?;
        uow.record(publish::status(&status));
        let answer = answer(&status);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// The dictionary as this unit of work sees it.
pub(crate) async fn dictionary(uow: &mut UnitOfWork) -> Result<Dictionary, Error> {
    Ok(Dictionary::new(store::status::all(uow.conn()).await?))
}
