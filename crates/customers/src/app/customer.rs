//! Create, update, get.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_contracts::customers::v1 as pb;
use clientele_kernel::{CustomerId, Error as KernelError, Etag, Reference};
use clientele_platform::{Begun, Command};
use prost::Message;
use sqlx::PgConnection;

use super::App;
use crate::domain::contact::{MOST_PHONES, SHOWN_PHONES};
use crate::domain::customer::{Customer, Draft, Event, Field, Repeats, Statement};
use crate::domain::duplicate::View;
use crate::events::publish;
use crate::store::customer::Change;
use crate::{Error, contract, store};

/// Where the customer stands in the requests: the errors' paths begin with it.
const CUSTOMER: &str = "customer";

impl App {
    /// Creates a customer.
    pub(crate) async fn create(
        &self,
        command: &Command<'_, impl Message>,
        statement: Statement,
    ) -> Result<pb::Customer, Error> {
        let draft = statement.check(self.region, Repeats::Refuse).map_err(within_customer)?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let now = uow.now();
        let customer = Customer::create(draft, now, self.db.ids()).map_err(within_customer)?;
        require_free(uow.conn(), &customer.references, customer.id).await?;
        store::customer::save(uow.conn(), &[Change { before: None, after: &customer }]).await?;
        uow.record(publish::entry(&customer, &Event::Created));
        let answer = shown(uow.conn(), customer.id).await?;
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Changes the fields named, if the customer still is at the version the caller read.
    pub(crate) async fn update(
        &self,
        command: &Command<'_, impl Message>,
        id: CustomerId,
        etag: Etag,
        fields: &BTreeSet<Field>,
        statement: Statement,
    ) -> Result<pb::Customer, Error> {
        let draft: Draft = statement.only(fields).check(self.region, Repeats::Refuse).map_err(within_customer)?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let now = uow.now();
        let before = store::customer::lock(uow.conn(), &[id]).await?.pop().ok_or(Error::NotFound(id))?;
        etag.require(before.version)?;
        let mut after = before.clone();
        if let Some(event) = after.update(&draft, fields, now, self.db.ids()).map_err(within_customer)? {
            require_free(uow.conn(), &after.references, id).await?;
            store::customer::save(uow.conn(), &[Change { before: Some(&before), after: &after }]).await?;
            uow.record(publish::entry(&after, &event));
        }
        let answer = shown(uow.conn(), id).await?;
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// A customer as of now.
    pub(crate) async fn get(&self, id: CustomerId, all_phones: bool) -> Result<View, Error> {
        let phones = if all_phones { MOST_PHONES } else { SHOWN_PHONES };
        store::customer::views(self.db.pool(), &[id], phones).await?.pop().ok_or(Error::NotFound(id))
    }

    /// A customer as of a past moment, by recorded time. Duplicate marks tell of now alone, and are left out.
    pub(crate) async fn get_as_of(
        &self,
        id: CustomerId,
        moment: DateTime<Utc>,
        all_phones: bool,
    ) -> Result<pb::Customer, Error> {
        let mut message = self.image_as_of(id, moment).await?.ok_or(Error::NotFoundThen(id, moment))?;
        if !all_phones {
            contract::hide_phones(&mut message);
        }
        Ok(message)
    }

    /// Those of the customers that exist, each once, in the order asked.
    pub(crate) async fn batch_get(&self, ids: &[CustomerId]) -> Result<Vec<View>, Error> {
        let mut seen = BTreeSet::new();
        let distinct: Vec<CustomerId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        store::customer::views(self.db.pool(), &distinct, SHOWN_PHONES).await
    }
}

fn within_customer(error: KernelError) -> Error {
    error.within(CUSTOMER).into()
}

/// Fails, naming the field, when one of the references belongs to somebody else.
async fn require_free(conn: &mut PgConnection, references: &[Reference], id: CustomerId) -> Result<(), Error> {
    let owners = store::reference::owners(conn, references).await?;
    match references.iter().position(|reference| owners.get(reference).is_some_and(|owner| *owner != id)) {
        Some(i) => Err(Error::ReferenceTaken(format!("{CUSTOMER}.references[{i}]"))),
        None => Ok(()),
    }
}

/// A customer that has just been written, as the answer shows it.
async fn shown(conn: &mut PgConnection, id: CustomerId) -> Result<pb::Customer, Error> {
    let view = store::customer::views(conn, &[id], SHOWN_PHONES).await?.pop().ok_or(Error::NotFound(id))?;
    Ok(contract::customer(&view))
}
