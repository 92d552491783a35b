//! Payments: read as part of their order, written many at once.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, Money, OrderId, PaymentId, Reference};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::payment::Payment;
use crate::error::refusal;

/// A payment as PostgreSQL aggregates it. The order of the fields is that of [`JSON`].
#[derive(Debug, Deserialize)]
pub(super) struct PaymentJson {
    id: Uuid,
    source: Option<String>,
    external_id: Option<String>,
    method: String,
    amount_minor: i64,
    paid_at: DateTime<Utc>,
    from_source: bool,
}

/// A payment `p` as a JSON array.
pub(super) const JSON: &str =
    "json_build_array(p.id, p.source, p.external_id, p.method, p.amount_minor, p.paid_at, p.from_source)";

impl PaymentJson {
    pub(super) fn payment(self, currency: Currency) -> Payment {
        let reference = self.source.zip(self.external_id);
        Payment {
            id: PaymentId::from(self.id),
            reference: reference.map(|(source, external_id)| Reference::stored(source, external_id)),
            method: self.method,
            amount: Money::new(self.amount_minor, currency),
            paid_at: self.paid_at,
            from_source: self.from_source,
        }
    }
}

/// To which orders the payments of these references belong.
pub(crate) async fn owners(
    conn: &mut PgConnection,
    references: &[Reference],
) -> Result<HashMap<Reference, OrderId>, Error> {
    let rows = sqlx::query!(
        r#"select p.source as "source!", p.external_id as "external_id!", p.order_id
           from unnest($1::text[], $2::text[]) as k(source, external_id)
           join orders.payment p on p.source = k.source and p.external_id = k.external_id"#,
        column!(references, reference => reference.source().to_owned()),
        column!(references, reference => reference.external_id().to_owned())
    )
    .fetch_all(conn)
    .await?;
    let owner = |source, external_id, order_id: Uuid| (Reference::stored(source, external_id), OrderId::from(order_id));
    Ok(rows.into_iter().map(|row| owner(row.source, row.external_id, row.order_id)).collect())
}

/// Writes payments of orders; refused when a reference is taken.
pub(crate) async fn insert<'a>(
    conn: &mut PgConnection,
    orders: impl Iterator<Item = (Uuid, &'a [Payment])>,
) -> Result<(), Error> {
    let rows: Vec<(Uuid, &Payment)> =
        orders.flat_map(|(order_id, payments)| payments.iter().map(move |payment| (order_id, payment))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "insert into orders.payment (order_id, id, source, external_id, method, amount_minor, paid_at, from_source)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
                              $8::boolean[])",
        column!(rows, (order_id, _) => *order_id),
        column!(rows, (_, payment) => payment.id.uuid()),
        column!(rows, (_, payment) => payment.reference.as_ref().map(|r| r.source().to_owned())) as &[Option<String>],
        column!(rows, (_, payment) => payment.reference.as_ref().map(|r| r.external_id().to_owned())) as &[Option<String>],
        column!(rows, (_, payment) => payment.method.clone()),
        column!(rows, (_, payment) => payment.amount.minor),
        column!(rows, (_, payment) => payment.paid_at),
        column!(rows, (_, payment) => payment.from_source)
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_rows(done.rows_affected(), rows.len())
}

/// Ids of the payments of these orders that were recorded here, not given by their source.
pub(crate) async fn recorded_here(pool: &PgPool, orders: &[OrderId]) -> Result<HashSet<String>, Error> {
    let ids: Vec<Uuid> = orders.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!("select id from orders.payment where order_id = any($1) and not from_source", &ids)
        .fetch_all(pool)
        .await?;
    Ok(found.into_iter().map(|id| id.to_string()).collect())
}

/// Takes away all payments of these orders, to be written anew.
pub(super) async fn delete(conn: &mut PgConnection, orders: &[Uuid]) -> Result<(), Error> {
    sqlx::query!("delete from orders.payment where order_id = any($1)", orders).execute(conn).await?;
    Ok(())
}
