//! The captured mailbox.

use clientele_kernel::{CapturedLetterId, Error, paging};
use clientele_platform::postgres::Database;

use crate::domain::mailbox::Captured;
use crate::store;
use crate::store::email::Place;

/// What can be looked at in the captured mailbox.
#[derive(Clone)]
pub(crate) struct Mailbox {
    db: Database,
    /// Whether letters are captured; else a mail server gets them.
    pub(crate) capturing: bool,
}

/// A page of captured letters.
#[derive(Debug)]
pub(crate) struct CapturedPage {
    pub(crate) letters: Vec<Captured>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

impl Mailbox {
    pub(crate) fn new(db: Database, capturing: bool) -> Self {
        Self { db, capturing }
    }

    /// One captured letter.
    pub(crate) async fn get(&self, id: CapturedLetterId) -> Result<Captured, Error> {
        store::mailbox::by_id(self.db.pool(), id).await?.ok_or_else(|| Error::not_found("captured letter", id))
    }

    /// Captured letters, newest first.
    pub(crate) async fn list(&self, page_size: i32, page_token: &str) -> Result<CapturedPage, Error> {
        let size = paging::size(page_size, 50, 200)?;
        let fingerprint = paging::fingerprint(&["captured letters"]);
        let after: Option<Place> = paging::decode(page_token, fingerprint)?;
        let mut letters = store::mailbox::list(self.db.pool(), after, size + 1).await?;
        let more = paging::cut(&mut letters, size);
        let last = letters.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.at, last.id.uuid()), fingerprint));
        Ok(CapturedPage { letters, next_page_token: next_page_token.unwrap_or_default() })
    }
}
