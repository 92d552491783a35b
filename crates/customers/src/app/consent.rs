//! What customers agreed to: entries made, what holds, and whether a message may be sent.

use clientele_contracts::customers::v1 as pb;
use clientele_kernel::{ContactPointId, CustomerId, paging};
use clientele_platform::{Begun, Caller, Command};
use prost::Message;

use super::App;
use crate::domain::consent::{
    Author, Channel, Entry, GivenAddress, Key, Ledger, MOST_HOLDERS, Permission, Point, Purpose, Refusal, State,
    Statement, TypedAddress, Verdict, Written, points, require_kind, states, verdict, withdrawals,
};
use crate::events::publish;
use crate::{Error, contract, store};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;

/// Whom a message is for.
#[derive(Debug, Clone)]
pub(crate) enum Recipient {
    /// A contact point of the customer.
    Point(ContactPointId),
    /// An address or number, whoever has it.
    Address(String),
}

/// An answer to whether a message may be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) permission: Permission,
    /// The contact point of the customer that it would go to.
    pub(crate) point: Option<ContactPointId>,
    /// The address as it stands now.
    pub(crate) address: String,
}

impl App {
    /// Makes an entry, unless what it says holds already; gives the entry by which it holds.
    pub(crate) async fn set_consent(
        &self,
        command: &Command<'_, impl Message>,
        id: CustomerId,
        statement: Statement,
    ) -> Result<pb::ConsentEntry, Error> {
        let draft = statement.check(command.caller.origin)?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        // The customer's row is what makes two writers of one ledger take turns, and keeps the contact points as they are.
        let customer = store::customer::lock(uow.conn(), &[id]).await?.pop().ok_or(Error::NotFound(id))?;
        let point = draft.point(&points(&customer))?;
        let newest = store::consent::newest(uow.conn(), &[id]).await?.remove(&id).unwrap_or_default();
        let key =
            Key { channel: draft.channel, point: point.map(|point| (point.id, point.address)), purpose: draft.purpose };
        let written = Ledger::new(id, newest).write(
            key,
            draft.granted,
            draft.evidence,
            &author(command.caller),
            uow.now(),
            uow.id(),
        );
        let entry = match written {
            Written::Known(entry) => entry,
            Written::New(entry) => {
                store::consent::append(uow.conn(), std::slice::from_ref(&entry)).await?;
                uow.record(publish::consent(&entry));
                entry
            }
        };
        let answer = contract::consent::entry(&entry);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// What holds for each channel of each contact point of a customer.
    pub(crate) async fn consents(&self, id: CustomerId) -> Result<Vec<State>, Error> {
        let customer = self.get(id, true).await?.customer;
        let newest = store::consent::newest(self.db.pool(), &[id]).await?.remove(&id).unwrap_or_default();
        Ok(states(&points(&customer), &newest))
    }

    /// The entries of a customer, newest first, and the token of the next page.
    pub(crate) async fn list_consent_entries(
        &self,
        id: CustomerId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Entry>, String), Error> {
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&["consents", &id.to_string()]);
        let before: Option<i64> = paging::decode(page_token, fingerprint)?;
        let mut entries = store::consent::before(self.db.pool(), id, before, size + 1).await?;
        if entries.is_empty() {
            self.require_customer(id).await?;
        }
        let more = paging::cut(&mut entries, size);
        let token = match entries.last() {
            Some(last) if more => paging::encode(&last.ordinal, fingerprint),
            _ => String::new(),
        };
        Ok((entries, token))
    }

    /// Whether a message may be sent. Reads what is committed: an entry made before this is asked has its say. First the
    /// address is read, then the entries made for it, so that whatever changes in between can only take the answer back.
    pub(crate) async fn may_send(
        &self,
        id: CustomerId,
        channel: Channel,
        recipient: Recipient,
        purpose: Purpose,
    ) -> Result<Answer, Error> {
        self.require_customer(id).await?;
        let pool = self.db.pool();
        let (holders, address) = match recipient {
            Recipient::Point(point_id) => {
                let Some(point) = store::consent::point(pool, id, point_id).await? else {
                    return Ok(refused(Refusal::NoContactPoint));
                };
                require_kind(channel, &point)?;
                let address = point.address.typed.clone();
                (vec![(id, point)], address)
            }
            Recipient::Address(given) => {
                // What is no address at all is nobody's.
                let Ok(GivenAddress(address)) = GivenAddress::try_new(channel, &given, self.region) else {
                    return self.of_nobody_s(id, channel, None, purpose).await;
                };
                let mut holders =
                    store::consent::holders(pool, channel.kind(), &address.key, id, MOST_HOLDERS + 1).await?;
                if let Some(own) = holders.iter().position(|(holder, _)| *holder == id) {
                    holders = vec![holders.swap_remove(own)];
                }
                match holders.as_slice() {
                    [] => return self.of_nobody_s(id, channel, Some(&address), purpose).await,
                    [(holder, point)] if *holder == id => {
                        let typed = point.address.typed.clone();
                        (holders, typed)
                    }
                    many if many.len() > MOST_HOLDERS => return Ok(refused(Refusal::SharedTooWidely)),
                    _ => (holders, address.typed),
                }
            }
        };
        let own = holders.iter().find(|(holder, _)| *holder == id).map(|(_, point)| point.id);
        // Whoever else has the address, the customer asked about may have taken back what was given for it, or all there is.
        let customers: Vec<CustomerId> = holders.iter().map(|(holder, _)| *holder).chain([id]).collect();
        let newest = store::consent::newest(pool, &customers).await?;
        let withdrawn = match (own, holders.first(), newest.get(&id)) {
            (None, Some((_, point)), Some(newest)) => withdrawals(newest, channel, Some(&point.address), purpose),
            _ => Vec::new(),
        };
        let of = |(holder, point): &(CustomerId, Point)| -> Verdict {
            verdict(newest.get(holder).map_or(&[], Vec::as_slice), channel, point, purpose)
        };
        let mut verdicts: Vec<Verdict> = holders.iter().map(of).collect();
        if !withdrawn.is_empty() {
            verdicts.push(Verdict::Withdrawn(withdrawn));
        }
        Ok(Answer { permission: Permission::of_all(verdicts), point: own, address })
    }

    /// The answer for an address that nobody has. The customer may have taken back all there is, or what was given
    /// for this address while it was theirs: whoever asks must not get past that with the address alone.
    async fn of_nobody_s(
        &self,
        id: CustomerId,
        channel: Channel,
        address: Option<&TypedAddress>,
        purpose: Purpose,
    ) -> Result<Answer, Error> {
        let newest = store::consent::newest(self.db.pool(), &[id]).await?.remove(&id).unwrap_or_default();
        let permission = Permission::of_nobody_s(withdrawals(&newest, channel, address, purpose));
        Ok(Answer { permission, point: None, address: String::new() })
    }

    async fn require_customer(&self, id: CustomerId) -> Result<(), Error> {
        if store::customer::exists(self.db.pool(), id).await? { Ok(()) } else { Err(Error::NotFound(id)) }
    }
}

/// In whose name entries are made.
pub(super) fn author(caller: &Caller) -> Author {
    Author { actor: caller.actor.clone(), origin: caller.origin, integration: caller.integration.clone() }
}

fn refused(refusal: Refusal) -> Answer {
    Answer { permission: Permission::refused(refusal), point: None, address: String::new() }
}
