//! The unit of work: one transaction, in somebody's name, whose events are written to the journal at its end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, EventId, Partition};
use prost::{Message, Name};
use prost_types::Any;
use sqlx::{PgConnection, Postgres, Transaction};
use tracing::Instrument;
use uuid::Uuid;

use super::request_log::{self, Known, RequestKey};
use super::{Database, Error, journal, transaction};
use crate::caller::Caller;

/// A change to be written to the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) aggregate_type: &'static str,
    pub(crate) aggregate_id: Uuid,
    pub(crate) aggregate_version: i64,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    pub(crate) event_type: String,
    pub(crate) public: Vec<u8>,
    pub(crate) image: Option<Vec<u8>>,
}

impl Entry {
    /// An event of an aggregate, whose version it raised to `version`.
    pub fn new<M: Message + Name>(aggregate_type: &'static str, aggregate_id: Uuid, version: i64, event: &M) -> Self {
        Self {
            aggregate_type,
            aggregate_id,
            aggregate_version: version,
            customer_id: None,
            occurred_at: None,
            event_type: M::full_name(),
            public: event.encode_to_vec(),
            image: None,
        }
    }

    /// The customer concerned: decides the partition and the key of the private payload.
    pub fn customer(mut self, customer: impl Into<Option<CustomerId>>) -> Self {
        self.customer_id = customer.into();
        self
    }

    /// When it happened in the world; the moment of recording when not said.
    pub fn occurred_at(mut self, moment: DateTime<Utc>) -> Self {
        self.occurred_at = Some(moment);
        self
    }

    /// The aggregate after the change, as its resource message; sealed before it is written.
    pub fn image(mut self, resource: &impl Message) -> Self {
        self.image = Some(resource.encode_to_vec());
        self
    }

    /// Whose key seals the image, and by whose id the partition is chosen.
    pub(crate) fn subject(&self) -> Uuid {
        self.customer_id.map_or(self.aggregate_id, CustomerId::uuid)
    }
}

/// One transaction. It carries who acts, the moment, and the events to be journalled. Dropping it rolls back.
pub struct UnitOfWork {
    tx: Transaction<'static, Postgres>,
    db: Database,
    caller: Caller,
    now: DateTime<Utc>,
    entries: Vec<Entry>,
    request: Option<RequestKey>,
}

impl UnitOfWork {
    pub(super) async fn begin(db: &Database, caller: &Caller) -> Result<Self, Error> {
        let tx = transaction::begin(&db.pool, None).await?;
        Ok(Self { tx, db: db.clone(), caller: caller.clone(), now: db.clock.now(), entries: Vec::new(), request: None })
    }

    /// The connection of the transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// The moment of this unit of work; the same throughout.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// In whose name it works.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// A new id.
    pub fn id<T: From<Uuid>>(&self) -> T {
        self.db.ids.at(self.now)
    }

    /// The database it works on.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Queues an event; it is written when the unit of work commits. Events of an aggregate come in the order of its
    /// versions.
    pub fn record(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The answer this request got before, or none when it is new, which claims its id until the end of the unit of
    /// work: end that by [`Self::commit_with`]. An empty request id is always new. The same id with another request is
    /// an error.
    pub async fn replay<R: Message + Default>(
        &mut self,
        method: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Option<R>, Error> {
        if request_id.is_empty() {
            return Ok(None);
        }
        let actor = format!("{}:{}", self.caller.actor.kind, self.caller.actor.id);
        let known =
            request_log::claim(&mut self.tx, &self.db.keyring, actor, method, request_id, request, self.now).await?;
        Ok(match known {
            Known::Answered(answer) => Some(answer),
            Known::New(key) => {
                self.request = Some(key);
                None
            }
        })
    }

    /// Writes the queued events and commits.
    pub async fn commit(mut self) -> Result<(), Error> {
        let span = tracing::info_span!("postgres.commit", events = self.entries.len());
        // Who only looked for work, and found none, wakes nobody.
        let has_events = !self.entries.is_empty();
        let work = async move {
            self.write_journal().await?;
            self.tx.commit().await?;
            self.db.commits.send_modify(|commits| *commits = commits.wrapping_add(1));
            if has_events {
                self.db.committed.notify_one();
            }
            Ok(())
        };
        work.instrument(span).await
    }

    /// Writes the queued events, keeps the answer for repetitions of the request, and commits.
    pub async fn commit_with(mut self, response: &impl Message) -> Result<(), Error> {
        if let Some(key) = self.request.take() {
            request_log::answer(&mut self.tx, &self.db.keyring, &key, response).await?;
        }
        self.commit().await
    }

    async fn write_journal(&mut self) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.entries);
        let subjects: Vec<Uuid> = entries.iter().filter(|e| e.image.is_some()).map(Entry::subject).collect();
        let keys = self.db.keyring.keys(&mut self.tx, &subjects, self.now).await?;

        let mut counts: BTreeMap<Partition, i64> = BTreeMap::new();
        for entry in &entries {
            *counts.entry(Partition::of(entry.subject())).or_default() += 1;
        }
        let mut next = journal::raise_heads(&mut self.tx, &counts).await?;

        let rows = entries
            .into_iter()
            .map(|entry| {
                let id: EventId = self.db.ids.at(self.now);
                let partition = Partition::of(entry.subject());
                let position =
                    next.get_mut(&partition).ok_or_else(|| Error::corrupt("journal_head", "a partition is missing"))?;
                *position += 1;
                let sealed = match &entry.image {
                    None => None,
                    Some(image) => {
                        let key = keys.get(&entry.subject()).ok_or(Error::Seal("the key of the subject is gone"))?;
                        Some(self.db.keyring.seal_for(key, id.uuid(), image))
                    }
                };
                Ok(journal::NewRow { id, partition, position: *position, sealed, entry })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        journal::insert(&mut self.tx, &self.caller, self.now, &rows).await
    }
}

/// The public payload of an event under the name of its message.
pub(crate) fn any(event_type: &str, payload: Vec<u8>) -> Any {
    Any { type_url: format!("type.googleapis.com/{event_type}"), value: payload }
}
