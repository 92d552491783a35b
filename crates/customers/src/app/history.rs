//! What changed on a customer, and what was: read from the after-images in the journal.

use chrono::{DateTime, Utc};
use clientele_contracts::customers::v1 as pb;
use clientele_kernel::{Actor, CustomerId, EventId, Origin, paging};
use clientele_platform::postgres::Error as StorageError;
use clientele_platform::postgres::journal::{self, JournalRow};
use prost::{Message, Name};

use super::App;
use crate::domain::customer::Customer;
use crate::domain::history::{Difference, differences};
use crate::events::publish::CUSTOMER;
use crate::{Error, contract, store};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;

/// What a change was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Deleted,
}

impl ChangeKind {
    fn of(event_type: &str) -> Self {
        if event_type == pb::CustomerCreated::full_name() {
            Self::Created
        } else if event_type == pb::CustomerDeleted::full_name() {
            Self::Deleted
        } else {
            Self::Updated
        }
    }
}

/// One change of a customer.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) id: EventId,
    pub(crate) version: i64,
    pub(crate) kind: ChangeKind,
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
    pub(crate) integration: Option<String>,
    pub(crate) recorded_at: DateTime<Utc>,
    /// Empty where the values are known no longer: the person was erased.
    pub(crate) fields: Vec<Difference>,
}

impl App {
    /// The changes of a customer, newest first, and the token of the next page.
    pub(crate) async fn list_changes(
        &self,
        id: CustomerId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Change>, String), Error> {
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&["changes", &id.to_string()]);
        let before: Option<i64> = paging::decode(page_token, fingerprint)?;
        // One more than the page: what the last change of the page is compared with.
        let rows = journal::images(&self.db, CUSTOMER, id.uuid(), before, size + 1).await?;
        if rows.is_empty() && !store::customer::exists(self.db.pool(), id).await? {
            return Err(Error::NotFound(id));
        }
        let states = rows.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > size as usize;
        let mut changes: Vec<Change> = Vec::with_capacity(rows.len());
        for (i, row) in rows.into_iter().take(size as usize).enumerate() {
            let kind = ChangeKind::of(&row.event_type);
            let fields = match (&states[i], states.get(i + 1)) {
                (Some(new), _) if kind == ChangeKind::Created => differences(None, new),
                (Some(new), Some(Some(old))) => differences(Some(old), new),
                _ => Vec::new(),
            };
            changes.push(Change {
                id: row.id,
                version: row.version,
                kind,
                actor: row.actor,
                origin: row.origin,
                integration: row.integration,
                recorded_at: row.recorded_at,
                fields,
            });
        }
        let token = match changes.last() {
            Some(last) if more => paging::encode(&last.version, fingerprint),
            _ => String::new(),
        };
        Ok((changes, token))
    }

    /// The customer as it was recorded at a moment; `None` when there was none, or it is known no longer.
    pub(super) async fn image_as_of(
        &self,
        id: CustomerId,
        moment: DateTime<Utc>,
    ) -> Result<Option<pb::Customer>, Error> {
        let row = journal::image_as_of(&self.db, CUSTOMER, id.uuid(), moment).await?;
        Ok(row.as_ref().map(message).transpose()?.flatten())
    }
}

fn message(row: &JournalRow) -> Result<Option<pb::Customer>, StorageError> {
    let Some(image) = &row.image else { return Ok(None) };
    let corrupt =
        |error: prost::DecodeError| StorageError::corrupt("journal", format!("image of event {}: {error}", row.id));
    pb::Customer::decode(image.as_slice()).map(Some).map_err(corrupt)
}

fn state(row: &JournalRow) -> Result<Option<Customer>, StorageError> {
    message(row)?.as_ref().map(contract::restore).transpose()
}
