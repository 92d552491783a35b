//! Whose an external reference is.

use std::collections::HashMap;

use clientele_kernel::{CustomerId, Reference};
use clientele_platform::postgres::assert_rows;
use sqlx::PgConnection;

use super::customer::Change;
use crate::Error;

/// The owners of those of the references that belong to somebody.
pub(crate) async fn owners<'a>(
    conn: &mut PgConnection,
    references: impl IntoIterator<Item = &'a Reference>,
) -> Result<HashMap<Reference, CustomerId>, Error> {
    let (sources, external_ids): (Vec<String>, Vec<String>) =
        references.into_iter().map(|r| (r.source().to_owned(), r.external_id().to_owned())).unzip();
    if sources.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select r.source, r.external_id, r.customer_id
         from unnest($1::text[], $2::text[]) as wanted(source, external_id)
         join customers.reference r on r.source = wanted.source and r.external_id = wanted.external_id",
        &sources,
        &external_ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (Reference::stored(row.source, row.external_id), row.customer_id.into())).collect())
}

/// Writes the references of the customers whose references changed.
pub(super) async fn save(conn: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), Error> {
    let affected: Vec<&Change<'_>> =
        changes.iter().filter(|c| c.before.is_none_or(|before| before.references != c.after.references)).collect();
    let known: Vec<_> = affected.iter().filter(|c| c.before.is_some()).map(|c| c.after.id.uuid()).collect();
    if !known.is_empty() {
        sqlx::query!("delete from customers.reference where customer_id = any($1)", &known).execute(&mut *conn).await?;
    }
    let mut rows: Vec<(&Reference, uuid::Uuid, i32)> = affected
        .iter()
        .flat_map(|c| {
            c.after.references.iter().zip(0..).map(|(reference, ordinal)| (reference, c.after.id.uuid(), ordinal))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    // In one order for all writers, so that two batches with the same references wait for each other, never in a circle.
    rows.sort_unstable();
    let sources: Vec<String> = rows.iter().map(|(reference, ..)| reference.source().to_owned()).collect();
    let external_ids: Vec<String> = rows.iter().map(|(reference, ..)| reference.external_id().to_owned()).collect();
    let customers: Vec<uuid::Uuid> = rows.iter().map(|(_, customer, _)| *customer).collect();
    let ordinals: Vec<i32> = rows.iter().map(|(.., ordinal)| *ordinal).collect();
    let done = sqlx::query!(
        "insert into customers.reference (source, external_id, customer_id, ordinal)
         select * from unnest($1::text[], $2::text[], $3::uuid[], $4::integer[])",
        &sources,
        &external_ids,
        &customers,
        &ordinals,
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), rows.len())?)
}
