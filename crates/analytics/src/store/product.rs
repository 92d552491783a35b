//! Products.

use clientele_platform::column;
use sqlx::PgConnection;

use crate::Error;
use crate::domain::product::Product;

/// Keeps the products, each once, unless a later version is known.
pub(crate) async fn put(conn: &mut PgConnection, products: &[Product]) -> Result<(), Error> {
    sqlx::query!(
        "insert into analytics.product as p (product_id, version, sku, name, category)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])
         on conflict (product_id) do update
            set version = excluded.version, sku = excluded.sku, name = excluded.name, category = excluded.category
            where p.version < excluded.version",
        column!(products, p => p.id.uuid()),
        column!(products, p => p.version),
        column!(products, p => p.sku.clone()),
        column!(products, p => p.name.clone()),
        column!(products, p => p.category.clone()),
    )
    .execute(conn)
    .await?;
    Ok(())
}
