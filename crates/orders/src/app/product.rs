//! The catalogue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clientele_kernel::{Error, ProductId, Reference, Violations, paging};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Command};
use prost::Message;
use uuid::Uuid;

use super::upsert::{Batch, Upserted, check_size};
use crate::domain::line::LineContent;
use crate::domain::product::{Catalogue, Product, ProductContent, ProductKey, ProductName};
use crate::domain::search;
use crate::events::publish;
use crate::store;
use crate::store::product::Key;

/// What can be done with products.
#[derive(Clone)]
pub(crate) struct Products {
    db: Database,
}

/// A page of products.
pub(crate) struct ProductPage {
    pub(crate) products: Vec<Product>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

impl Products {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    /// One product.
    pub(crate) async fn get(&self, id: ProductId) -> Result<Product, Error> {
        let found = store::product::by_id(self.db.pool(), &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("product", id))
    }

    /// Products by name, those in which all words of the query occur.
    pub(crate) async fn list(&self, query: &str, page_size: i32, page_token: &str) -> Result<ProductPage, Error> {
        let words = search::words(query)?;
        let size = paging::size(page_size, 100, 500)?;
        let fingerprint = paging::fingerprint(&["products", query]);
        let after: Option<(String, Uuid)> = paging::decode(page_token, fingerprint)?;
        let mut products = store::product::list(self.db.pool(), &words, after.as_ref(), size + 1).await?;
        let more = paging::cut(&mut products, size);
        let last = products.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.sort_key(), last.id.uuid()), fingerprint));
        Ok(ProductPage { products, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// Creates or changes products known by source and SKU.
    pub(crate) async fn upsert<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        entries: Vec<Result<ProductContent, Violations>>,
        answer: fn(Vec<Upserted<ProductId>>) -> R,
    ) -> Result<R, Error> {
        check_size("products", entries.len(), 0)?;
        let mut batch: Batch<ProductContent, ProductId> =
            Batch::new(entries, |content| Reference::stored(content.source.clone(), content.sku.clone()));
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        update_known(&mut uow, &mut batch).await?;
        let new: Vec<Product> =
            batch.open.iter().map(|(_, content)| Product::create(uow.id(), content.clone(), uow.now())).collect();
        let added = store::product::insert(uow.conn(), &new).await?;
        for product in new.iter().filter(|product| added.contains(&product.id)) {
            uow.record(publish::product(product));
        }
        let ids: HashMap<Key, ProductId> =
            new.into_iter().map(|product| ((product.source, product.sku), product.id)).collect();
        batch.settle_where(|content| {
            let id = ids.get(&(content.source.clone(), content.sku.clone()))?;
            added.contains(id).then_some(Upserted::Created(*id))
        });
        // What is still open was added by somebody else since it was looked for.
        update_known(&mut uow, &mut batch).await?;
        let answer = answer(batch.into_outcomes()?);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// Settles the entries whose product is known.
async fn update_known(uow: &mut UnitOfWork, batch: &mut Batch<ProductContent, ProductId>) -> Result<(), Error> {
    if batch.open.is_empty() {
        return Ok(());
    }
    let now = uow.now();
    let keys: Vec<Key> = batch.open.iter().map(|(_, content)| (content.source.clone(), content.sku.clone())).collect();
    let known = store::product::lock_by_key(uow.conn(), &keys).await?;
    let known: HashMap<Key, Product> = known.into_iter().map(|p| ((p.source.clone(), p.sku.clone()), p)).collect();
    let mut changed = Vec::new();
    batch.settle_where(|content| {
        let product = known.get(&(content.source.clone(), content.sku.clone()))?;
        Some(match product.changed(content, now) {
            None => Upserted::Unchanged(product.id),
            Some(product) => {
                let updated = Upserted::Updated(product.id, product.version);
                changed.push(product);
                updated
            }
        })
    });
    if !changed.is_empty() {
        store::product::update(uow.conn(), &changed).await?;
        for product in &changed {
            uow.record(publish::product(product));
        }
    }
    Ok(())
}

/// The products that the lines name. Those named by SKU that are not known are created where `create` says so, with the
/// first name a line gives them.
pub(crate) async fn catalogue<'a>(
    uow: &mut UnitOfWork,
    lines: impl IntoIterator<Item = &'a LineContent>,
    create: bool,
) -> Result<Catalogue, Error> {
    let mut ids: BTreeSet<ProductId> = BTreeSet::new();
    let mut names: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for line in lines {
        match &line.product {
            ProductKey::Id(id, _) => {
                ids.insert(*id);
            }
            ProductKey::Sku { source, sku } => {
                let name = names.entry((source, sku)).or_default();
                if name.is_empty() {
                    *name = &line.name;
                }
            }
        }
    }
    let mut catalogue = Catalogue::default();
    if !ids.is_empty() {
        let ids: Vec<ProductId> = ids.into_iter().collect();
        add(&mut catalogue, store::product::by_id(uow.conn(), &ids).await?);
    }
    if !names.is_empty() {
        let keys: Vec<Key> = names.keys().map(|(source, sku)| ((*source).to_owned(), (*sku).to_owned())).collect();
        add(&mut catalogue, store::product::by_key(uow.conn(), &keys).await?);
        let has = |source: &str, sku: &str| {
            catalogue.has(&ProductKey::Sku { source: source.to_owned(), sku: sku.to_owned() })
        };
        names.retain(|(source, sku), _| !has(source, sku));
        if create && !names.is_empty() {
            add(&mut catalogue, create_missing(uow, names).await?);
        }
    }
    Ok(catalogue)
}

async fn create_missing(uow: &mut UnitOfWork, names: BTreeMap<(&str, &str), &str>) -> Result<Vec<Product>, Error> {
    let content = |source: &str, sku: &str, name: &str| ProductContent {
        source: source.to_owned(),
        sku: sku.to_owned(),
        name: name.to_owned(),
        category: String::new(),
    };
    let mut products: Vec<Product> = names
        .into_iter()
        .map(|((source, sku), name)| Product::create(uow.id(), content(source, sku, name), uow.now()))
        .collect();
    let added = store::product::insert(uow.conn(), &products).await?;
    let others = products.extract_if(.., |product| !added.contains(&product.id));
    let elsewhere: Vec<Key> = others.map(|product| (product.source, product.sku)).collect();
    for product in &products {
        uow.record(publish::product(product));
    }
    if !elsewhere.is_empty() {
        products.extend(store::product::by_key(uow.conn(), &elsewhere).await?);
    }
    Ok(products)
}

fn add(catalogue: &mut Catalogue, products: Vec<Product>) {
    for Product { id, source, sku, name, .. } in products {
        catalogue.add(&source, ProductName { id, sku, name });
    }
}
