//! Consents: what customers agreed to, entry by entry, and what follows for one contact point.
//!
//! An entry is made for a key: a channel, one address or all there are and will be, one purpose or every one. At birth
//! nothing is agreed to. For a question (may we write to this point, for this purpose?) up to four keys apply; of each the
//! newest entry counts, and of those the most restrictive one wins. A withdrawal for an address holds for every contact
//! point that has it, a consent for the one it was given for alone.
//!
//! When a customer is erased, the addresses of entries are cleared. A withdrawal whose address nobody knows any more may
//! have been for any: it stands against each, until a consent is given for that very contact point.

mod ledger;
mod statement;

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ConsentEntryId, ContactPointId, CustomerId, Origin};

pub(crate) use self::ledger::{Author, Ledger, Written};
pub(crate) use self::statement::{GivenAddress, Statement, UpsertDraft, UpsertStatement, require_kind};
use super::customer::Customer;

/// How many characters of evidence an entry may have.
pub(crate) const LONGEST_EVIDENCE: usize = 2000;
/// How many consents may come with one entry of an upsert.
pub(crate) const MOST_UPSERTED: usize = 20;
/// How many customers may share an address whose consents are looked through.
pub(crate) const MOST_HOLDERS: usize = 500;

/// A way to reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Channel {
    /// Letters to an e-mail address.
    Email,
    /// Text messages to a phone.
    Sms,
    /// Calls to a phone.
    Call,
}

impl Channel {
    pub(crate) const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Call];

    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Call => "call",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// The contact points it goes to.
    pub(crate) const fn kind(self) -> PointKind {
        match self {
            Self::Email => PointKind::Email,
            Self::Sms | Self::Call => PointKind::Phone,
        }
    }
}

/// What a message or call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Advertising.
    Marketing,
    /// About an order, an answer, a request.
    Service,
}

impl Purpose {
    pub(crate) const ALL: [Self; 2] = [Self::Marketing, Self::Service];

    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Service => "service",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// The two kinds of contact points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PointKind {
    Phone,
    Email,
}

impl PointKind {
    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
        }
    }
}

/// A contact point as it stands now, whichever kind it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) id: ContactPointId,
    pub(crate) kind: PointKind,
    pub(crate) address: TypedAddress,
}

/// An address or number: as it was typed, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypedAddress {
    pub(crate) typed: String,
    pub(crate) key: String,
}

/// The contact points of a customer, phones first.
pub(crate) fn points(customer: &Customer) -> Vec<Point> {
    let phones = customer.phones.iter().map(|phone| Point {
        id: phone.id.uuid().into(),
        kind: PointKind::Phone,
        address: TypedAddress { typed: phone.number.typed().to_owned(), key: phone.number.key() },
    });
    let emails = customer.emails.iter().map(|email| Point {
        id: email.id.uuid().into(),
        kind: PointKind::Email,
        address: TypedAddress { typed: email.address.typed().to_owned(), key: email.address.key() },
    });
    phones.chain(emails).collect()
}

/// What an entry is made for. Two entries of the same key speak of the same thing: the newer one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) channel: Channel,
    /// A contact point with the address it had; `None` for all there are and will be.
    pub(crate) point: Option<(ContactPointId, TypedAddress)>,
    /// `None` for every purpose.
    pub(crate) purpose: Option<Purpose>,
}

impl Key {
    /// Whether both speak of the same thing: of an address neither the spelling matters nor which contact point had it. One
    /// that is removed and added again is another contact point, and what was taken back for the address must not be lost.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.channel, self.purpose) == (other.channel, other.purpose) && self.address_key() == other.address_key()
    }

    fn address_key(&self) -> Option<&str> {
        self.point.as_ref().map(|(_, address)| address.key.as_str())
    }
}

