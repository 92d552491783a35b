//! Rows that were refused.

use clientele_kernel::{ImportId, Violation};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::import::Refusal;

#[derive(Debug, Serialize, Deserialize)]
struct ViolationRow {
    field: String,
    description: String,
}

/// Writes refusals; gives how many are new: a batch that was broken off comes again.
pub(crate) async fn insert(conn: &mut PgConnection, id: ImportId, refusals: &[Refusal]) -> Result<u64, Error> {
    if refusals.is_empty() {
        return Ok(0);
    }
    let lines: Vec<i64> = refusals.iter().map(|refusal| i64::try_from(refusal.line).unwrap_or(i64::MAX)).collect();
    let violations: Vec<Json<Vec<ViolationRow>>> =
        refusals.iter().map(|r| Json(r.violations.iter().map(row).collect())).collect();
    let cells: Vec<Json<Vec<String>>> =
        refusals.iter().map(|r| Json(r.cells.iter().map(|cell| kept(cell)).collect())).collect();
    let done = sqlx::query!(
        "insert into customers.import_refusal (import_id, line, violations, cells)
         select $1, u.line, u.violations, u.cells
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
    ViolationRow { field: kept(&violation.field), description: kept(&violation.description) }
}

/// The database keeps no NUL.
fn kept(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Refusals behind a line, in order.
pub(crate) async fn after(
    executor: impl PgExecutor<'_>,
    id: ImportId,
    line: i64,
    limit: u32,
) -> Result<Vec<Refusal>, Error> {
    let rows = sqlx::query!(
        r#"select line, violations as "violations: Json<Vec<ViolationRow>>", cells as "cells: Json<Vec<String>>"
           from customers.import_refusal where import_id = $1 and line > $2 order by line limit $3"#,
        id.uuid(),
        line,
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Refusal {
            line: u64::try_from(row.line).unwrap_or_default(),
            violations: row
                .violations
                .0
                .into_iter()
                .map(|violation| Violation { field: violation.field, description: violation.description })
                .collect(),
            cells: row.cells.0,
        })
        .collect())
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
