//! How far the consumers have come.

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Partition};
use sqlx::PgConnection;

use crate::Error;

/// When the newest event that was applied of the customer's partition was recorded: of the source that is furthest
/// behind. None before the first event.
pub(crate) async fn of(conn: &mut PgConnection, customer: CustomerId) -> Result<Option<DateTime<Utc>>, Error> {
    let moment = sqlx::query_scalar!(
        "select min(recorded_at) from campaigns.cursor where consumer = any($1) and partition = $2",
        &[crate::ANALYTICS_CONSUMER.to_owned(), crate::CUSTOMERS_CONSUMER.to_owned()][..],
        Partition::of(customer.uuid()).number(),
    )
    .fetch_one(conn)
    .await?;
    Ok(moment)
}