/// One entry of the ledger; it never changes, but for what is cleared of it when its customer is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ConsentEntryId,
    pub(crate) customer_id: CustomerId,
    /// Place among the customer's entries, from 1.
    pub(crate) ordinal: i64,
    pub(crate) key: Key,
    pub(crate) granted: bool,
    pub(crate) evidence: String,
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
    pub(crate) integration: Option<String>,
    pub(crate) recorded_at: DateTime<Utc>,
    /// Whether it was made for an address that has been cleared.
    pub(crate) cleared: bool,
}

impl Entry {
    /// Whether it has a say when this point, as it stands now, is to be reached by this channel for this purpose. A
    /// withdrawal has one wherever its address is found again, or may be; a consent stays with the contact point it was given
    /// for.
    fn applies(&self, channel: Channel, point: &Point, purpose: Purpose) -> bool {
        self.is_about(channel, purpose)
            && match &self.key.point {
                None => true,
                Some(_) if self.cleared => !self.granted,
                Some((id, address)) => address.key == point.address.key && (!self.granted || *id == point.id),
            }
    }

    /// Whether it is a withdrawal that stands against an address which no contact point of the customer has. `None` is for
    /// what is no address at all.
    fn stands_against(&self, channel: Channel, address: Option<&TypedAddress>, purpose: Purpose) -> bool {
        !self.granted
            && self.is_about(channel, purpose)
            && match &self.key.point {
                None => true,
                Some(_) if self.cleared => true,
                Some((_, made_for)) => address.is_some_and(|now| now.key == made_for.key),
            }
    }

    fn is_about(&self, channel: Channel, purpose: Purpose) -> bool {
        self.key.channel == channel && self.key.purpose.is_none_or(|own| own == purpose)
    }

    /// Whether it is a withdrawal for an address since cleared that a later consent for this very point takes back.
    fn is_taken_back(&self, newest: &[Entry], point: &Point) -> bool {
        let takes_back =
            |later: &Entry| {
                later.granted
                    && later.ordinal > self.ordinal
                    && (later.key.channel, later.key.purpose) == (self.key.channel, self.key.purpose)
                    && later.key.point.as_ref().is_some_and(|(id, address)| {
                        *id == point.id && !later.cleared && address.key == point.address.key
                    })
            };
        self.cleared && newest.iter().any(takes_back)
    }

    /// Whether what is said holds by this entry already.
    fn says(&self, key: &Key, granted: bool) -> bool {
        let id = |key: &Key| key.point.as_ref().map(|(id, _)| *id);
        self.key.is_same(key) && self.granted == granted && (!granted || id(&self.key) == id(key))
    }
}

/// What holds for one point, channel and purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was ever said: off, as at birth.
    Never,
    /// Given, by these entries.
    Granted(Vec<ConsentEntryId>),
    /// Withdrawn, by these entries.
    Withdrawn(Vec<ConsentEntryId>),
}

/// The entries that have a say, given the newest entry of each key of the customer.
fn deciding<'a>(
    newest: &'a [Entry],
    channel: Channel,
    point: &'a Point,
    purpose: Purpose,
) -> impl Iterator<Item = &'a Entry> {
    newest.iter().filter(move |entry| entry.applies(channel, point, purpose) && !entry.is_taken_back(newest, point))
}

/// What holds, given the newest entry of each key of the customer.
pub(crate) fn verdict(newest: &[Entry], channel: Channel, point: &Point, purpose: Purpose) -> Verdict {
    let (granted, withdrawn): (Vec<&Entry>, Vec<&Entry>) =
        deciding(newest, channel, point, purpose).partition(|entry| entry.granted);
    let ids = |entries: Vec<&Entry>| entries.into_iter().map(|entry| entry.id).collect();
    match (granted.is_empty(), withdrawn.is_empty()) {
        (true, true) => Verdict::Never,
        (false, true) => Verdict::Granted(ids(granted)),
        (_, false) => Verdict::Withdrawn(ids(withdrawn)),
    }
}

