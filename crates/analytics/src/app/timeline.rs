//! What happened with a customer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::domain::timeline::{Entry, Kind};
use crate::store;

/// Keeps what a source tells; an entry that is told again is left as it is.
pub(crate) async fn apply(conn: &mut PgConnection, source: &str, entries: &[Entry]) -> Result<(), Error> {
    store::timeline::add(conn, source, entries).await
}

/// Keeps of each record the newest entry alone, whichever is told first.
pub(crate) async fn replace(conn: &mut PgConnection, source: &str, entries: Vec<Entry>) -> Result<(), Error> {
    let mut newest: BTreeMap<Uuid, Entry> = BTreeMap::new();
    for entry in entries {
        if newest.get(&entry.subject).is_none_or(|known| known.version < entry.version) {
            newest.insert(entry.subject, entry);
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let subjects: Vec<Uuid> = newest.keys().copied().collect();
    let mut outdated = Vec::new();
    for (subject, steps) in store::timeline::steps(conn, &subjects).await? {
        let arrived = newest.get(&subject).map_or(0, |entry| entry.version);
        if steps.iter().any(|step| step.version >= arrived) {
            newest.remove(&subject);
        } else {
            outdated.extend(steps.into_iter().map(|step| (subject, step.version)));
        }
    }
    store::timeline::remove(conn, &outdated).await?;
    store::timeline::add(conn, source, &newest.into_values().collect::<Vec<_>>()).await
}

/// Forgets what was told of records that are gone.
pub(crate) async fn forget(conn: &mut PgConnection, subjects: &[Uuid]) -> Result<(), Error> {
    store::timeline::forget(conn, subjects).await
}

/// A page of a customer's timeline, newest first: entries of these kinds, of all when none is given.
pub(crate) async fn list(
    pool: &PgPool,
    customer: CustomerId,
    kinds: &[Kind],
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let kinds = if kinds.is_empty() { &Kind::ALL } else { kinds };
    store::timeline::list(pool, customer, kinds, before, limit).await
}
