//! The catalogue.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{ProductId, Violations, reference, text};

use super::search;

/// Something that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) source: String,
    /// Unique within the source.
    pub(crate) sku: String,
    /// May be empty.
    pub(crate) name: String,
    /// May be empty.
    pub(crate) category: String,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A product as a source describes it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProductContent {
    pub(crate) source: String,
    pub(crate) sku: String,
    /// Empty where the source does not say.
    pub(crate) name: String,
    /// Empty where the source does not say.
    pub(crate) category: String,
}

impl ProductContent {
    /// Takes what is right, noting what is not.
    pub(crate) fn check(source: &str, sku: &str, name: &str, category: &str, violations: &mut Violations) -> Self {
        Self {
            source: violations.or_default(reference::source(source, "source")),
            sku: violations.or_default(text::required_line(sku, 100, "sku")),
            name: violations.or_default(text::line(name, 500, "name")),
            category: violations.or_default(text::line(category, 200, "category")),
        }
    }
}

impl Product {
    /// A product not known before.
    pub(crate) fn create(id: ProductId, content: ProductContent, now: DateTime<Utc>) -> Self {
        let ProductContent { source, sku, name, category } = content;
        Self { id, source, sku, name, category, version: 1, created_at: now, updated_at: now }
    }

    /// The product after its source described it again, where that changes anything. What is left empty stays.
    pub(crate) fn changed(&self, content: &ProductContent, now: DateTime<Utc>) -> Option<Self> {
        let or = |new: &str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
        let (name, category) = (or(&content.name, &self.name), or(&content.category, &self.category));
        (name != self.name || category != self.category).then(|| Self {
            name,
            category,
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        })
    }

    /// What lists are sorted by.
    pub(crate) fn sort_key(&self) -> String {
        let shown = if self.name.is_empty() { &self.sku } else { &self.name };
        search::fold(shown).chars().take(200).collect()
    }

    /// What a search looks into.
    pub(crate) fn search_text(&self) -> String {
        search::document(&[&self.name, &self.sku, &self.category])
    }
}

/// How a line names its product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ProductKey {
    /// By id; where the line gives the SKU too, the two must agree.
    Id(ProductId, Option<String>),
    /// By SKU in the catalogue of a source.
    Sku { source: String, sku: String },
}

/// As much of a product as a line needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProductName {
    pub(crate) id: ProductId,
    pub(crate) sku: String,
    pub(crate) name: String,
}

/// The products that lines name, to look them up in.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    by_id: HashMap<ProductId, ProductName>,
    by_sku: HashMap<String, HashMap<String, ProductId>>,
}

impl Catalogue {
    /// Adds a product of this source.
    pub(crate) fn add(&mut self, source: &str, product: ProductName) {
        let skus = match self.by_sku.get_mut(source) {
            Some(skus) => skus,
            None => self.by_sku.entry(source.to_owned()).or_default(),
        };
        skus.insert(product.sku.clone(), product.id);
        self.by_id.insert(product.id, product);
    }

    /// True where the key leads to a product.
    pub(crate) fn has(&self, key: &ProductKey) -> bool {
        self.find(key).is_ok()
    }

    /// The product of this key, or the field of the line at fault and what is wrong with it.
    pub(crate) fn find(&self, key: &ProductKey) -> Result<&ProductName, (&'static str, String)> {
        let shorten = clientele_kernel::error::shorten;
        match key {
            ProductKey::Id(id, sku) => {
                let found = self.by_id.get(id).ok_or_else(|| ("product_id", format!("there is no product `{id}`")))?;
                match sku {
                    Some(sku) if *sku != found.sku => {
                        Err(("sku", format!("`{}` is not the SKU of product `{id}`, `{}` is", shorten(sku), found.sku)))
                    }
                    _ => Ok(found),
                }
            }
            ProductKey::Sku { source, sku } => {
                let id = self.by_sku.get(source).and_then(|skus| skus.get(sku));
                id.and_then(|id| self.by_id.get(id)).ok_or_else(|| {
                    ("sku", format!("there is no product `{}` in the catalogue of `{source}`", shorten(sku)))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(name: &str, category: &str) -> ProductContent {
        let mut violations = Violations::new();
        let content = ProductContent::check("shop", "A-1", name, category, &mut violations);
        assert!(violations.is_empty());
        content
    }

    fn product() -> Product {
        Product::create(ProductId::from(uuid::Uuid::nil()), content("Lantern", "Lights"), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_field_left_empty_keeps_the_value_there_is() {
        let changed = product().changed(&content("", "Garden"), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((changed.name.as_str(), changed.category.as_str(), changed.version), ("Lantern", "Garden", 2));
    }

    #[test]
    fn saying_the_same_again_changes_nothing() {
        assert_eq!(product().changed(&content("Lantern", ""), DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_product_without_a_name_is_sorted_by_its_sku() {
        let nameless = Product::create(ProductId::from(uuid::Uuid::nil()), content("", ""), DateTime::UNIX_EPOCH);
        assert_eq!(nameless.sort_key(), "a-1");
    }

    #[test]
    fn a_line_whose_id_and_sku_disagree_is_refused() {
        let mut catalogue = Catalogue::default();
        let id = product().id;
        catalogue.add("shop", ProductName { id, sku: "A-1".into(), name: String::new() });
        assert!(catalogue.has(&ProductKey::Id(id, Some("A-1".into()))));
        assert_eq!(catalogue.find(&ProductKey::Id(id, Some("B".into()))).unwrap_err().0, "sku");
        assert!(!catalogue.has(&ProductKey::Sku { source: "erp".into(), sku: "A-1".into() }));
    }
}
