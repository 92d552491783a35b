//! Products, as messages.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::Etag;
use clientele_platform::proto;

use crate::domain::product::Product;

/// A product as callers see one.
pub(crate) fn encode(product: &Product) -> pb::Product {
    pb::Product {
        id: product.id.to_string(),
        source: product.source.clone(),
        sku: product.sku.clone(),
        name: product.name.clone(),
        category: product.category.clone(),
        etag: Etag(product.version).to_string(),
        created_at: Some(proto::timestamp(product.created_at)),
        updated_at: Some(proto::timestamp(product.updated_at)),
    }
}
