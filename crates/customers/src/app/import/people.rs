//! Customers of rows: matched by id, else by e-mail and phone where these belong to one customer alone, else created.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use clientele_kernel::{CustomerId, Ids, ImportId, Reference, Violation};
use clientele_platform::postgres::UnitOfWork;

use crate::app::upsert::Batch;
use crate::domain::customer::{Customer, Draft};
use crate::domain::import::Progress;
use crate::domain::import::customer::Person;
use crate::events::publish;
use crate::store::customer::Change;
use crate::store::import::contact::{Key, Owner};
use crate::store::import::record::{self, Record};
use crate::{Error, store};

/// What became of a row's customer: who it is, and whether several have its e-mail or phone.
pub(super) type Outcome = Result<(CustomerId, bool), Vec<Violation>>;

/// A customer that rows were about, however many.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) id: CustomerId,
    pub(super) before_version: i64,
    pub(super) version: i64,
    /// By what it is known: fingerprints of its references and contact points.
    known_by: Vec<u64>,
}

/// Customers by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
}

impl Tally {
    /// Adds it to the figures of a run.
    pub(super) fn add_to(self, progress: &mut Progress) {
        progress.created += self.created;
        progress.updated += self.updated;
        progress.unchanged += self.unchanged;
    }

    fn count(&mut self, before_version: i64, version: i64, by: i64) {
        if before_version == 0 {
            self.created += by;
        } else if version > before_version {
            self.updated += by;
        } else {
            self.unchanged += by;
        }
    }
}

/// Writes the customers of rows in this unit of work; what became of each row's, and which customers that were.
pub(super) async fn write(
    uow: &mut UnitOfWork,
    ids: &Ids,
    people: &[Person],
) -> Result<(Vec<Outcome>, Vec<Touched>), Error> {
    if people.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut batch = Batch::new(uow.now(), ids);
    let references: BTreeSet<&Reference> =
        people.iter().map(|person| person.reference.as_ref().unwrap_or(&person.by_line)).collect();
    batch.owners = store::reference::owners(uow.conn(), references).await?;
    let keys: BTreeSet<Key> = people.iter().flat_map(|person| draft_keys(&person.draft)).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let mut contacts = store::import::contact::owners(uow.conn(), &keys).await?;
    let matched = contacts.values().filter_map(|owner| match owner {
        Owner::One(id) => Some(*id),
        Owner::Several => None,
    });
    let known: BTreeSet<CustomerId> = batch.owners.values().copied().chain(matched).collect();
    let known: Vec<CustomerId> = known.into_iter().collect();
    batch.take_known(store::customer::lock(uow.conn(), &known).await?);
    // Who has lost the contact point since it was looked for is not who is meant.
    contacts.retain(|key, owner| match owner {
        Owner::One(id) => batch.customers.get(id).is_some_and(|(_, customer)| customer_keys(customer).contains(key)),
        Owner::Several => true,
    });
    let outcomes: Vec<Outcome> = people.iter().map(|person| apply(&mut batch, &mut contacts, person)).collect();

    let written = batch.written();
    store::customer::save(uow.conn(), &written.iter().map(|(change, _)| *change).collect::<Vec<_>>()).await?;
    for (Change { after, .. }, event) in &written {
        uow.record(publish::entry(after, event));
    }
    let touched = touched(&batch, &outcomes);
    Ok((outcomes, touched))
}

fn apply(batch: &mut Batch<'_>, contacts: &mut HashMap<Key, Owner>, person: &Person) -> Outcome {
    let keys = draft_keys(&person.draft);
    let (owner, several) = match &person.reference {
        Some(reference) => (batch.owners.get(reference).copied(), false),
        None => match batch.owners.get(&person.by_line) {
            Some(owner) => (Some(*owner), false),
            None => owner_of(contacts, &keys),
        },
    };
    let mut draft = person.draft.clone();
    match (&person.reference, owner) {
        (Some(reference), _) => draft.references = vec![reference.clone()],
        (None, Some(_)) => {}
        (None, None) => {
            draft.references = vec![person.by_line.clone()];
            if draft.display_name.is_empty() {
                draft.display_name = name_of(&draft);
            }
        }
    }
    let (id, _) = batch.merge_or_create(owner, &draft).map_err(|error| error.violations)?;
    for key in keys {
        let owner = contacts.entry(key).or_insert(Owner::One(id));
        if *owner != Owner::One(id) {
            *owner = Owner::Several;
        }
    }
    Ok((id, several))
}

/// The one customer that has these contact points; none where several have some of them, which is told.
fn owner_of(contacts: &HashMap<Key, Owner>, keys: &[Key]) -> (Option<CustomerId>, bool) {
    let mut found = None;
    for owner in keys.iter().filter_map(|key| contacts.get(key)) {
        match (owner, found) {
            (Owner::Several, _) => return (None, true),
            (Owner::One(id), Some(other)) if *id != other => return (None, true),
            (Owner::One(id), _) => found = Some(*id),
        }
    }
    (found, false)
}

