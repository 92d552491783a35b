//! Rows of orders, sorted by the order they belong to.

use clientele_kernel::ImportId;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::import::RawRow;

/// How much is read at once, in rows and in bytes: whichever comes first. One row is always read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rows with the keys of their orders.
    pub(crate) rows: Vec<(String, RawRow)>,
    /// Whether the budget ended it: there may be more.
    pub(crate) is_full: bool,
}

struct LineRow {
    order_key: String,
    line: i64,
    cells: Json<Vec<String>>,
    bytes: i32,
}

fn page(rows: Vec<LineRow>, budget: Budget) -> Page {
    let bytes: i64 = rows.iter().map(|row| i64::from(row.bytes)).sum();
    let is_full = bytes >= budget.bytes || i64::try_from(rows.len()).is_ok_and(|count| count >= budget.rows);
    let raw = |line: i64, cells| RawRow { line: u64::try_from(line).unwrap_or_default(), cells, trouble: None };
    let rows = rows.into_iter().map(|row| (row.order_key, raw(row.line, row.cells.0))).collect();
    Page { rows, is_full }
}

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
        "insert into customers.import_line (import_id, order_key, line, cells, bytes)
         select $1, u.order_key, u.line, u.cells, octet_length(u.cells::text)
         from unnest($2::text[], $3::bigint[], $4::jsonb[]) as u(order_key, line, cells)
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
    budget: Budget,
) -> Result<Page, Error> {
    let rows = sqlx::query_as!(
        LineRow,
        r#"select order_key as "order_key!", line as "line!", cells as "cells!: Json<Vec<String>>", bytes as "bytes!"
           from (select *, sum(bytes) over (order by order_key, line) as so_far
                 from (select order_key, line, cells, bytes from customers.import_line
                       where import_id = $1 and order_key > $2 order by order_key, line limit $3) as next) as counted
           where so_far - bytes < $4 order by order_key, line"#,
        id.uuid(),
        key,
        budget.rows,
        budget.bytes,
    )
    .fetch_all(executor)
    .await?;
    Ok(page(rows, budget))
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
    budget: Budget,
) -> Result<Page, Error> {
    let rows = sqlx::query_as!(
        LineRow,
        r#"select order_key as "order_key!", line as "line!", cells as "cells!: Json<Vec<String>>", bytes as "bytes!"
           from (select *, sum(bytes) over (order by line) as so_far
                 from (select order_key, line, cells, bytes from customers.import_line
                       where import_id = $1 and order_key = $2 and line > $3 order by line limit $4) as next) as counted
           where so_far - bytes < $5 order by line"#,
        id.uuid(),
        key,
        i64::try_from(line).unwrap_or(i64::MAX),
        budget.rows,
        budget.bytes,
    )
    .fetch_all(executor)
    .await?;
    Ok(page(rows, budget))
}

#[cfg(test)]
mod tests {
    use clientele_kernel::Actor;
    use clientele_platform::Caller;
    use clientele_testkit::TestDatabase;

    use super::*;
    use crate::MIGRATIONS;
    use crate::domain::import::{Import, Kind};

    #[tokio::test]
    async fn what_is_read_at_once_is_bounded_by_bytes_as_well_as_by_rows() {
        let database = TestDatabase::new("customers", &MIGRATIONS).await;
        let mut uow = database.db.begin(&Caller::service("customers")).await.unwrap();
        let now = uow.now();
        let import = Import::create(uow.id(), Kind::Orders, "file", Actor::service("test"), now).unwrap();
        crate::store::import::insert(uow.conn(), &import).await.unwrap();
        let row = |line| RawRow { line, cells: vec!["x".repeat(60_000)], trouble: None };
        let rows: Vec<_> = (1..=100).map(|line| (if line < 60 { "n1" } else { "n2" }.to_owned(), row(line))).collect();
        insert(uow.conn(), import.id, &rows).await.unwrap();

        let budget = |rows, bytes| Budget { rows, bytes };
        let bytes = |page: &Page| page.rows.iter().map(|(_, row)| row.cells[0].len()).sum::<usize>();
        let page = after(uow.conn(), import.id, "", budget(4000, 1_000_000)).await.unwrap();
        assert_eq!((page.rows.len(), page.is_full), (17, true));
        assert!(bytes(&page) < 1_100_000);
        let page = of_key(uow.conn(), import.id, "n1", 50, budget(4000, 200_000)).await.unwrap();
        assert_eq!((page.rows.len(), page.is_full, page.rows[0].1.line), (4, true, 51));
        let page = after(uow.conn(), import.id, "n1", budget(5, i64::MAX)).await.unwrap();
        assert_eq!((page.rows.len(), page.is_full), (5, true));
        let page = after(uow.conn(), import.id, "n1", budget(4000, 100_000_000)).await.unwrap();
        assert_eq!((page.rows.len(), page.is_full), (41, false));
        let page = after(uow.conn(), import.id, "", budget(4000, 1)).await.unwrap();
        assert_eq!((page.rows.len(), page.is_full), (1, true), "one row is always read");
    }
}
