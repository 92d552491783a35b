//! What happened with a customer.

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
