//! Orders with their lines and payments.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Money, OrderId, Origin, Reference};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use super::line::{LineJson, MOST_LINES_IN_ANSWER};
use super::payment::PaymentJson;
use super::{currency, line, payment, status};
use crate::domain::content::ContentHash;
use crate::domain::order::{Filter, Order};
use crate::error::refusal;

#[derive(FromRow)]
struct OrderRow {
    id: Uuid,
    source: Option<String>,
    external_id: Option<String>,
    number: String,
    customer_id: Option<Uuid>,
    status: String,
    status_group: String,
    placed_at: DateTime<Utc>,
    currency: String,
    gross_minor: i64,
    adjustment_minor: i64,
    paid_minor: i64,
    line_count: i32,
    content_hash: Option<Vec<u8>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    payments: Json<Vec<PaymentJson>>,
    lines: Json<Vec<LineJson>>,
}

/// Begins a statement that reads orders from what follows, which names them `o`. Lines and payments come aggregated in
/// the same statement: one round trip, and one moment for all.
fn select(with_lines: bool) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "select o.id, o.source, o.external_id, o.number, o.customer_id, o.status, o.status_group, o.placed_at, o.currency,
                o.gross_minor, o.adjustment_minor, o.paid_minor, o.line_count, o.content_hash, o.version, o.created_at,
                o.updated_at, coalesce((select json_agg(",
    );
    query
        .push(payment::JSON)
        .push(" order by p.paid_at, p.id) from orders.payment p where p.order_id = o.id), '[]') as payments, ");
    if with_lines {
        query.push("coalesce((select json_agg(").push(line::JSON).push(
            " order by l.position) from orders.order_line l join orders.product r on r.id = l.product_id
              where l.order_id = o.id), '[]') as lines",
        );
    } else {
        query.push("'[]'::json as lines");
    }
    query.push(" from ");
    query
}

/// The orders of these ids, in the order asked, with lines and payments.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, ids: &[OrderId]) -> Result<Vec<Order>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut query = select(true);
    query.push("unnest(").push_bind(ids).push(
        "::uuid[]) with ordinality as asked(id, place) join orders.order o on o.id = asked.id order by asked.place",
    );
    let rows: Vec<OrderRow> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(order).collect()
}

/// How many lines these orders have together.
pub(crate) async fn count_lines(conn: impl PgExecutor<'_>, ids: &[OrderId]) -> Result<i64, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(line_count), 0)::bigint as "sum!" from orders.order where id = any($1)"#,
        &ids
    );
    Ok(sum.fetch_one(conn).await?)
}

/// Locks an order until the transaction ends; false when there is none of that id.
pub(crate) async fn lock(conn: &mut PgConnection, id: OrderId) -> Result<bool, Error> {
    let found = sqlx::query_scalar!("select id from orders.order where id = $1 for update", id.uuid());
    Ok(found.fetch_optional(conn).await?.is_some())
}

