//! Orders and credit notes.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use clientele_platform::column;
use clientele_platform::postgres::Error as StorageError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::currency;
use crate::Error;
use crate::domain::document::DocumentKind;
use crate::domain::{Document, Month, Share};

/// What became of a document.
#[derive(Debug)]
pub(crate) struct Put {
    /// The state before; none for a document seen for the first time.
    pub(crate) old: Option<Document>,
    /// The state now.
    pub(crate) current: Document,
}

/// Keeps the documents, each once, unless a later version is known. Their rows stay locked, in the order of ids, until
/// the transaction ends: nobody else can change what `old` says.
pub(crate) async fn put(conn: &mut PgConnection, documents: Vec<Document>) -> Result<Vec<Put>, Error> {
    let mut documents = documents;
    documents.sort_unstable_by_key(|document| document.id);
    let new = write(conn, &documents, false).await?;
    let known: Vec<Uuid> = documents.iter().map(|d| d.id).filter(|id| !new.contains(id)).collect();
    if known.is_empty() {
        return Ok(documents.into_iter().map(|current| Put { old: None, current }).collect());
    }

    let mut stored = read(conn, &known).await?;
    let later: Vec<Document> = documents
        .iter()
        .filter(|d| stored.get(&d.id).is_some_and(|stored| stored.version < d.version))
        .cloned()
        .collect();
    let written = write(conn, &later, true).await?;
    if written.len() != later.len() {
        return Err(StorageError::Rows { expected: later.len() as u64, actual: written.len() as u64 }.into());
    }
    Ok(documents
        .into_iter()
        .map(|document| match stored.remove(&document.id) {
            None => Put { old: None, current: document },
            Some(old) if old.version < document.version => Put { old: Some(old), current: document },
            Some(old) => Put { current: old.clone(), old: Some(old) },
        })
        .collect())
}

/// Writes the documents and gives the ids of those that were written. Rows that exist are locked, and written only
/// when `replace` is set and they are older.
async fn write(conn: &mut PgConnection, documents: &[Document], replace: bool) -> Result<HashSet<Uuid>, Error> {
    if documents.is_empty() {
        return Ok(HashSet::new());
    }
    // An array of arrays has to be rectangular, so the shares of all documents travel in one row of arrays, and each
    // document cuts out its own: from `$13` to `$14`, counted from one.
    let mut from = 1_i32;
    let (firsts, lasts): (Vec<i32>, Vec<i32>) = documents
        .iter()
        .map(|d| {
            let first = from;
            from += i32::try_from(d.shares.len()).expect("an event is at most 256 KiB");
            (first, from - 1)
        })
        .unzip();
    let shares = || documents.iter().flat_map(|d| &d.shares);
    let written = sqlx::query_scalar!(
        "insert into analytics.document as d
            (document_id, kind, version, customer_id, currency, occurred_at, month, status, counts, amount_minor,
             adjustment_minor, product_ids, unit_millis, product_minors)
         select f.document_id, f.kind, f.version, f.customer_id, f.currency, f.occurred_at, f.month, f.status, f.counts,
                f.amount_minor, f.adjustment_minor,
                ($14::uuid[])[f.first:f.last], ($15::bigint[])[f.first:f.last], ($16::bigint[])[f.first:f.last]
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[], $7::date[],
                     $8::text[], $9::boolean[], $10::bigint[], $11::bigint[], $12::int[], $13::int[])
              as f(document_id, kind, version, customer_id, currency, occurred_at, month, status, counts, amount_minor,
                   adjustment_minor, first, last)
         order by f.document_id
         on conflict (document_id) do update
            set version = excluded.version, customer_id = excluded.customer_id, currency = excluded.currency,
                occurred_at = excluded.occurred_at, month = excluded.month, status = excluded.status,
                counts = excluded.counts, amount_minor = excluded.amount_minor,
                adjustment_minor = excluded.adjustment_minor, product_ids = excluded.product_ids,
                unit_millis = excluded.unit_millis, product_minors = excluded.product_minors
            where $17 and d.version < excluded.version and d.kind = excluded.kind
         returning document_id",
        column!(documents, d => d.id),
        column!(documents, d => d.kind.as_str().to_owned()),
        column!(documents, d => d.version),
        column!(documents, d => d.customer.map(Uuid::from)) as &[Option<Uuid>],
        column!(documents, d => d.currency.code().to_owned()),
        column!(documents, d => d.occurred_at),
        column!(documents, d => d.month.first_day()),
        column!(documents, d => d.status.clone()),
        column!(documents, d => d.counts),
        column!(documents, d => d.amount_minor),
        column!(documents, d => d.adjustment_minor),
        &firsts,
        &lasts,
        &shares().map(|s| s.product.uuid()).collect::<Vec<_>>(),
        &shares().map(|s| s.unit_milli).collect::<Vec<_>>(),
        &shares().map(|s| s.amount_minor).collect::<Vec<_>>(),
        replace,
    )
    .fetch_all(conn)
    .await?;
    Ok(written.into_iter().collect())
}

struct Row {
    document_id: Uuid,
    kind: String,
    version: i64,
    customer_id: Option<Uuid>,
    currency: String,
    occurred_at: DateTime<Utc>,
    month: NaiveDate,
    status: String,
    counts: bool,
    amount_minor: i64,
    adjustment_minor: i64,
    product_ids: Vec<Uuid>,
    unit_millis: Vec<i64>,
    product_minors: Vec<i64>,
}

async fn read(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Document>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select document_id, kind, version, customer_id, currency, occurred_at, month, status, counts, amount_minor,
                adjustment_minor, product_ids, unit_millis, product_minors
         from analytics.document
         where document_id = any($1)",
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.document_id, row.try_into()?))).collect()
}

impl TryFrom<Row> for Document {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let kind = DocumentKind::parse(&row.kind)
            .ok_or_else(|| StorageError::corrupt("document", format!("kind `{}` of {}", row.kind, row.document_id)))?;
        let shares = row.product_ids.into_iter().zip(row.unit_millis).zip(row.product_minors);
        Ok(Self {
            id: row.document_id,
            kind,
            version: row.version,
            customer: row.customer_id.map(Into::into),
            currency: currency("document", &row.currency)?,
            occurred_at: row.occurred_at,
            month: Month::containing(row.month),
            status: row.status,
            counts: row.counts,
            amount_minor: row.amount_minor,
            adjustment_minor: row.adjustment_minor,
            shares: shares
                .map(|((product, unit_milli), amount_minor)| Share {
                    product: product.into(),
                    unit_milli,
                    amount_minor,
                })
                .collect(),
        })
    }
}
