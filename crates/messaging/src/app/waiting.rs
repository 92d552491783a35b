//! How many letters wait to be sent: a bound on what may pile up while a mail server is away.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::Error;
use clientele_platform::postgres::Database;
use tokio::sync::Mutex;

use crate::store;

/// How long a count is good. Counting reads an index as far as the bound, which is too much for every letter.
const COUNT_LASTS: TimeDelta = TimeDelta::seconds(1);
/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// The bound, and how far it is reached.
pub(crate) struct Waiting {
    db: Database,
    most: u32,
    /// Held while it is counted, so that many who ask at once count once.
    count: Mutex<Option<Count>>,
}

/// Letters that waited when they were counted, and those taken since.
#[derive(Debug, Clone, Copy)]
struct Count {
    letters: u32,
    at: DateTime<Utc>,
}

impl Waiting {
    pub(crate) fn new(db: Database, most: u32) -> Self {
        Self { db, most, count: Mutex::new(None) }
    }

    /// Takes one letter more; fails where as many wait as may.
    pub(crate) async fn admit(&self) -> Result<(), Error> {
        let mut count = self.count.lock().await;
        let now = self.db.clock().now();
        let known = count.filter(|known| (TimeDelta::zero()..COUNT_LASTS).contains(&(now - known.at)));
        let Count { letters, at } = match known {
            Some(known) => known,
            None => Count { letters: store::email::waiting(self.db.pool(), self.most).await?, at: now },
        };
        let admitted = letters < self.most;
        *count = Some(Count { letters: letters + u32::from(admitted), at });
        drop(count);
        if admitted { Ok(()) } else { Err(too_many(self.most)) }
    }
}

fn too_many(most: u32) -> Error {
    Error::exhausted(
        "TOO_MANY_LETTERS_WAITING",
        format!("{most} letters wait to be sent already (messaging.send_most_waiting): try again when some are sent"),
        RETRY_AFTER,
    )
}
