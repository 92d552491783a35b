//! Credit notes with their lines.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::{CreditNoteId, CustomerId, Money, OrderId, Reference};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use super::line::{LineJson, MOST_LINES_IN_ANSWER};
use super::order::{Cursor, content_hash};
use super::{currency, line, status};
use crate::domain::content::ContentHash;
use crate::domain::credit_note::{CreditNote, LinkedOrder};
use crate::error::refusal;

#[derive(FromRow)]
struct CreditNoteRow {
    id: Uuid,
    source: String,
    external_id: String,
    number: String,
    customer_id: Option<Uuid>,
    order_id: Option<Uuid>,
    issued_at: DateTime<Utc>,
    currency: String,
    total_minor: i64,
    line_count: i32,
    content_hash: Vec<u8>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    lines: Json<Vec<LineJson>>,
}

/// Begins a statement that reads credit notes, with their lines in the same statement, from what follows, which names
/// them `c`.
fn select(with_lines: bool) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "select c.id, c.source, c.external_id, c.number, c.customer_id, c.order_id, c.issued_at, c.currency, c.total_minor,
                c.line_count, c.content_hash, c.version, c.created_at, c.updated_at, ",
    );
    if with_lines {
        query.push("coalesce((select json_agg(").push(line::JSON).push(
            " order by l.position) from orders.credit_note_line l join orders.product r on r.id = l.product_id
              where l.credit_note_id = c.id), '[]') as lines",
        );
    } else {
        query.push("'[]'::json as lines");
    }
    query.push(" from ");
    query
}

/// The credit notes of these ids, with lines.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, ids: &[CreditNoteId]) -> Result<Vec<CreditNote>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut query = select(true);
    query.push("orders.credit_note c where c.id = any(").push_bind(ids).push(")");
    let rows: Vec<CreditNoteRow> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(credit_note).collect()
}

/// Credit notes, newest first, after the cursor. With lines, a page also ends where it would hold too many of them; one
/// note it always holds.
pub(crate) async fn list(
    pool: &PgPool,
    customer_id: Option<CustomerId>,
    with_lines: bool,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<CreditNote>, Error> {
    let mut query = select(with_lines);
    query.push(
        "(select page.*, sum(page.line_count) over (order by page.issued_at desc, page.id desc) as lines_so_far
          from (select * from orders.credit_note where true",
    );
    if let Some(customer_id) = customer_id {
        query.push(" and customer_id = ").push_bind(customer_id.uuid());
    }
    if let Some((issued_at, id)) = after {
        query.push(" and (issued_at, id) < (").push_bind(*issued_at).push(", ").push_bind(*id).push(")");
    }
    query.push(" order by issued_at desc, id desc limit ").push_bind(i64::from(limit)).push(") as page) as c ");
    if with_lines {
        query.push("where c.lines_so_far - c.line_count < ").push_bind(MOST_LINES_IN_ANSWER);
    }
    query.push(" order by c.issued_at desc, c.id desc");
    let rows: Vec<CreditNoteRow> = query.build_query_as().fetch_all(pool).await?;
    rows.into_iter().map(credit_note).collect()
}

/// As much of a credit note as decides what a batch does with it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: CreditNoteId,
    pub(crate) reference: Reference,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) content_hash: ContentHash,
}

/// Locks the credit notes of these references until the transaction ends. In the order of their references, so that two
/// transactions never wait for each other in a circle.
pub(crate) async fn lock_heads(conn: &mut PgConnection, references: &[&Reference]) -> Result<Vec<Head>, Error> {
    let rows = sqlx::query!(
        "select c.id, c.source, c.external_id, c.customer_id, c.content_hash
         from unnest($1::text[], $2::text[]) as k(source, external_id)
         join orders.credit_note c on c.source = k.source and c.external_id = k.external_id
         order by c.source, c.external_id
         for update of c",
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
                content_hash: content_hash(row.content_hash)?,
            })
        })
        .collect()
}

/// Locks the orders that credit notes take back, so that no two notes at once give back what is there but once. What
/// the notes in `replaced` gave back is not counted: they are about to be written anew. In the order of the references, as
/// batches of orders lock them; those made here, which no batch is about, come last.
pub(crate) async fn lock_orders(
    conn: &mut PgConnection,
    ids: &[OrderId],
    replaced: &[CreditNoteId],
) -> Result<HashMap<OrderId, LinkedOrder>, Error> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let replaced: Vec<Uuid> = replaced.iter().map(|id| id.uuid()).collect();
    sqlx::query!(
        "select id from orders.order where id = any($1) order by source, external_id, id for no key update",
        &ids
    )
    .fetch_all(&mut *conn)
    .await?;
    // A statement of its own: only after the locks are held does its snapshot show what others have given back.
    let rows = sqlx::query!(
        r#"select o.id, o.customer_id, o.status_group, o.currency, o.gross_minor,
                  coalesce((select sum(c.total_minor) from orders.credit_note c
                            where c.order_id = o.id and c.id <> all($2)), 0)::bigint as "given_back_minor!"
           from orders.order o where o.id = any($1)"#,
        &ids,
        &replaced
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = currency(&row.currency, "orders.order")?;
            let linked = LinkedOrder {
                customer_id: row.customer_id.map(CustomerId::from),
                status_group: status::group(&row.status_group, "orders.order")?,
                currency,
                gross: Money::new(row.gross_minor, currency),
                given_back_minor: row.given_back_minor,
            };
            Ok((OrderId::from(row.id), linked))
        })
        .collect()
}

