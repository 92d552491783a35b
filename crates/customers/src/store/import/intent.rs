//! The orders of the batch that is about to be sent, with their versions before.

use std::collections::HashMap;

use clientele_kernel::ImportId;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;

/// Versions of orders by their ids at the source; 0 where there was no such order.
pub(crate) type Versions = HashMap<String, i64>;

/// Notes them.
pub(crate) async fn save(conn: &mut PgConnection, import: ImportId, versions: &Versions) -> Result<(), Error> {
    let (ids, versions): (Vec<String>, Vec<i64>) = versions.iter().map(|(id, version)| (id.clone(), *version)).unzip();
    sqlx::query!(
        "insert into customers.import_intent (import_id, external_id, version)
         select $1, u.* from unnest($2::text[], $3::bigint[]) as u(external_id, version)
         on conflict (import_id, external_id) do update set version = excluded.version",
        import.uuid(),
        &ids,
        &versions,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those that are noted.
pub(crate) async fn of(executor: impl PgExecutor<'_>, import: ImportId) -> Result<Versions, Error> {
    let rows =
        sqlx::query!("select external_id, version from customers.import_intent where import_id = $1", import.uuid())
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(|row| (row.external_id, row.version)).collect())
}

/// Forgets them: the batch is settled.
pub(crate) async fn clear(conn: &mut PgConnection, import: ImportId) -> Result<(), Error> {
    sqlx::query!("delete from customers.import_intent where import_id = $1", import.uuid()).execute(conn).await?;
    Ok(())
}
