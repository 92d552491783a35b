//! Letters that another system sent: recorded as they were, never sent.

use std::collections::{HashMap, HashSet};

use clientele_kernel::{Error, LetterId, Reference, Violation, Violations};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Command};
use prost::Message;

use super::customer::Customers;
use crate::domain::email::{Imported, Letter};
use crate::events::publish;
use crate::store;

const MOST_ENTRIES: usize = 200;

/// Records letters of other systems.
#[derive(Clone)]
pub(crate) struct Imports {
    db: Database,
    customers: Customers,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It was not known and is recorded now.
    Created(LetterId),
    /// It was known as given; nothing was written.
    Unchanged(LetterId),
    /// It was refused.
    Refused(Vec<Violation>),
}

/// Entries that are still to be decided, with their place in the request, and what became of the others.
struct Batch {
    outcomes: Vec<Option<Recorded>>,
    open: Vec<(usize, Imported)>,
}

impl Batch {
    /// Entries that are wrong, and those whose reference came before, are refused. The others are in the order of their
    /// references: in this order everybody writes.
    fn new(entries: Vec<Result<Imported, Violations>>) -> Self {
        let mut batch = Self { outcomes: entries.iter().map(|_| None).collect(), open: Vec::new() };
        let mut seen: HashSet<Reference> = HashSet::new();
        for (place, entry) in entries.into_iter().enumerate() {
            match entry {
                Err(violations) => batch.outcomes[place] = Some(Recorded::Refused(violations.into_inner())),
                Ok(entry) if seen.insert(entry.reference.clone()) => batch.open.push((place, entry)),
                Ok(_) => batch.refuse(place, "reference", "is that of an earlier entry of the same batch"),
            }
        }
        batch.open.sort_by(|a, b| a.1.reference.cmp(&b.1.reference));
        batch
    }

    fn refuse(&mut self, place: usize, field: &str, description: &str) {
        let violation = Violation::new(field, description);
        self.outcomes[place] = Some(Recorded::Refused(vec![violation]));
    }

    /// Goes through the open entries: those for which `decide` gives an outcome are settled, the others stay open.
    fn settle(&mut self, mut decide: impl FnMut(&Imported) -> Option<Recorded>) {
        for (place, entry) in std::mem::take(&mut self.open) {
            match decide(&entry) {
                Some(outcome) => self.outcomes[place] = Some(outcome),
                None => self.open.push((place, entry)),
            }
        }
    }
}

impl Imports {
    pub(crate) fn new(db: Database, customers: Customers) -> Self {
        Self { db, customers }
    }

    /// Records letters, in one unit of work.
    pub(crate) async fn record<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        entries: Vec<Result<Imported, Violations>>,
        answer: fn(Vec<Recorded>) -> R,
    ) -> Result<R, Error> {
        if !(1..=MOST_ENTRIES).contains(&entries.len()) {
            let given = entries.len();
            return Err(Error::invalid("entries", format!("{given} are given: 1 to {MOST_ENTRIES} are wanted")));
        }
        let mut batch = Batch::new(entries);
        let people = self.customers.existing(batch.open.iter().map(|(_, entry)| entry.customer_id)).await?;
        batch.settle(|entry| {
            (!people.contains_key(&entry.customer_id)).then(|| {
                let description = format!("there is no customer `{}`", entry.customer_id);
                Recorded::Refused(vec![Violation::new("customer_id", description)])
            })
        });

        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        settle_known(&mut uow, &mut batch).await?;
        let letters: Vec<Letter> = batch
            .open
            .iter()
            .map(|(_, entry)| {
                let addresses =
                    people.get(&entry.customer_id).map(|person| person.emails.as_slice()).unwrap_or_default();
                let to = entry.to_address.to_lowercase();
                let contact_point = addresses.iter().find(|(_, address)| address.trim().to_lowercase() == to);
                let actor = uow.caller().actor.clone();
                Letter::recorded(uow.id(), entry.clone(), contact_point.map(|(id, _)| *id), actor)
            })
            .collect();
        if !letters.is_empty() {
            let added: HashSet<LetterId> =
                store::email::insert_recorded(uow.conn(), &letters).await?.into_iter().collect();
            let mut ids: HashMap<Reference, LetterId> = HashMap::new();
            for letter in letters.into_iter().filter(|letter| added.contains(&letter.id)) {
                uow.record(publish::accepted(&letter));
                ids.extend(letter.reference.map(|reference| (reference, letter.id)));
            }
            batch.settle(|entry| ids.get(&entry.reference).copied().map(Recorded::Created));
            // What is still open was recorded by somebody else since it was looked for.
            settle_known(&mut uow, &mut batch).await?;
        }
        let outcomes = batch.outcomes.into_iter().collect::<Option<Vec<_>>>();
        let answer = answer(outcomes.ok_or_else(|| Error::internal("an entry of a batch was not decided"))?);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// Settles the entries whose letters are known. What was sent stays what it was: an entry that says otherwise is refused.
async fn settle_known(uow: &mut UnitOfWork, batch: &mut Batch) -> Result<(), Error> {
    if batch.open.is_empty() {
        return Ok(());
    }
    let references: Vec<Reference> = batch.open.iter().map(|(_, entry)| entry.reference.clone()).collect();
    let known = store::email::by_reference(uow.conn(), &references).await?;
    let known: HashMap<Reference, Letter> =
        known.into_iter().filter_map(|letter| Some((letter.reference.clone()?, letter))).collect();
    batch.settle(|entry| {
        let letter = known.get(&entry.reference)?;
        Some(if entry.is(letter) {
            Recorded::Unchanged(letter.id)
        } else {
            let description = "is that of a letter recorded before with other content: what was sent does not change";
            Recorded::Refused(vec![Violation::new("reference", description)])
        })
    });
    Ok(())
}
