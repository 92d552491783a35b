//! Use cases: what changes customers, and questions that don't.
//!
//! - [`customer`]: create, update, get
//! - [`upsert`]: create and change many at once, by their references
//! - [`consent`]: what customers agreed to, and whether a message may be sent
//! - [`import`]: files by hand
//! - [`undo`]: take back what an import did
//! - [`listing`]: search, filter, sort, page
//! - [`duplicate`]: who shares contact points
//! - [`history`]: what changed, and what was

use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use clientele_platform::feed;
use clientele_platform::postgres::Database;

use crate::Error;
use crate::domain::contact::Region;

pub(crate) mod consent;
pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod listing;
pub(crate) mod undo;
pub(crate) mod upsert;

/// The use cases over a database.
#[derive(Debug, Clone)]
pub(crate) struct App {
    db: Database,
    region: Option<Region>,
}

impl App {
    /// The use cases over this database; numbers without a country code are read by the region's rules.
    pub(crate) fn new(db: Database, region: Option<Region>) -> Self {
        Self { db, region }
    }

    /// Reads a part of the journal.
    pub(crate) async fn read_feed(&self, request: ReadFeedRequest) -> Result<ReadFeedResponse, Error> {
        Ok(feed::read(&self.db, request).await?)
    }
}