/// What a customer is called of whom only a contact point is known.
fn name_of(draft: &Draft) -> String {
    let email = draft.emails.first().map(|(_, address)| address.typed());
    let phone = draft.phones.first().map(|(_, number)| number.typed());
    email.or(phone).unwrap_or_default().to_owned()
}

fn draft_keys(draft: &Draft) -> Vec<Key> {
    let emails = draft.emails.iter().map(|(_, address)| (true, address.key()));
    emails.chain(draft.phones.iter().map(|(_, number)| (false, number.key()))).collect()
}

fn customer_keys(customer: &Customer) -> Vec<Key> {
    let emails = customer.emails.iter().map(|email| (true, email.address.key()));
    emails.chain(customer.phones.iter().map(|phone| (false, phone.number.key()))).collect()
}

fn touched(batch: &Batch<'_>, outcomes: &[Outcome]) -> Vec<Touched> {
    let mut seen = BTreeSet::new();
    let distinct = outcomes.iter().flatten().map(|(id, _)| *id).filter(|id| seen.insert(*id));
    distinct
        .filter_map(|id| {
            let (before, after) = batch.customers.get(&id)?;
            let unchanged = before.as_ref().is_some_and(|before| after.difference(before).is_empty());
            let before_version = before.as_ref().map_or(0, |before| before.version);
            let version = if unchanged { before_version } else { before_version + 1 };
            Some(Touched { id, before_version, version, known_by: known_by(after) })
        })
        .collect()
}

fn known_by(customer: &Customer) -> Vec<u64> {
    let references = customer.references.iter().map(fingerprint);
    references.chain(customer_keys(customer).iter().map(fingerprint)).collect()
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Notes which customers a run has touched, each once, and gives how the figures change by it: a batch that comes again
/// changes nothing.
pub(super) async fn note(
    uow: &mut UnitOfWork,
    import: ImportId,
    touched: &[Touched],
    seq: &mut i64,
) -> Result<Tally, Error> {
    let mut records = Vec::with_capacity(touched.len());
    for touched in touched {
        *seq += 1;
        let Touched { id, before_version, version, .. } = touched;
        let (before_version, version) = (*before_version, *version);
        records.push(Record { id: id.uuid(), seq: *seq, before_version, version, mixed: false });
    }
    // Most are touched once: they are written without having been looked for.
    let added = record::add(uow.conn(), import, record::CUSTOMER, &records).await?;
    let (added, again): (Vec<Record>, Vec<Record>) = records.into_iter().partition(|record| added.contains(&record.id));
    let mut tally = Tally::default();
    for record in &added {
        tally.count(record.before_version, record.version, 1);
    }
    if again.is_empty() {
        return Ok(tally);
    }
    let ids: Vec<_> = again.iter().map(|record| record.id).collect();
    let known = record::known(uow.conn(), import, record::CUSTOMER, &ids).await?;
    let mut changed = Vec::with_capacity(again.len());
    for record in again {
        // What could not be added is there, and nobody deletes it while the run is ours.
        let Some(before) = known.get(&record.id) else { continue };
        let mixed = before.mixed || before.version != record.before_version;
        tally.count(before.before_version, before.version, -1);
        tally.count(before.before_version, record.version, 1);
        changed.push(Record { version: record.version, mixed, ..*before });
    }
    record::save(uow.conn(), import, record::CUSTOMER, &changed).await?;
    Ok(tally)
}

/// What a trial run has seen so far: nothing of it is written, and yet each customer is counted once.
#[derive(Debug, Default)]
pub(super) struct Seen {
    created: std::collections::HashSet<u64>,
    known: HashMap<CustomerId, (i64, i64)>,
}

impl Seen {
    /// Counts customers that would be touched.
    pub(super) fn count(&mut self, touched: &[Touched]) -> Tally {
        let mut tally = Tally::default();
        for touched in touched {
            if touched.before_version == 0 {
                let seen = touched.known_by.iter().filter(|key| self.created.contains(key)).count() > 0;
                self.created.extend(&touched.known_by);
                if !seen {
                    tally.created += 1;
                }
                continue;
            }
            let now = (touched.before_version, touched.version);
            match self.known.insert(touched.id, now) {
                Some(before) if before.1 > before.0 => {
                    self.known.insert(touched.id, before);
                }
                Some(before) => {
                    tally.count(before.0, before.1, -1);
                    tally.count(now.0, now.1, 1);
                }
                None => tally.count(now.0, now.1, 1),
            }
        }
        tally
    }
}
