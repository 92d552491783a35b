//! Customers that share contact points.

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::Error;

/// A customer that shares contact points with another, and which.
pub(crate) struct Shared {
    pub(crate) customer_id: CustomerId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) phones: Vec<String>,
    pub(crate) emails: Vec<String>,
}

/// The customers that share contact points with this one, oldest first, those after a place in that order; at most
/// `limit`.
pub(crate) async fn shared(
    executor: impl PgExecutor<'_>,
    customer: CustomerId,
    after: Option<(DateTime<Utc>, CustomerId)>,
    limit: u32,
) -> Result<Vec<Shared>, Error> {
    let (moment, id) = after.unzip();
    let rows = sqlx::query!(
        r#"
        with shared as (
            select o.customer_id,
                   coalesce(array_agg(coalesce(m.e164, m.typed) order by m.ordinal) filter (where m.kind = 'phone'), '{}') as phones,
                   coalesce(array_agg(m.typed order by m.ordinal) filter (where m.kind = 'email'), '{}') as emails
            from customers.contact_point m
            join customers.contact_point o on o.kind = m.kind and o.key = m.key and o.customer_id <> m.customer_id
            where m.customer_id = $1
            group by o.customer_id
        )
        select c.id, c.created_at, s.phones as "phones!: Vec<String>", s.emails as "emails!: Vec<String>"
        from shared s
        join customers.customer c on c.id = s.customer_id
        where $2::timestamptz is null or (c.created_at, c.id) > ($2, $3::uuid)
        order by c.created_at, c.id
        limit $4
        "#,
        customer.uuid(),
        moment,
        id.map(Uuid::from),
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Shared {
            customer_id: row.id.into(),
            created_at: row.created_at,
            phones: row.phones,
            emails: row.emails,
        })
        .collect())
}
