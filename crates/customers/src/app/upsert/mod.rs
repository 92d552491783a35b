//! Create and change many customers at once, known by their references.

mod consent;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use clientele_contracts::customers::v1::{BatchUpsertCustomersResponse, UpsertCustomerResult};
use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{CustomerId, Error as KernelError, Ids, Reference, Violation};
use clientele_platform::{Begun, Command, proto};
use prost::Message;

use super::App;
use crate::domain::consent::{UpsertDraft as ConsentDraft, UpsertStatement as ConsentStatement};
use crate::domain::contact::Region;
use crate::domain::customer::{Customer, Draft, Event, Repeats, Statement};
use crate::events::publish;
use crate::store::customer::Change;
use crate::{Error, store};

/// How often a batch is begun again when another one came in between.
const MOST_ATTEMPTS: u32 = 5;

/// One entry of a batch as it arrived: how the source names the customer, and what it knows. An error is one of its
/// form, with paths within the entry.
pub(crate) struct UpsertStatement {
    pub(crate) source: String,
    pub(crate) external_id: String,
    pub(crate) statement: Result<Statement, KernelError>,
    /// Consents that come with it, each right or wrong in its form.
    pub(crate) consents: Vec<Result<ConsentStatement, KernelError>>,
}

/// An entry that is right by itself.
struct UpsertDraft {
    reference: Reference,
    draft: Draft,
    consents: Vec<ConsentDraft>,
}

/// What became of an entry, or why it was refused.
type Outcome = Result<(CustomerId, UpsertOutcome), Vec<Violation>>;

