//! How many letters wait to be sent: a bound on what may pile up while a mail server is away.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::Error;
use clientele_platform::postgres::Database;
use tokio::sync::Mutex;

use crate::store;

/// How long a count is good, a failed one too. Counting reads an index as far as the bound, which is too much for every
/// letter.
const COUNT_LASTS: TimeDelta = TimeDelta::seconds(1);
/// How long counting may take: everybody who asks for a letter waits for it.
const COUNT_WITHIN: Duration = Duration::from_secs(3);
/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_mins(1);
const RETRY_COUNTING_AFTER: Duration = Duration::from_secs(2);

/// The bound, and how far it is reached.
pub(crate) struct Waiting {
    db: Database,
    most: u32,
    within: Duration,
    /// Held while it is counted, so that many who ask at once count once, and all get what came of it.
    count: Mutex<Option<Count>>,
}

/// What came of counting.
#[derive(Debug, Clone, Copy)]
struct Count {
    /// Letters that waited when they were counted, and those taken since; none where they could not be counted.
    letters: Option<u32>,
    /// When counting had ended.
    at: DateTime<Utc>,
}

impl Waiting {
    pub(crate) fn new(db: Database, most: u32) -> Self {
        Self { db, most, within: COUNT_WITHIN, count: Mutex::new(None) }
    }

    /// Takes one letter more; fails where as many wait as may, or where nobody can say how many do.
    pub(crate) async fn admit(&self) -> Result<(), Error> {
        let mut count = self.count.lock().await;
        let now = self.db.clock().now();
        let known = count.filter(|known| (TimeDelta::zero()..COUNT_LASTS).contains(&(now - known.at)));
        let Count { letters, at } = match known {
            Some(known) => known,
            None => Count { letters: self.counted().await, at: self.db.clock().now() },
        };
        let admitted = letters.is_some_and(|letters| letters < self.most);
        *count = Some(Count { letters: letters.map(|letters| letters + u32::from(admitted)), at });
        drop(count);
        match letters {
            None => Err(uncounted()),
            Some(_) if admitted => Ok(()),
            Some(_) => Err(too_many(self.most)),
        }
    }

    async fn counted(&self) -> Option<u32> {
        let counting = tokio::time::timeout(self.within, store::email::waiting(self.db.pool(), self.most));
        match counting.await {
            Ok(Ok(letters)) => Some(letters),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the letters that wait could not be counted");
                None
            }
            Err(_late) => {
                tracing::warn!(within = ?self.within, "the letters that wait could not be counted in time");
                None
            }
        }
    }
}

fn uncounted() -> Error {
    let error = Error::unavailable("it cannot be counted at the moment how many letters wait to be sent");
    Error { retry_after: Some(RETRY_COUNTING_AFTER), ..error }
}

fn too_many(most: u32) -> Error {
    Error::exhausted(
        "TOO_MANY_LETTERS_WAITING",
        format!("{most} letters wait to be sent already (messaging.send_most_waiting): try again when some are sent"),
        RETRY_AFTER,
    )
}

#[cfg(test)]
mod tests {
    use clientele_kernel::Code;
    use clientele_testkit::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn a_count_that_hangs_is_given_up_once_for_all_who_wait_for_it() {
        let database = TestDatabase::new("messaging", &crate::MIGRATIONS).await;
        let within = Duration::from_millis(300);
        let waiting = Waiting { within, ..Waiting::new(database.db.clone(), 10) };
        let mut other = database.superuser().await;
        for command in ["begin", "lock table messaging.email in access exclusive mode"] {
            sqlx::raw_sql(command).execute(&mut other).await.unwrap();
        }
        let begun = std::time::Instant::now();
        for outcome in futures::future::join_all((0..50).map(|_| waiting.admit())).await {
            let error = outcome.unwrap_err();
            assert_eq!((error.code, error.retry_after.is_some()), (Code::Unavailable, true));
        }
        assert!(begun.elapsed() < within * 25, "fifty counts one after the other: {:?}", begun.elapsed());
        sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
        assert!(waiting.admit().await.is_err(), "it was known a moment ago that it cannot be counted");
        database.clock.advance(TimeDelta::seconds(1));
        let outcomes = futures::future::join_all((0..12).map(|_| waiting.admit())).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    }
}