/// What credit notes gave back, in minor units, for those of the orders that have any.
pub(crate) async fn given_back(conn: &mut PgConnection, ids: &[OrderId]) -> Result<HashMap<OrderId, i64>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query!(
        r#"select order_id as "order_id!", sum(total_minor)::bigint as "given_back_minor!"
           from orders.credit_note where order_id = any($1) group by order_id"#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|row| (OrderId::from(row.order_id), row.given_back_minor)).collect())
}

/// Locks those notes of the orders that are nobody's, and fails, for another try, where one of them is taken: whoever
/// calls this holds the orders already, and would wait against the order in which batches of notes lock.
pub(crate) async fn lock_unowned(conn: &mut PgConnection, orders: &[OrderId]) -> Result<Vec<CreditNoteId>, Error> {
    let ids: Vec<Uuid> = orders.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!(
        "select id from orders.credit_note where order_id = any($1) and customer_id is null
         order by source, external_id for update nowait",
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(CreditNoteId::from).collect())
}

/// Adds credit notes with their lines, and tells which were added: the references of the others were taken by somebody
/// else meanwhile. Give them in the order of their references.
pub(crate) async fn insert(conn: &mut PgConnection, notes: &[CreditNote]) -> Result<HashSet<CreditNoteId>, Error> {
    if notes.is_empty() {
        return Ok(HashSet::new());
    }
    let added: HashSet<Uuid> = sqlx::query_scalar!(
        "insert into orders.credit_note
             (id, source, external_id, number, customer_id, order_id, issued_at, currency, total_minor, line_count,
              content_hash, version, created_at, updated_at)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                              $8::text[], $9::bigint[], $10::integer[], $11::bytea[], $12::bigint[], $13::timestamptz[],
                              $14::timestamptz[])
         on conflict (source, external_id) do nothing
         returning id",
        column!(notes, c => c.id.uuid()),
        column!(notes, c => c.reference.source().to_owned()),
        column!(notes, c => c.reference.external_id().to_owned()),
        column!(notes, c => c.number.clone()),
        column!(notes, c => c.customer_id.map(CustomerId::uuid)) as &[Option<Uuid>],
        column!(notes, c => c.order_id.map(OrderId::uuid)) as &[Option<Uuid>],
        column!(notes, c => c.issued_at),
        column!(notes, c => c.currency.code().to_owned()),
        column!(notes, c => c.total.minor),
        column!(notes, c => c.line_count),
        column!(notes, c => c.content_hash.to_vec()),
        column!(notes, c => c.version),
        column!(notes, c => c.created_at),
        column!(notes, c => c.updated_at)
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(refusal)?
    .into_iter()
    .collect();
    let mine = notes.iter().filter(|note| added.contains(&note.id.uuid()));
    line::insert_for_credit_notes(conn, mine.map(|note| (note.id.uuid(), note.lines.as_slice()))).await?;
    Ok(added.into_iter().map(CreditNoteId::from).collect())
}

/// Writes changed credit notes, locked before, and all their lines anew.
pub(crate) async fn replace(conn: &mut PgConnection, notes: &[CreditNote]) -> Result<(), Error> {
    if notes.is_empty() {
        return Ok(());
    }
    update(&mut *conn, notes).await?;
    let ids: Vec<Uuid> = notes.iter().map(|note| note.id.uuid()).collect();
    sqlx::query!("delete from orders.credit_note_line where credit_note_id = any($1)", &ids)
        .execute(&mut *conn)
        .await?;
    line::insert_for_credit_notes(conn, notes.iter().map(|note| (note.id.uuid(), note.lines.as_slice()))).await
}

/// Writes changed credit notes, locked before, without their lines.
pub(crate) async fn update(conn: &mut PgConnection, notes: &[CreditNote]) -> Result<(), Error> {
    let done = sqlx::query!(
        "update orders.credit_note c
         set number = n.number, customer_id = n.customer_id, order_id = n.order_id, issued_at = n.issued_at,
             currency = n.currency, total_minor = n.total_minor, line_count = n.line_count,
             content_hash = n.content_hash, version = n.version, updated_at = n.updated_at
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::text[], $7::bigint[],
                     $8::integer[], $9::bytea[], $10::bigint[], $11::timestamptz[])
              as n(id, number, customer_id, order_id, issued_at, currency, total_minor, line_count, content_hash, version,
                   updated_at)
         where c.id = n.id and c.version = n.version - 1",
        column!(notes, c => c.id.uuid()),
        column!(notes, c => c.number.clone()),
        column!(notes, c => c.customer_id.map(CustomerId::uuid)) as &[Option<Uuid>],
        column!(notes, c => c.order_id.map(OrderId::uuid)) as &[Option<Uuid>],
        column!(notes, c => c.issued_at),
        column!(notes, c => c.currency.code().to_owned()),
        column!(notes, c => c.total.minor),
        column!(notes, c => c.line_count),
        column!(notes, c => c.content_hash.to_vec()),
        column!(notes, c => c.version),
        column!(notes, c => c.updated_at)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), notes.len())
}

fn credit_note(row: CreditNoteRow) -> Result<CreditNote, Error> {
    let currency = currency(&row.currency, "orders.credit_note")?;
    Ok(CreditNote {
        id: row.id.into(),
        reference: Reference::stored(row.source, row.external_id),
        number: row.number,
        customer_id: row.customer_id.map(CustomerId::from),
        order_id: row.order_id.map(OrderId::from),
        issued_at: row.issued_at,
        currency,
        lines: row.lines.0.into_iter().map(|line| line.line(currency)).collect(),
        total: Money::new(row.total_minor, currency),
        line_count: row.line_count,
        content_hash: content_hash(row.content_hash)?,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