impl App {
    /// Creates or changes customers known by a reference, in one transaction. Wrong entries are refused one by one.
    pub(crate) async fn batch_upsert(
        &self,
        command: &Command<'_, impl Message>,
        entries: Vec<UpsertStatement>,
    ) -> Result<BatchUpsertCustomersResponse, Error> {
        let drafts = check(entries, self.region);
        let mut attempt = 1;
        loop {
            match self.try_batch_upsert(command, &drafts).await {
                Err(error) if error.is_race() && attempt < MOST_ATTEMPTS => attempt += 1,
                Err(Error::ReferenceTaken(_)) => {
                    return Err(KernelError::unavailable("other writers create the same customers: try again").into());
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_batch_upsert(
        &self,
        command: &Command<'_, impl Message>,
        drafts: &[Result<UpsertDraft, Vec<Violation>>],
    ) -> Result<BatchUpsertCustomersResponse, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let mut batch = Batch::new(uow.now(), self.db.ids());
        let references = drafts.iter().flatten().flat_map(|entry| &entry.draft.references);
        batch.owners = store::reference::owners(uow.conn(), references).await?;
        let known: Vec<CustomerId> = batch.owners.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
        batch.take_known(store::customer::lock(uow.conn(), &known).await?);

        let mut outcomes: Vec<Outcome> = drafts
            .iter()
            .map(|entry| entry.as_ref().map_err(Clone::clone).and_then(|entry| batch.apply(entry)))
            .collect();

        let written = batch.written();
        store::customer::save(uow.conn(), &written.iter().map(|(change, _)| *change).collect::<Vec<_>>()).await?;
        for (change, event) in &written {
            uow.record(publish::entry(change.after, event));
        }
        consent::write(&mut uow, &batch, drafts, &mut outcomes).await?;
        let answer = BatchUpsertCustomersResponse { results: outcomes.into_iter().map(result).collect() };
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// Checks each entry by itself; one whose reference was given before in the batch is refused.
fn check(entries: Vec<UpsertStatement>, region: Option<Region>) -> Vec<Result<UpsertDraft, Vec<Violation>>> {
    let mut first_places: HashMap<Reference, usize> = HashMap::with_capacity(entries.len());
    entries
        .into_iter()
        .enumerate()
        .map(|(i, entry)| {
            let reference =
                Reference::try_new(&entry.source, &entry.external_id).map_err(|error| error.within("reference"));
            let draft = entry
                .statement
                .and_then(|statement| statement.check(region, Repeats::Drop))
                .map_err(|error| error.within("customer"));
            let consents = consent::check(entry.consents, region);
            let (reference, mut draft, consents) = match (reference, draft, consents) {
                (Ok(reference), Ok(draft), Ok(consents)) => (reference, draft, consents),
                (reference, draft, consents) => {
                    let errors = [reference.err(), draft.err(), consents.err()];
                    return Err(errors.into_iter().flatten().flat_map(|error| error.violations).collect());
                }
            };
            match first_places.entry(reference.clone()) {
                Entry::Occupied(first) => {
                    let first = first.get();
                    return Err(refused(
                        "reference",
                        format!("is given twice in this batch: entry {first} has it already"),
                    ));
                }
                Entry::Vacant(place) => place.insert(i),
            };
            draft.references.retain(|other| *other != reference);
            draft.references.insert(0, reference.clone());
            Ok(UpsertDraft { reference, draft, consents })
        })
        .collect()
}

fn within_customer(error: KernelError) -> Vec<Violation> {
    error.within("customer").violations
}

fn refused(field: &str, description: String) -> Vec<Violation> {
    vec![Violation::new(field, description)]
}

fn result(outcome: Outcome) -> UpsertCustomerResult {
    match outcome {
        Ok((id, outcome)) => {
            UpsertCustomerResult { customer_id: id.to_string(), outcome: outcome.into(), violations: Vec::new() }
        }
        Err(violations) => UpsertCustomerResult {
            customer_id: String::new(),
            outcome: UpsertOutcome::Refused.into(),
            violations: proto::violations(violations),
        },
    }
}

/// The customers of a batch while its entries are applied one after the other: two entries may be about one customer.
pub(super) struct Batch<'a> {
    now: DateTime<Utc>,
    ids: &'a Ids,
    pub(super) owners: HashMap<Reference, CustomerId>,
    /// As they were, where they were, and as they are.
    pub(super) customers: HashMap<CustomerId, (Option<Customer>, Customer)>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(now: DateTime<Utc>, ids: &'a Ids) -> Self {
        Self { now, ids, owners: HashMap::new(), customers: HashMap::new() }
    }

    pub(super) fn take_known(&mut self, customers: Vec<Customer>) {
        self.customers.extend(customers.into_iter().map(|customer| (customer.id, (Some(customer.clone()), customer))));
    }

    fn apply(&mut self, UpsertDraft { reference, draft, consents }: &UpsertDraft) -> Outcome {
        let owner = self.owners.get(reference).copied();
        // The first reference is the entry's own; the others are the customer's list, as the caller counts it.
        let foreign = |other: &Reference| self.owners.get(other).is_some_and(|its_owner| Some(*its_owner) != owner);
        if let Some(i) = draft.references.iter().skip(1).position(foreign) {
            return Err(refused(&format!("customer.references[{i}]"), "belongs to another customer".to_owned()));
        }
        let known = owner.and_then(|id| self.customers.get(&id)).map(|(_, customer)| customer);
        if let Some(i) = consents.iter().position(|one| !consent::reaches(one, draft, known)) {
            return Err(refused(
                &format!("consents[{i}].address"),
                "is no address of this customer: give it among the customer's phones or emails".to_owned(),
            ));
        }
        self.merge_or_create(owner, draft).map_err(within_customer)
    }

    /// Has the owner take over a draft, or creates a customer of it where there is none.
    pub(super) fn merge_or_create(
        &mut self,
        owner: Option<CustomerId>,
        draft: &Draft,
    ) -> Result<(CustomerId, UpsertOutcome), KernelError> {
        let outcome = if let Some((_, customer)) = owner.and_then(|id| self.customers.get_mut(&id)) {
            let event = customer.merge(draft, self.now, self.ids)?;
            (customer.id, if event.is_some() { UpsertOutcome::Updated } else { UpsertOutcome::Unchanged })
        } else {
            let customer = Customer::create(draft.clone(), self.now, self.ids)?;
            let id = customer.id;
            self.customers.insert(id, (None, customer));
            (id, UpsertOutcome::Created)
        };
        self.owners.extend(draft.references.iter().map(|reference| (reference.clone(), outcome.0)));
        Ok(outcome)
    }

    /// The customers to write, in the order of their ids, and what happened to each. However many entries changed one,
    /// its version rises once.
    pub(super) fn written(&mut self) -> Vec<(Change<'_>, Event)> {
        let mut written: Vec<_> = self
            .customers
            .values_mut()
            .filter_map(|(before, after)| match before {
                None => {
                    after.version = 1;
                    Some((Change { before: None, after }, Event::Created))
                }
                Some(before) => {
                    let fields = after.difference(before);
                    after.version = before.version + 1;
                    (!fields.is_empty()).then_some((Change { before: Some(before), after }, Event::Updated(fields)))
                }
            })
            .collect();
        written.sort_unstable_by_key(|(change, _)| change.after.id);
        written
    }
}
