//! Orders and credit notes become figures and entries of the timeline.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clientele_kernel::{CustomerId, Money, Partition};
use clientele_platform::postgres::UnitOfWork;
use sqlx::PgConnection;
use uuid::Uuid;

use super::figures;
use crate::Error;
use crate::domain::document::DocumentKind;
use crate::domain::product::Product;
use crate::domain::timeline::{Entry, Kind, revise};
use crate::domain::{Changes, Document};
use crate::store;
use crate::store::document::Put;

/// What a batch of events tells.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) products: Vec<Product>,
    /// States of documents, each with what the timeline would say of it.
    pub(crate) documents: Vec<(Document, Entry)>,
    /// How far each partition has come.
    pub(crate) reached: BTreeMap<Partition, i64>,
}

/// Applies what is told: keeps the facts, adds what changed to the sums, and brings the timeline up to date.
pub(crate) async fn apply(work: &mut UnitOfWork, told: Told) -> Result<(), Error> {
    let Some(shard) = told.reached.keys().next().copied() else { return Ok(()) };
    let customers = count(work.conn(), shard, told.products, told.documents).await?;
    figures::tell(work, &told.reached, customers).await
}

/// Gives the customers whose figures have changed. The sums of the company are spread over as many rows as there are partitions,
/// for those who write at the same time; which row is all the same.
async fn count(
    conn: &mut PgConnection,
    shard: Partition,
    products: Vec<Product>,
    documents: Vec<(Document, Entry)>,
) -> Result<BTreeSet<CustomerId>, Error> {
    let products = newest(products, |product| (product.id, product.version));
    if !products.is_empty() {
        store::product::put(conn, &products).await?;
    }
    if documents.is_empty() {
        return Ok(BTreeSet::new());
    }

    let (documents, entries): (Vec<_>, Vec<_>) = documents.into_iter().unzip();
    let puts = store::document::put(conn, newest(documents, |document| (document.id, document.version))).await?;
    let mut changes = Changes::default();
    for put in &puts {
        changes.replace(put.old.as_ref(), &put.current)?;
    }
    let changes = changes.settle();
    store::change::add(conn, &changes, shard).await?;
    tell(conn, &puts, entries).await?;
    Ok(changes.figures.keys().map(|(customer, _)| *customer).collect())
}

/// Of each record the newest state, in the order of ids.
fn newest<T, K: Ord>(states: Vec<T>, key: impl Fn(&T) -> (K, i64)) -> Vec<T> {
    let mut newest: BTreeMap<K, (i64, T)> = BTreeMap::new();
    for state in states {
        let (id, version) = key(&state);
        if newest.get(&id).is_none_or(|(known, _)| *known < version) {
            newest.insert(id, (version, state));
        }
    }
    newest.into_values().map(|(_, state)| state).collect()
}

/// Fits the events among the entries of their documents.
async fn tell(conn: &mut PgConnection, puts: &[Put], entries: Vec<Entry>) -> Result<(), Error> {
    let mut arrived: HashMap<Uuid, Vec<Entry>> = HashMap::new();
    for entry in entries {
        arrived.entry(entry.subject).or_default().push(entry);
    }
    let known: Vec<Uuid> = puts.iter().filter(|put| put.old.is_some()).map(|put| put.current.id).collect();
    let mut stored = if known.is_empty() { HashMap::new() } else { store::timeline::steps(conn, &known).await? };

    let (mut added, mut kinds, mut removed, mut moved) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut gone = Vec::new();
    for put in puts {
        let document = &put.current;
        if document.is_removed() {
            gone.push(document.id);
            continue;
        }
        let first = match document.kind {
            DocumentKind::Order => Kind::OrderPlaced,
            DocumentKind::CreditNote => Kind::CreditNoteIssued,
        };
        let steps = stored.remove(&document.id).unwrap_or_default();
        let revision = revise(&steps, arrived.remove(&document.id).unwrap_or_default(), first);
        added.extend(revision.added.into_iter().map(|entry| Entry {
            customer: document.customer,
            amount: Some(Money::new(document.amount_minor, document.currency)),
            occurred_at: if entry.kind == first { document.occurred_at } else { entry.event_at },
            ..entry
        }));
        kinds.extend(revision.kept.into_iter().map(|(version, kind)| (document.id, version, kind)));
        removed.extend(revision.removed.into_iter().map(|version| (document.id, version)));
        if put.old.as_ref().is_some_and(|old| looks_different(old, document)) {
            moved.push(document);
        }
    }
    store::timeline::forget(conn, &gone).await?;
    store::timeline::remove(conn, &removed).await?;
    store::timeline::set_kinds(conn, &kinds).await?;
    store::timeline::follow(conn, &moved).await?;
    store::timeline::add(conn, crate::ORDERS, &added).await
}

/// Whether entries of the document would show something else.
fn looks_different(old: &Document, new: &Document) -> bool {
    let shown = |d: &Document| (d.customer, d.currency, d.amount_minor, d.occurred_at);
    shown(old) != shown(new)
}
