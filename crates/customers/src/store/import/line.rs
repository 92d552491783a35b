//! Rows of orders, sorted by the order they belong to.

use clientele_kernel::ImportId;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::import::RawRow;

/// Writes rows under the keys of their orders. Rows that are there already stay: a batch that was broken off comes again.
pub(crate) async fn insert(conn: &mut PgConnection, id: ImportId, rows: &[(String, RawRow)]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
    let lines: Vec<i64> = rows.iter().map(|(_, row)| i64::try_from(row.line).unwrap_or(i64::MAX)).collect();
    // The database keeps no NUL; a cell that holds one is refused when it is read.
    let kept = |row: &RawRow| Json(row.cells.iter().map(|cell| cell.replace('\0', "\u{fffd}")).collect());
    let cells: Vec<Json<Vec<String>>> = rows.iter().map(|(_, row)| kept(row)).collect();
    sqlx::query!(
        "insert into customers.import_line (import_id, order_key, line, cells)
         select $1, u.order_key, u.line, u.cells from unnest($2::text[], $3::bigint[], $4::jsonb[]) as u(order_key, line, cells)
         on conflict (import_id, order_key, line) do nothing",
        id.uuid(),
        &keys,
        &lines,
        cells as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The rows behind an order's key, by key and line.
pub(crate) async fn after(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    key: &str,
    limit: i64,
) -> Result<Vec<(String, RawRow)>, Error> {
    let rows = sqlx::query!(
        r#"select order_key, line, cells as "cells: Json<Vec<String>>" from customers.import_line
           where import_id = $1 and order_key > $2 order by order_key, line limit $3"#,
        id.uuid(),
        key,
        limit,
    )
    .fetch_all(executor)
    .await?;
    let row = |line: i64, cells| RawRow { line: u64::try_from(line).unwrap_or_default(), cells, trouble: None };
    Ok(rows.into_iter().map(|found| (found.order_key, row(found.line, found.cells.0))).collect())
}

/// Removes so many rows of an import; gives how many there were. A file may have a million: more than one statement has
/// the time for.
pub(crate) async fn delete(executor: impl PgExecutor<'_>, id: ImportId, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from customers.import_line l
         using (
             select order_key, line from customers.import_line
             where import_id = $1 order by order_key, line limit $2
         ) as slice
         where l.import_id = $1 and l.order_key = slice.order_key and l.line = slice.line",
        id.uuid(),
        limit,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

/// The rows of one order's key behind a line.
pub(crate) async fn of_key(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    key: &str,
    line: u64,
    limit: i64,
) -> Result<Vec<(String, RawRow)>, Error> {
    let rows = sqlx::query!(
        r#"select line, cells as "cells: Json<Vec<String>>" from customers.import_line
           where import_id = $1 and order_key = $2 and line > $3 order by line limit $4"#,
        id.uuid(),
        key,
        i64::try_from(line).unwrap_or(i64::MAX),
        limit,
    )
    .fetch_all(executor)
    .await?;
    let row = |line: i64, cells| RawRow { line: u64::try_from(line).unwrap_or_default(), cells, trouble: None };
    Ok(rows.into_iter().map(|found| (key.to_owned(), row(found.line, found.cells.0))).collect())
}