/// Locks orders until the transaction ends, in the order in which batches lock them.
pub(crate) async fn lock_many(conn: &mut PgConnection, ids: &[OrderId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    sqlx::query_scalar!(
        "select id from orders.order where id = any($1) order by source, external_id, id for update",
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// Removes orders, locked before, with their lines and payments.
pub(crate) async fn delete(conn: &mut PgConnection, ids: &[OrderId]) -> Result<(), Error> {
    let uuids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let done = sqlx::query!("delete from orders.order where id = any($1)", &uuids).execute(conn).await?;
    assert_rows(done.rows_affected(), ids.len())
}

/// The key of the last order of a page.
pub(crate) type Cursor = (DateTime<Utc>, Uuid);

/// Orders, newest first, after the cursor. With lines, a page also ends where it would hold too many of them; one order
/// it always holds.
pub(crate) async fn list(
    pool: &PgPool,
    filter: &Filter,
    with_lines: bool,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<Order>, Error> {
    let mut query = select(with_lines);
    query.push(
        "(select page.*, sum(page.line_count) over (order by page.placed_at desc, page.id desc) as lines_so_far from (",
    );
    push_matching(&mut query, "*", filter, after, limit.into());
    query.push(" order by placed_at desc, id desc limit ").push_bind(i64::from(limit));
    query.push(") as page) as o ");
    if with_lines {
        query.push("where o.lines_so_far - o.line_count < ").push_bind(MOST_LINES_IN_ANSWER);
    }
    query.push(" order by o.placed_at desc, o.id desc");
    let rows: Vec<OrderRow> = query.build_query_as().fetch_all(pool).await?;
    rows.into_iter().map(order).collect()
}

/// How many orders match, counted up to `most`.
pub(crate) async fn count(pool: &PgPool, filter: &Filter, most: i64) -> Result<i64, Error> {
    let mut query = QueryBuilder::new("select count(*) from (");
    push_matching(&mut query, "id", filter, None, most);
    query.push(" limit ").push_bind(most).push(") as counted");
    Ok(query.build_query_scalar().fetch_one(pool).await?)
}

/// The orders that match, at least the newest `limit` of them. A customer has few orders: what else is asked is looked
/// at one by one. Groups are each read along their own index, so that a rare one does not make the search run through
/// all others.
fn push_matching(
    query: &mut QueryBuilder<Postgres>,
    columns: &str,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: i64,
) {
    let groups = || filter.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>();
    query.push("select ").push(columns).push(" from ");
    match (filter.customer_id, filter.groups.is_empty()) {
        (Some(customer_id), no_groups) => {
            query.push("orders.order where customer_id = ").push_bind(customer_id.uuid());
            if !no_groups {
                query.push(" and status_group = any(").push_bind(groups()).push(")");
            }
            push_range(query, filter, after);
        }
        (None, true) => {
            query.push("orders.order where true");
            push_range(query, filter, after);
        }
        (None, false) => {
            query.push("(select newest.* from unnest(").push_bind(groups());
            query.push("::text[]) as wanted(name) cross join lateral (select * from orders.order where status_group = wanted.name");
            push_range(query, filter, after);
            query.push(" order by placed_at desc, id desc limit ").push_bind(limit).push(") as newest) as matching");
        }
    }
}

fn push_range(query: &mut QueryBuilder<Postgres>, filter: &Filter, after: Option<&Cursor>) {
    if let Some(from) = filter.from {
        query.push(" and placed_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" and placed_at < ").push_bind(until);
    }
    if let Some((placed_at, id)) = after {
        query.push(" and (placed_at, id) < (").push_bind(*placed_at).push(", ").push_bind(*id).push(")");
    }
}

/// As much of an order as decides what a batch does with it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: OrderId,
    pub(crate) reference: Reference,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) content_hash: Option<ContentHash>,
}

/// Locks the orders of these references until the transaction ends. In the order of their references, so that two
/// transactions never wait for each other in a circle.
pub(crate) async fn lock_heads(conn: &mut PgConnection, references: &[&Reference]) -> Result<Vec<Head>, Error> {
    let rows = sqlx::query!(
        r#"select o.id, o.source as "source!", o.external_id as "external_id!", o.customer_id, o.content_hash
           from unnest($1::text[], $2::text[]) as k(source, external_id)
           join orders.order o on o.source = k.source and o.external_id = k.external_id
           order by o.source, o.external_id
           for update of o"#,
        column!(references, reference => reference.source().to_owned()),
        column!(references, reference => reference.external_id().to_owned())
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Head {
                id: row.id.into(),
                reference: Reference::stored(row.source, row.external_id),
                customer_id: row.customer_id.map(CustomerId::from),
                content_hash: row.content_hash.map(content_hash).transpose()?,
            })
        })
        .collect()
}

/// An order's version now, and where the change after an earlier one came from.
#[derive(Debug, Clone)]
pub(crate) struct Versioned {
    pub(crate) id: OrderId,
    pub(crate) reference: Reference,
    pub(crate) version: i64,
    /// With the label of the integration that made the change; `None` where there is no such change, or none is wanted.
    pub(crate) next: Option<(Origin, Option<String>)>,
}

/// Those of the references that orders have. Beside each stands the version after which the next change is wanted.
pub(crate) async fn versions(
    pool: &PgPool,
    references: &[(Reference, Option<i64>)],
    aggregate: &str,
) -> Result<Vec<Versioned>, Error> {
    let rows = sqlx::query!(
        r#"select o.id, o.source as "source!", o.external_id as "external_id!", o.version, j.origin as "origin?",
                  j.integration
           from unnest($1::text[], $2::text[], $3::bigint[]) as k(source, external_id, before)
           join orders.order o on o.source = k.source and o.external_id = k.external_id
           left join orders.journal j
                on j.aggregate_type = $4 and j.aggregate_id = o.id and j.aggregate_version = k.before + 1"#,
        column!(references, (reference, _) => reference.source().to_owned()),
        column!(references, (reference, _) => reference.external_id().to_owned()),
        column!(references, (_, before) => *before) as &[Option<i64>],
        aggregate
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = || Error::corrupt("orders.journal", "an origin is none that is known");
            let origin = row.origin.map(|origin| Origin::parse(&origin).ok_or_else(corrupt)).transpose()?;
            Ok(Versioned {
                id: row.id.into(),
                reference: Reference::stored(row.source, row.external_id),
                version: row.version,
                next: origin.map(|origin| (origin, row.integration)),
            })
        })
        .collect()
}

