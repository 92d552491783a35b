//! The bytes of files, in parts.

use chrono::{DateTime, Utc};
use clientele_kernel::ImportId;
use clientele_platform::postgres::assert_one;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::Error;

/// How many bytes a part has at most.
pub(crate) const LARGEST: usize = 256 * 1024;

/// Writes a part.
pub(crate) async fn insert(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    file: Uuid,
    ordinal: i32,
    bytes: &[u8],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into customers.import_chunk (import_id, file, ordinal, bytes, created_at) values ($1, $2, $3, $4, $5)",
        id.uuid(),
        file,
        ordinal,
        bytes,
        now,
    )
    .execute(executor)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// A part; `None` behind the last.
pub(crate) async fn get(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    file: Uuid,
    ordinal: i32,
) -> Result<Option<Vec<u8>>, Error> {
    let bytes = sqlx::query_scalar!(
        "select bytes from customers.import_chunk where import_id = $1 and file = $2 and ordinal = $3",
        id.uuid(),
        file,
        ordinal,
    )
    .fetch_optional(executor)
    .await?;
    Ok(bytes)
}

/// How many parts of a file there are.
pub(crate) async fn count(executor: impl PgExecutor<'_>, id: ImportId, file: Uuid) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from customers.import_chunk where import_id = $1 and file = $2"#,
        id.uuid(),
        file,
    )
    .fetch_one(executor)
    .await?;
    Ok(count)
}

/// Removes so many parts of an import, those of one upload left out; gives how many there were.
pub(crate) async fn delete_others(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    keep: Option<Uuid>,
    limit: i64,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from customers.import_chunk c
         using (
             select file, ordinal from customers.import_chunk
             where import_id = $1 and ($2::uuid is null or file <> $2) limit $3
         ) as slice
         where c.import_id = $1 and c.file = slice.file and c.ordinal = slice.ordinal",
        id.uuid(),
        keep,
        limit,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

/// Removes the parts of one upload.
pub(crate) async fn delete(executor: impl PgExecutor<'_>, id: ImportId, file: Uuid) -> Result<(), Error> {
    sqlx::query!("delete from customers.import_chunk where import_id = $1 and file = $2", id.uuid(), file)
        .execute(executor)
        .await?;
    Ok(())
}

/// Removes parts of uploads that were broken off before this moment; gives how many.
pub(crate) async fn delete_orphans(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from customers.import_chunk c
         using (
             select k.import_id, k.file, k.ordinal
             from customers.import_chunk k
             join customers.import i on i.id = k.import_id
             where k.created_at < $1 and i.file is distinct from k.file
             order by k.created_at limit $2
         ) as orphan
         where c.import_id = orphan.import_id and c.file = orphan.file and c.ordinal = orphan.ordinal",
        before,
        limit,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