/// The withdrawals that stand against an address which no contact point of the customer has, given the newest entry of each
/// key of the customer: those for all contact points, those made while one of the customer's had this address, and those
/// whose address was cleared. Consents given open nothing here: they were for contact points.
pub(crate) fn withdrawals(
    newest: &[Entry],
    channel: Channel,
    address: Option<&TypedAddress>,
    purpose: Purpose,
) -> Vec<ConsentEntryId> {
    newest.iter().filter(|entry| entry.stands_against(channel, address, purpose)).map(|entry| entry.id).collect()
}

/// What holds for one channel at one contact point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) channel: Channel,
    pub(crate) point: ContactPointId,
    pub(crate) marketing: bool,
    pub(crate) service: bool,
    /// The newest entry that has a say.
    pub(crate) entry: Option<Entry>,
}

/// What holds for each channel of each contact point, given the newest entry of each key of the customer.
pub(crate) fn states(points: &[Point], newest: &[Entry]) -> Vec<State> {
    let of = |point: &Point, channel: Channel| {
        let granted = |purpose| matches!(verdict(newest, channel, point, purpose), Verdict::Granted(_));
        let have_a_say = Purpose::ALL.into_iter().flat_map(|purpose| deciding(newest, channel, point, purpose));
        State {
            channel,
            point: point.id,
            marketing: granted(Purpose::Marketing),
            service: granted(Purpose::Service),
            entry: have_a_say.max_by_key(|entry| entry.ordinal).cloned(),
        }
    };
    points
        .iter()
        .flat_map(|point| {
            Channel::ALL.into_iter().filter(|channel| channel.kind() == point.kind).map(move |channel| (point, channel))
        })
        .map(|(point, channel)| of(point, channel))
        .collect()
}

/// An answer to whether a message may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    /// Why not; `None` where it may.
    pub(crate) refusal: Option<Refusal>,
    /// The entries that decide.
    pub(crate) entries: Vec<ConsentEntryId>,
}

/// Why a message may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoConsent,
    ConsentWithdrawn,
    UnknownAddress,
    NoContactPoint,
    SharedTooWidely,
}

impl Refusal {
    /// The name in the contract.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "NO_CONSENT",
            Self::ConsentWithdrawn => "CONSENT_WITHDRAWN",
            Self::UnknownAddress => "UNKNOWN_ADDRESS",
            Self::NoContactPoint => "NO_CONTACT_POINT",
            Self::SharedTooWidely => "SHARED_TOO_WIDELY",
        }
    }
}

impl Permission {
    /// No, for this reason, without any entry that says so.
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), entries: Vec::new() }
    }

    /// What is answered for an address that nobody has: a withdrawal that stands against it weighs more.
    pub(crate) fn of_nobody_s(withdrawals: Vec<ConsentEntryId>) -> Self {
        let refusal = if withdrawals.is_empty() { Refusal::UnknownAddress } else { Refusal::ConsentWithdrawn };
        Self { refusal: Some(refusal), entries: withdrawals }
    }

    /// All must agree; a withdrawal weighs more than silence. Nobody asked is nobody who agreed.
    pub(crate) fn of_all(verdicts: Vec<Verdict>) -> Self {
        let mut withdrawn = Vec::new();
        let mut granted = Vec::new();
        let mut silent = verdicts.is_empty();
        for verdict in verdicts {
            match verdict {
                Verdict::Never => silent = true,
                Verdict::Granted(ids) => granted.extend(ids),
                Verdict::Withdrawn(ids) => withdrawn.extend(ids),
            }
        }
        if !withdrawn.is_empty() {
            Self { refusal: Some(Refusal::ConsentWithdrawn), entries: withdrawn }
        } else if silent {
            Self::refused(Refusal::NoConsent)
        } else {
            Self { refusal: None, entries: granted }
        }
    }
}

#[cfg(test)]
mod tests;