/// The next number for an order that comes without one.
pub(crate) async fn next_number(conn: &mut PgConnection) -> Result<String, Error> {
    let number = sqlx::query_scalar!(r#"select nextval('orders.order_number') as "number!""#).fetch_one(conn).await?;
    Ok(number.to_string())
}

/// Adds orders with their lines and payments, and tells which were added: the references of the others were taken by
/// somebody else meanwhile. Give them in the order of their references.
pub(crate) async fn insert(conn: &mut PgConnection, orders: &[Order]) -> Result<HashSet<OrderId>, Error> {
    if orders.is_empty() {
        return Ok(HashSet::new());
    }
    let added: HashSet<Uuid> = sqlx::query_scalar!(
        "insert into orders.order
             (id, source, external_id, number, customer_id, status, status_group, placed_at, currency, gross_minor,
              adjustment_minor, paid_minor, line_count, content_hash, version, created_at, updated_at)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[],
                              $8::timestamptz[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::integer[],
                              $14::bytea[], $15::bigint[], $16::timestamptz[], $17::timestamptz[])
         on conflict (source, external_id) do nothing
         returning id",
        column!(orders, o => o.id.uuid()),
        column!(orders, o => o.reference.as_ref().map(|r| r.source().to_owned())) as &[Option<String>],
        column!(orders, o => o.reference.as_ref().map(|r| r.external_id().to_owned())) as &[Option<String>],
        column!(orders, o => o.number.clone()),
        column!(orders, o => o.customer_id.map(CustomerId::uuid)) as &[Option<Uuid>],
        column!(orders, o => o.status.clone()),
        column!(orders, o => o.status_group.as_str().to_owned()),
        column!(orders, o => o.placed_at),
        column!(orders, o => o.currency.code().to_owned()),
        column!(orders, o => o.gross.minor),
        column!(orders, o => o.adjustment.minor),
        column!(orders, o => o.paid.minor),
        column!(orders, o => o.line_count),
        column!(orders, o => o.content_hash.map(|hash| hash.to_vec())) as &[Option<Vec<u8>>],
        column!(orders, o => o.version),
        column!(orders, o => o.created_at),
        column!(orders, o => o.updated_at)
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(refusal)?
    .into_iter()
    .collect();
    let mine = || orders.iter().filter(|order| added.contains(&order.id.uuid()));
    line::insert_for_orders(&mut *conn, mine().map(|order| (order.id.uuid(), order.lines.as_slice()))).await?;
    payment::insert(conn, mine().map(|order| (order.id.uuid(), order.payments.as_slice()))).await?;
    Ok(added.into_iter().map(OrderId::from).collect())
}

/// Writes changed orders, locked before, and all their lines and payments anew.
pub(crate) async fn replace(conn: &mut PgConnection, orders: &[Order]) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    update(&mut *conn, orders).await?;
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.uuid()).collect();
    sqlx::query!("delete from orders.order_line where order_id = any($1)", &ids).execute(&mut *conn).await?;
    payment::delete(&mut *conn, &ids).await?;
    line::insert_for_orders(&mut *conn, orders.iter().map(|order| (order.id.uuid(), order.lines.as_slice()))).await?;
    payment::insert(conn, orders.iter().map(|order| (order.id.uuid(), order.payments.as_slice()))).await
}

