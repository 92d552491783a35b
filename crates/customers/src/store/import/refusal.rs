//! Rows that were refused.

use clientele_kernel::{ImportId, Violation};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::import::Refusal;

/// How much of a value is kept of a row that is refused, and of all its values together, in bytes.
const LONGEST_CELL: usize = 1000;
const LONGEST_ROW: usize = 16 * 1024;
/// How much is read at once, in bytes.
const MOST_BYTES: i64 = 2 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct ViolationRow {
    field: String,
    description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
}

/// Writes refusals; gives how many are new: a batch that was broken off comes again.
pub(crate) async fn insert(conn: &mut PgConnection, id: ImportId, refusals: &[Refusal]) -> Result<u64, Error> {
    if refusals.is_empty() {
        return Ok(0);
    }
    let lines: Vec<i64> = refusals.iter().map(|refusal| i64::try_from(refusal.line).unwrap_or(i64::MAX)).collect();
    let (violations, cells): (Vec<_>, Vec<_>) = refusals
        .iter()
        .map(|refusal| {
            let (cells, is_cut) = cut(&refusal.cells);
            let violations = refusal.violations.iter().map(row).chain(is_cut.then(|| row(&told_to_be_cut())));
            (Json(violations.collect::<Vec<ViolationRow>>()), Json(cells))
        })
        .unzip();
    let done = sqlx::query!(
        "insert into customers.import_refusal (import_id, line, violations, cells, bytes)
         select $1, u.line, u.violations, u.cells, octet_length(u.cells::text) + octet_length(u.violations::text)
         from unnest($2::bigint[], $3::jsonb[], $4::jsonb[]) as u(line, violations, cells)
         on conflict (import_id, line) do nothing",
        id.uuid(),
        &lines,
        violations as _,
        cells as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

fn row(violation: &Violation) -> ViolationRow {
    ViolationRow {
        field: kept(&violation.field),
        description: kept(&violation.description),
        reason: violation.reason.to_string(),
        metadata: violation.metadata.iter().map(|(key, value)| (key.clone(), kept(value))).collect(),
    }
}

/// The database keeps no NUL.
fn kept(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The values of a row as they are kept, and whether they are only the beginnings.
fn cut(cells: &[String]) -> (Vec<String>, bool) {
    let mut is_cut = false;
    let mut room = LONGEST_ROW;
    let cells = cells.iter().map(|cell| {
        let most = LONGEST_CELL.min(room);
        let end = cell.floor_char_boundary(most);
        is_cut |= end < cell.len();
        room -= end;
        kept(&cell[..end])
    });
    (cells.collect(), is_cut)
}

fn told_to_be_cut() -> Violation {
    let description = format!(
        "values longer than {LONGEST_CELL} bytes are cut here, and all from {LONGEST_ROW} bytes of a row on: the file has them whole"
    );
    Violation::new("", description).because("VALUES_CUT").with("most", LONGEST_CELL).with("most_of_row", LONGEST_ROW)
}

/// Refusals behind a line, in order, and whether their bytes rather than their number ended the reading: then there may be
/// more. One at least is read.
pub(crate) async fn after(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    line: i64,
    limit: u32,
) -> Result<(Vec<Refusal>, bool), Error> {
    let rows = sqlx::query!(
        r#"select line as "line!", violations as "violations!: Json<Vec<ViolationRow>>",
                  cells as "cells!: Json<Vec<String>>", bytes as "bytes!"
           from (select *, sum(bytes) over (order by line) as so_far
                 from (select line, violations, cells, bytes from customers.import_refusal
                       where import_id = $1 and line > $2 order by line limit $3) as next) as counted
           where so_far - bytes < $4 order by line"#,
        id.uuid(),
        line,
        i64::from(limit),
        MOST_BYTES,
    )
    .fetch_all(executor)
    .await?;
    let is_full = rows.iter().map(|row| i64::from(row.bytes)).sum::<i64>() >= MOST_BYTES;
    let refusals = rows
        .into_iter()
        .map(|row| Refusal {
            line: u64::try_from(row.line).unwrap_or_default(),
            violations: row
                .violations
                .0
                .into_iter()
                .map(|violation| Violation {
                    field: violation.field,
                    description: violation.description,
                    reason: violation.reason.into(),
                    metadata: violation.metadata,
                })
                .collect(),
            cells: row.cells.0,
        })
        .collect();
    Ok((refusals, is_full))
}

/// Forgets so many of the rows that were refused; gives how many there were.
pub(crate) async fn delete(executor: impl PgExecutor<'_>, id: ImportId, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from customers.import_refusal r
         using (select line from customers.import_refusal where import_id = $1 order by line limit $2) as slice
         where r.import_id = $1 and r.line = slice.line",
        id.uuid(),
        limit,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
