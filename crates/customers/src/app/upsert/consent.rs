//! Consents that come with the entries of a batch.

use std::collections::{BTreeSet, HashMap};

use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{CustomerId, Error as KernelError, Violation, Violations};
use clientele_platform::postgres::UnitOfWork;

use super::{Batch, Outcome, UpsertDraft};
use crate::app::consent::author;
use crate::domain::consent::{
    Channel, GivenAddress, Key, Ledger, MOST_UPSERTED, Point, PointKind, TypedAddress, UpsertDraft as ConsentDraft,
    UpsertStatement as ConsentStatement, Written, points,
};
use crate::domain::contact::Region;
use crate::domain::customer::{Customer, Draft};
use crate::events::publish;
use crate::store::consent::Brought;
use crate::{Error, store};

/// Checks the consents of an entry; the error names each wrong field by its path within the entry.
pub(super) fn check(
    consents: Vec<Result<ConsentStatement, KernelError>>,
    region: Option<Region>,
) -> Result<Vec<ConsentDraft>, KernelError> {
    let mut violations = Violations::new();
    violations.check(consents.len() <= MOST_UPSERTED, "consents", || {
        format!("has {} entries: at most {MOST_UPSERTED} are wanted", consents.len())
    });
    let mut drafts = Vec::with_capacity(consents.len().min(MOST_UPSERTED));
    for (i, consent) in consents.into_iter().take(MOST_UPSERTED).enumerate() {
        let path = format!("consents[{i}]");
        let draft = consent.and_then(|consent| consent.check(region)).map_err(|error| error.within(&path));
        drafts.extend(violations.take(&path, draft));
    }
    violations.into_result()?;
    Ok(drafts)
}

/// Whether the customer has, or gets by this entry, the address a consent was given for.
pub(super) fn reaches(consent: &ConsentDraft, draft: &Draft, known: Option<&Customer>) -> bool {
    let Some(GivenAddress(address)) = &consent.address else { return true };
    let given = match consent.channel.kind() {
        PointKind::Phone => draft.phones.iter().any(|(_, number)| number.key() == address.key),
        PointKind::Email => draft.emails.iter().any(|(_, email)| email.key() == address.key),
    };
    given || known.is_some_and(|customer| point_with(customer, consent.channel, address).is_some())
}

fn point_with(customer: &Customer, channel: Channel, address: &TypedAddress) -> Option<Point> {
    points(customer).into_iter().find(|point| point.kind == channel.kind() && point.address.key == address.key)
}

/// Appends the consents that came with the entries to the ledgers of their customers, whose rows are locked or new.
pub(super) async fn write(
    uow: &mut UnitOfWork,
    batch: &Batch<'_>,
    drafts: &[Result<UpsertDraft, Vec<Violation>>],
    outcomes: &mut [Outcome],
) -> Result<(), Error> {
    let mut said = Vec::new();
    for (i, (draft, outcome)) in drafts.iter().zip(&*outcomes).enumerate() {
        let (Ok(draft), Ok((id, _))) = (draft, outcome) else { continue };
        for consent in &draft.consents {
            let point = match &consent.address {
                None => None,
                Some(GivenAddress(address)) => {
                    let customer = batch.customers.get(id).map(|(_, customer)| customer);
                    let point = customer.and_then(|customer| point_with(customer, consent.channel, address));
                    // Asked for before the entry was applied, and an entry takes no address away.
                    Some(point.ok_or_else(|| KernelError::internal("an address of an upsert has gone"))?)
                }
            };
            let key = Key {
                channel: consent.channel,
                point: point.map(|point| (point.id, point.address)),
                purpose: consent.purpose,
            };
            said.push((i, *id, key, consent));
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    let customers: BTreeSet<CustomerId> = said.iter().map(|(_, id, ..)| *id).collect();
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    let mut newest = store::consent::newest(uow.conn(), &customers).await?;
    let mut ledgers: HashMap<CustomerId, Ledger> =
        customers.into_iter().map(|id| (id, Ledger::new(id, newest.remove(&id).unwrap_or_default()))).collect();
    let grants: Vec<Brought> = said.iter().filter(|(.., consent)| consent.granted).map(brought).collect();
    let mut known_grants = store::consent::known_grants(uow.conn(), &grants).await?;

    let author = author(uow.caller());
    let mut entries = Vec::new();
    for one in &said {
        let (i, id, key, consent) = one;
        if consent.granted && !known_grants.insert(brought(one)) {
            continue;
        }
        let Some(ledger) = ledgers.get_mut(id) else { continue };
        let written =
            ledger.write(key.clone(), consent.granted, consent.evidence.clone(), &author, uow.now(), uow.id());
        if let Written::New(entry) = written {
            entries.push(entry);
            if let Ok((_, outcome @ UpsertOutcome::Unchanged)) = &mut outcomes[*i] {
                *outcome = UpsertOutcome::Updated;
            }
        }
    }
    store::consent::append(uow.conn(), &entries).await?;
    for entry in &entries {
        uow.record(publish::consent(entry));
    }
    Ok(())
}

/// A consent that came with an entry: the entry's place, its customer, what it is for, and the consent itself.
type Said<'a> = (usize, CustomerId, Key, &'a ConsentDraft);

fn brought((_, customer, key, consent): &Said<'_>) -> Brought {
    Brought {
        customer: *customer,
        channel: key.channel,
        address_key: key.point.as_ref().map(|(_, address)| address.key.clone()).unwrap_or_default(),
        purpose: key.purpose,
        evidence: consent.evidence.clone(),
    }
}