/// Writes changed orders, locked before, without their lines and payments.
pub(crate) async fn update(conn: &mut PgConnection, orders: &[Order]) -> Result<(), Error> {
    let done = sqlx::query!(
        "update orders.order o
         set number = n.number, customer_id = n.customer_id, status = n.status, status_group = n.status_group,
             placed_at = n.placed_at, currency = n.currency, gross_minor = n.gross_minor,
             adjustment_minor = n.adjustment_minor, paid_minor = n.paid_minor, line_count = n.line_count,
             content_hash = n.content_hash, version = n.version, updated_at = n.updated_at
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                     $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[], $12::bytea[], $13::bigint[],
                     $14::timestamptz[])
              as n(id, number, customer_id, status, status_group, placed_at, currency, gross_minor, adjustment_minor,
                   paid_minor, line_count, content_hash, version, updated_at)
         where o.id = n.id and o.version = n.version - 1",
        column!(orders, o => o.id.uuid()),
        column!(orders, o => o.number.clone()),
        column!(orders, o => o.customer_id.map(CustomerId::uuid)) as &[Option<Uuid>],
        column!(orders, o => o.status.clone()),
        column!(orders, o => o.status_group.as_str().to_owned()),
        column!(orders, o => o.placed_at),
        column!(orders, o => o.currency.code().to_owned()),
        column!(orders, o => o.gross.minor),
        column!(orders, o => o.adjustment.minor),
        column!(orders, o => o.paid.minor),
        column!(orders, o => o.line_count),
        column!(orders, o => o.content_hash.map(|hash| hash.to_vec())) as &[Option<Vec<u8>>],
        column!(orders, o => o.version),
        column!(orders, o => o.updated_at)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), orders.len())
}

/// A fingerprint as it was stored.
pub(super) fn content_hash(bytes: Vec<u8>) -> Result<ContentHash, Error> {
    bytes.try_into().map_err(|_| Error::corrupt("orders.order", "a content hash is not of 32 bytes"))
}

fn order(row: OrderRow) -> Result<Order, Error> {
    let currency = currency(&row.currency, "orders.order")?;
    let reference = row.source.zip(row.external_id);
    Ok(Order {
        id: row.id.into(),
        reference: reference.map(|(source, external_id)| Reference::stored(source, external_id)),
        number: row.number,
        customer_id: row.customer_id.map(CustomerId::from),
        status_group: status::group(&row.status_group, "orders.order")?,
        status: row.status,
        placed_at: row.placed_at,
        currency,
        lines: row.lines.0.into_iter().map(|line| line.line(currency)).collect(),
        payments: row.payments.0.into_iter().map(|payment| payment.payment(currency)).collect(),
        gross: Money::new(row.gross_minor, currency),
        adjustment: Money::new(row.adjustment_minor, currency),
        paid: Money::new(row.paid_minor, currency),
        line_count: row.line_count,
        content_hash: row.content_hash.map(content_hash).transpose()?,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
