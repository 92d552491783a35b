//! What a run has touched.

use std::collections::{HashMap, HashSet};

use clientele_kernel::ImportId;
use clientele_platform::column;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// Customers.
pub(crate) const CUSTOMER: &str = "customer";
/// Orders.
pub(crate) const ORDER: &str = "order";

/// A record that a run has touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: Uuid,
    pub(crate) seq: i64,
    /// The version before the first touch; 0 where it was created.
    pub(crate) before_version: i64,
    /// The version left behind.
    pub(crate) version: i64,
    /// Somebody else has changed it in between.
    pub(crate) mixed: bool,
}

/// Those of the records that the run has touched before.
pub(crate) async fn known(
    conn: &mut PgConnection,
    import: ImportId,
    kind: &str,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Record>, Error> {
    let rows = sqlx::query!(
        "select record_id, seq, before_version, version, mixed from customers.import_record
         where import_id = $1 and kind = $2 and record_id = any($3)",
        import.uuid(),
        kind,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let record = |id, seq, before_version, version, mixed| Record { id, seq, before_version, version, mixed };
    Ok(rows
        .into_iter()
        .map(|row| (row.record_id, record(row.record_id, row.seq, row.before_version, row.version, row.mixed)))
        .collect())
}

/// Writes those of the records that the run has not touched before, and gives which those are.
pub(crate) async fn add(
    conn: &mut PgConnection,
    import: ImportId,
    kind: &str,
    records: &[Record],
) -> Result<HashSet<Uuid>, Error> {
    let added = sqlx::query_scalar!(
        "insert into customers.import_record (import_id, kind, record_id, seq, before_version, version, mixed)
         select $1, $2, u.* from unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])
                                 as u(record_id, seq, before_version, version, mixed)
         on conflict (import_id, kind, record_id) do nothing
         returning record_id",
        import.uuid(),
        kind,
        column!(records, record => record.id),
        column!(records, record => record.seq),
        column!(records, record => record.before_version),
        column!(records, record => record.version),
        column!(records, record => record.mixed),
    )
    .fetch_all(conn)
    .await?;
    Ok(added.into_iter().collect())
}

/// Writes records, those known before with their new versions.
pub(crate) async fn save(
    conn: &mut PgConnection,
    import: ImportId,
    kind: &str,
    records: &[Record],
) -> Result<(), Error> {
    if records.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into customers.import_record (import_id, kind, record_id, seq, before_version, version, mixed)
         select $1, $2, u.* from unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])
                                 as u(record_id, seq, before_version, version, mixed)
         on conflict (import_id, kind, record_id) do update set version = excluded.version, mixed = excluded.mixed",
        import.uuid(),
        kind,
        column!(records, record => record.id),
        column!(records, record => record.seq),
        column!(records, record => record.before_version),
        column!(records, record => record.version),
        column!(records, record => record.mixed),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records before a place, newest first.
pub(crate) async fn before(
    executor: impl PgExecutor<'_>,
    import: ImportId,
    kind: &str,
    seq: i64,
    limit: i64,
) -> Result<Vec<Record>, Error> {
    let rows = sqlx::query!(
        "select record_id, seq, before_version, version, mixed from customers.import_record
         where import_id = $1 and kind = $2 and seq < $3 order by seq desc limit $4",
        import.uuid(),
        kind,
        seq,
        limit,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Record {
            id: row.record_id,
            seq: row.seq,
            before_version: row.before_version,
            version: row.version,
            mixed: row.mixed,
        })
        .collect())
}
