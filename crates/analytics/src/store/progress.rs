//! How far the consumers have come.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::Partition;
use clientele_platform::postgres::Error as StorageError;
use sqlx::PgPool;

use crate::Error;

/// The moment up to which a consumer has counted the events of each partition; those of which it has seen nothing are
/// left out.
pub(crate) async fn of(pool: &PgPool, consumer: &str) -> Result<BTreeMap<Partition, DateTime<Utc>>, Error> {
    let rows = sqlx::query!(
        r#"select partition, recorded_at as "recorded_at!" from analytics.cursor
           where consumer = $1 and recorded_at is not null"#,
        consumer,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let partition = Partition::try_new(row.partition.into())
                .ok_or_else(|| StorageError::corrupt("cursor", format!("partition {}", row.partition)))?;
            Ok((partition, row.recorded_at))
        })
        .collect()
}
