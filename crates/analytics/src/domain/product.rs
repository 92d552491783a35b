//! Products, as far as favourites need them.

use clientele_kernel::ProductId;

/// A product's name and category at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) version: i64,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: String,
}
