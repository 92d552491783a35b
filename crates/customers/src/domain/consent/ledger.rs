//! The end of a customer's ledger: what a new entry is held against, and where it is appended.

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ConsentEntryId, CustomerId, Origin};

use super::{Entry, Key};

/// The newest entry of each key of one customer.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    customer_id: CustomerId,
    newest: Vec<Entry>,
}

/// Who makes an entry, and by which way.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
    pub(crate) integration: Option<String>,
}

/// What became of something said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// It holds already, by this entry.
    Known(Entry),
    /// It is a new entry.
    New(Entry),
}

impl Ledger {
    /// The ledger of a customer, given the newest entry of each key.
    pub(crate) fn new(customer_id: CustomerId, newest: Vec<Entry>) -> Self {
        Self { customer_id, newest }
    }

    /// Appends what is said, unless it holds already.
    pub(crate) fn write(
        &mut self,
        key: Key,
        granted: bool,
        evidence: String,
        author: &Author,
        now: DateTime<Utc>,
        id: ConsentEntryId,
    ) -> Written {
        if let Some(known) = self.newest.iter().find(|known| known.says(&key, granted)) {
            return Written::Known(known.clone());
        }
        // The newest entry of all is the newest of its key, and so among these.
        let last = self.newest.iter().max_by_key(|entry| entry.ordinal);
        let entry = Entry {
            id,
            customer_id: self.customer_id,
            ordinal: last.map_or(1, |last| last.ordinal + 1),
            granted,
            evidence,
            actor: author.actor.clone(),
            origin: author.origin,
            integration: author.integration.clone(),
            // Who waited for another writer began before it: time never runs back within a ledger.
            recorded_at: last.map_or(now, |last| last.recorded_at.max(now)),
            key,
            cleared: false,
        };
        self.newest.retain(|known| !known.key.is_same(&entry.key));
        self.newest.push(entry.clone());
        Written::New(entry)
    }
}
