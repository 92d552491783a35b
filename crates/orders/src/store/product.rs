//! The catalogue.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use clientele_kernel::ProductId;
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows, pattern};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::domain::product::Product;
use crate::domain::search::Word;

#[derive(FromRow)]
struct ProductRow {
    id: Uuid,
    source: String,
    sku: String,
    name: String,
    category: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        let ProductRow { id, source, sku, name, category, version, created_at, updated_at } = row;
        Self { id: id.into(), source, sku, name, category, version, created_at, updated_at }
    }
}

/// Source and SKU.
pub(crate) type Key = (String, String);

/// The products of these ids.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        ProductRow,
        "select id, source, sku, name, category, version, created_at, updated_at from orders.product where id = any($1)",
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Product::from).collect())
}

/// The products of these sources and SKUs.
pub(crate) async fn by_key(conn: impl PgExecutor<'_>, keys: &[Key]) -> Result<Vec<Product>, Error> {
    let rows = sqlx::query_as!(
        ProductRow,
        "select p.id, p.source, p.sku, p.name, p.category, p.version, p.created_at, p.updated_at
         from unnest($1::text[], $2::text[]) as k(source, sku)
         join orders.product p on p.source = k.source and p.sku = k.sku",
        column!(keys, (source, _) => source.clone()),
        column!(keys, (_, sku) => sku.clone())
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Product::from).collect())
}

/// The same, locked until the transaction ends, so that nobody else changes them meanwhile. In the order of their keys,
/// so that two transactions never wait for each other in a circle.
pub(crate) async fn lock_by_key(conn: &mut PgConnection, keys: &[Key]) -> Result<Vec<Product>, Error> {
    let rows = sqlx::query_as!(
        ProductRow,
        "select p.id, p.source, p.sku, p.name, p.category, p.version, p.created_at, p.updated_at
         from unnest($1::text[], $2::text[]) as k(source, sku)
         join orders.product p on p.source = k.source and p.sku = k.sku
         order by p.source, p.sku
         for no key update of p",
        column!(keys, (source, _) => source.clone()),
        column!(keys, (_, sku) => sku.clone())
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Product::from).collect())
}

/// Adds products, and tells which were added: the others were added by somebody else meanwhile. Give them in the order
/// of their keys.
pub(crate) async fn insert(conn: &mut PgConnection, products: &[Product]) -> Result<HashSet<ProductId>, Error> {
    let added = sqlx::query_scalar!(
        "insert into orders.product (id, source, sku, name, category, sort_key, search_text, version, created_at, updated_at)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::bigint[], $9::timestamptz[], $10::timestamptz[])
         on conflict (source, sku) do nothing
         returning id",
        column!(products, p => p.id.uuid()),
        column!(products, p => p.source.clone()),
        column!(products, p => p.sku.clone()),
        column!(products, p => p.name.clone()),
        column!(products, p => p.category.clone()),
        column!(products, p => p.sort_key()),
        column!(products, p => p.search_text()),
        column!(products, p => p.version),
        column!(products, p => p.created_at),
        column!(products, p => p.updated_at)
    )
    .fetch_all(conn)
    .await?;
    Ok(added.into_iter().map(ProductId::from).collect())
}

/// Writes changed products, locked before.
pub(crate) async fn update(conn: &mut PgConnection, products: &[Product]) -> Result<(), Error> {
    let done = sqlx::query!(
        "update orders.product p
         set name = n.name, category = n.category, sort_key = n.sort_key, search_text = n.search_text,
             version = n.version, updated_at = n.updated_at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[])
              as n(id, name, category, sort_key, search_text, version, updated_at)
         where p.id = n.id and p.version = n.version - 1",
        column!(products, p => p.id.uuid()),
        column!(products, p => p.name.clone()),
        column!(products, p => p.category.clone()),
        column!(products, p => p.sort_key()),
        column!(products, p => p.search_text()),
        column!(products, p => p.version),
        column!(products, p => p.updated_at)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), products.len())
}

/// Products by name, those in which each of the words occurs; from after the given sort key and id.
pub(crate) async fn list(
    pool: &PgPool,
    words: &[Word],
    after: Option<&(String, Uuid)>,
    limit: u32,
) -> Result<Vec<Product>, Error> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "select id, source, sku, name, category, version, created_at, updated_at from orders.product where true",
    );
    for word in words {
        query.push(" and (search_text like ").push_bind(pattern(&word.folded));
        if word.latin != word.folded {
            query.push(" or search_text like ").push_bind(pattern(&word.latin));
        }
        query.push(")");
    }
    if let Some((sort_key, id)) = after {
        query.push(" and (sort_key, id) > (").push_bind(sort_key.clone()).push(", ").push_bind(*id).push(")");
    }
    query.push(" order by sort_key, id limit ").push_bind(i64::from(limit));
    let rows: Vec<ProductRow> = query.build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(Product::from).collect())
}
