//! What customers agreed to: entries made, what holds, and whether a message may be sent.

use std::collections::{BTreeSet, HashMap};

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

/// Asks whether a message may be sent.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) customer: CustomerId,
    pub(crate) channel: Channel,
    pub(crate) recipient: Recipient,
    pub(crate) purpose: Purpose,
}

impl Question {
    fn point(&self) -> Option<(CustomerId, ContactPointId)> {
        match self.recipient {
            Recipient::Point(point) => Some((self.customer, point)),
            Recipient::Address(_) => None,
        }
    }
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

/// Who has an address.
enum Holding {
    /// These, and it is written so; the customer asked about alone, where it is one of them.
    Held { holders: Vec<(CustomerId, Point)>, address: String },
    /// Nobody; none where it is no address at all.
    OfNobody(Option<TypedAddress>),
    /// Nobody needs to look further.
    Refused(Refusal),
}

impl Holding {
    fn answer(self, question: &Question, newest: &HashMap<CustomerId, Vec<Entry>>) -> Answer {
        let Question { customer: id, channel, purpose, .. } = question;
        let entries = |customer: &CustomerId| newest.get(customer).map_or(&[][..], Vec::as_slice);
        let (holders, address) = match self {
            Self::Held { holders, address } => (holders, address),
            // The customer may have taken back all there is, or what was given for this address while it was theirs:
            // whoever asks must not get past that with the address alone.
            Self::OfNobody(address) => {
                let withdrawals = withdrawals(entries(id), *channel, address.as_ref(), *purpose);
                return Answer {
                    permission: Permission::of_nobody_s(withdrawals),
                    point: None,
                    address: String::new(),
                };
            }
            Self::Refused(refusal) => {
                return Answer { permission: Permission::refused(refusal), point: None, address: String::new() };
            }
        };
        let own = holders.iter().find(|(holder, _)| holder == id).map(|(_, point)| point.id);
        let withdrawn = match (own, holders.first()) {
            (None, Some((_, point))) => withdrawals(entries(id), *channel, Some(&point.address), *purpose),
            _ => Vec::new(),
        };
        let of = |(holder, point): &(CustomerId, Point)| verdict(entries(holder), *channel, point, *purpose);
        let mut verdicts: Vec<Verdict> = holders.iter().map(of).collect();
        if !withdrawn.is_empty() {
            verdicts.push(Verdict::Withdrawn(withdrawn));
        }
        Answer { permission: Permission::of_all(verdicts), point: own, address }
    }
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

    /// Whether messages may be sent, each answer in the place of its question. Reads what is committed: an entry made before
    /// this is asked has its say. First the addresses are read, then the entries made for them, so that whatever changes in
    /// between can only take an answer back.
    pub(crate) async fn may_send(&self, questions: Vec<Question>) -> Result<Vec<Result<Answer, Error>>, Error> {
        let pool = self.db.pool();
        let asked: Vec<CustomerId> = questions.iter().map(|question| question.customer).collect();
        let existing = store::customer::existing(pool, &asked).await?;
        let points: Vec<(CustomerId, ContactPointId)> = questions.iter().filter_map(Question::point).collect();
        let points = store::consent::points(pool, &points).await?;
        let mut holdings = Vec::with_capacity(questions.len());
        for question in &questions {
            holdings.push(if existing.contains(&question.customer) {
                self.holding(question, &points).await
            } else {
                Err(Error::NotFound(question.customer))
            });
        }
        // Whoever else has an address, the customer asked about may have taken back what was given for it, or all there is.
        let mut concerned: BTreeSet<CustomerId> = asked.into_iter().collect();
        for holding in holdings.iter().flatten() {
            if let Holding::Held { holders, .. } = holding {
                concerned.extend(holders.iter().map(|(holder, _)| *holder));
            }
        }
        let concerned: Vec<CustomerId> = concerned.into_iter().collect();
        let newest = store::consent::newest(pool, &concerned).await?;
        let answers = questions.iter().zip(holdings).map(|(question, holding)| Ok(holding?.answer(question, &newest)));
        Ok(answers.collect())
    }

    /// Who has the address that a message would go to.
    async fn holding(
        &self,
        question: &Question,
        points: &HashMap<(CustomerId, ContactPointId), Point>,
    ) -> Result<Holding, Error> {
        let Question { customer: id, channel, recipient, .. } = question;
        match recipient {
            Recipient::Point(point_id) => {
                let Some(point) = points.get(&(*id, *point_id)) else {
                    return Ok(Holding::Refused(Refusal::NoContactPoint));
                };
                require_kind(*channel, point)?;
                let address = point.address.typed.clone();
                Ok(Holding::Held { holders: vec![(*id, point.clone())], address })
            }
            Recipient::Address(given) => {
                // What is no address at all is nobody's.
                let Ok(GivenAddress(address)) = GivenAddress::try_new(*channel, given, self.region) else {
                    return Ok(Holding::OfNobody(None));
                };
                let pool = self.db.pool();
                let mut holders =
                    store::consent::holders(pool, channel.kind(), &address.key, *id, MOST_HOLDERS + 1).await?;
                if let Some(own) = holders.iter().position(|(holder, _)| holder == id) {
                    holders = vec![holders.swap_remove(own)];
                }
                Ok(match holders.as_slice() {
                    [] => Holding::OfNobody(Some(address)),
                    [(holder, point)] if holder == id => {
                        let typed = point.address.typed.clone();
                        Holding::Held { holders, address: typed }
                    }
                    many if many.len() > MOST_HOLDERS => Holding::Refused(Refusal::SharedTooWidely),
                    _ => Holding::Held { holders, address: address.typed },
                })
            }
        }
    }

    async fn require_customer(&self, id: CustomerId) -> Result<(), Error> {
        if store::customer::exists(self.db.pool(), id).await? { Ok(()) } else { Err(Error::NotFound(id)) }
    }
}

/// In whose name entries are made.
pub(super) fn author(caller: &Caller) -> Author {
    Author { actor: caller.actor.clone(), origin: caller.origin, integration: caller.integration.clone() }
}
