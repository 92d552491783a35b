//! Dialogs that another system held.

use std::collections::{BTreeMap, HashMap};

use clientele_kernel::{ChannelId, DialogId, Error, Reference, Violations};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{Begun, Command};
use prost::Message;

use super::Dialogs;
use crate::domain::channel::Channel;
use crate::domain::dialog::import::Record;
use crate::events::publish;
use crate::store;

/// How many dialogs a batch has at most.
pub(crate) const MOST_ENTRIES: usize = 50;

/// What became of an entry.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was not known and was recorded.
    Created(DialogId),
    /// It was recorded before, as given.
    Unchanged(DialogId),
    /// It was refused.
    Refused(Violations),
}

impl Dialogs {
    /// Records dialogs that another system held, each known by its reference. Entries that are wrong are refused, the
    /// others are written; a dialog that is known already stays as it is.
    pub(crate) async fn import<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        entries: Vec<Result<Record, Violations>>,
        answer: fn(Vec<Outcome>) -> R,
    ) -> Result<R, Error> {
        let count = entries.len();
        if !(1..=MOST_ENTRIES).contains(&count) {
            let wrong = format!("has {count} entries: 1 to {MOST_ENTRIES} are wanted");
            return Err(Error::invalid("entries", wrong));
        }
        let customers = self.lookup.customers(entries.iter().flatten().map(|record| record.customer_id)).await?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let channels = channels(&mut uow, &entries).await?;
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(count);
        // In the order of their references, so that two batches never wait for each other in a circle.
        let mut open: BTreeMap<Reference, (usize, Record)> = BTreeMap::new();
        for (place, entry) in entries.into_iter().enumerate() {
            let checked = entry.and_then(|record| {
                let mut violations = Violations::new();
                violations.check(channels.contains_key(&record.channel_id), "channel_id", || {
                    format!("there is no channel `{}`", record.channel_id)
                });
                violations.check(customers.contains(&record.customer_id), "customer_id", || {
                    format!("there is no customer `{}`", record.customer_id)
                });
                if let Some((earlier, _)) = open.get(&record.reference) {
                    violations.push("reference", format!("is that of entry {earlier} of the same batch"));
                }
                if violations.is_empty() { Ok(record) } else { Err(violations) }
            });
            match checked {
                Ok(record) => {
                    open.insert(record.reference.clone(), (place, record));
                    outcomes.push(None);
                }
                Err(violations) => outcomes.push(Some(Outcome::Refused(violations))),
            }
        }
        self.write_new(&mut uow, &mut outcomes, open, &channels).await?;
        let outcomes = outcomes
            .into_iter()
            .map(|outcome| outcome.ok_or_else(|| Error::internal("an entry of a batch was not decided")))
            .collect::<Result<Vec<_>, Error>>()?;
        let answer = answer(outcomes);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    async fn write_new(
        &self,
        uow: &mut UnitOfWork,
        outcomes: &mut [Option<Outcome>],
        mut open: BTreeMap<Reference, (usize, Record)>,
        channels: &HashMap<ChannelId, Channel>,
    ) -> Result<(), Error> {
        settle_known(uow, outcomes, &mut open).await?;
        let now = uow.now();
        let mut dialogs = Vec::new();
        let mut messages = HashMap::new();
        for (_, record) in open.values() {
            let channel = channels.get(&record.channel_id);
            let drawn = channel.and_then(|channel| record.clone().into_dialog(channel, now, self.db.ids()));
            let (dialog, entries) = drawn.ok_or_else(|| Error::internal("a checked record makes no dialog"))?;
            messages.insert(dialog.id, entries);
            dialogs.push(dialog);
        }
        if dialogs.is_empty() {
            return Ok(());
        }
        let added = store::dialog::insert(uow.conn(), &dialogs).await?;
        let mut all = Vec::new();
        for dialog in dialogs.iter().filter(|dialog| added.contains(&dialog.id)) {
            let entries = messages.remove(&dialog.id).unwrap_or_default();
            uow.record(publish::dialog(dialog, &entries).occurred_at(dialog.last_message.created_at));
            all.extend(entries);
            let reference = dialog.origin.as_ref().map(|origin| &origin.reference);
            if let Some((place, _)) = reference.and_then(|reference| open.remove(reference)) {
                outcomes[place] = Some(Outcome::Created(dialog.id));
            }
        }
        store::dialog::message::insert(uow.conn(), &all).await?;
        // What is still open was recorded by somebody else since it was looked for.
        settle_known(uow, outcomes, &mut open).await
    }
}

/// Settles the entries whose dialog is known: told as it was before it is unchanged, told otherwise it is refused.
async fn settle_known(
    uow: &mut UnitOfWork,
    outcomes: &mut [Option<Outcome>],
    open: &mut BTreeMap<Reference, (usize, Record)>,
) -> Result<(), Error> {
    let references: Vec<Reference> = open.keys().cloned().collect();
    for known in store::dialog::recorded(uow.conn(), &references).await? {
        let Some((place, record)) = open.remove(&known.reference) else { continue };
        outcomes[place] = Some(if known.content_hash == record.content_hash() {
            Outcome::Unchanged(known.id)
        } else {
            let mut violations = Violations::new();
            let wrong = "names a dialog that was recorded with other content: what was said does not change";
            violations.push("reference", wrong);
            Outcome::Refused(violations)
        });
    }
    Ok(())
}

/// The channels that the entries name, as far as they exist.
async fn channels(
    uow: &mut UnitOfWork,
    entries: &[Result<Record, Violations>],
) -> Result<HashMap<ChannelId, Channel>, Error> {
    let ids: Vec<ChannelId> = entries.iter().flatten().map(|record| record.channel_id).collect();
    let found = store::channel::by_id(uow.conn(), &ids).await?;
    Ok(found.into_iter().map(|channel| (channel.id, channel)).collect())
}
