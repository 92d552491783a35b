//! A letter: as it is asked for, as it was accepted, and as the ledger keeps it.

use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{
    Actor, ConsentEntryId, CustomerId, EmailId, Error, LetterId, Reference, TemplateId, Violations, text,
};

use super::address::Address;
use super::ledger::State;
use super::template::{Content, Texts, Variables};

/// What a letter is for: decides which consents are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Advertising.
    Marketing,
    /// About an order, an answer, a request.
    Service,
}

impl Purpose {
    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Service => "service",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Marketing, Self::Service].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// A customer as customers tells of one.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: CustomerId,
    pub(crate) name: String,
    /// E-mail addresses, the first one first.
    pub(crate) emails: Vec<(EmailId, String)>,
}

/// Where a letter is to go, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A contact point of the customer.
    ContactPoint(EmailId),
    /// An address, and why it may be none of the customer's; empty where no reason was given.
    Address(Address, String),
}

/// Where a letter goes, as customers knows the customer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) contact_point_id: Option<EmailId>,
    pub(crate) address: String,
    /// Why it goes to an address that is none of the customer's; empty otherwise.
    pub(crate) reason: String,
}

impl Recipient {
    const REASON: std::ops::RangeInclusive<usize> = 3..=500;

    /// Takes what is right, noting what is not.
    pub(crate) fn check(
        contact_point_id: &str,
        to_address: &str,
        address_reason: &str,
        violations: &mut Violations,
    ) -> Option<Self> {
        let reason = violations.or_default(text::line(address_reason, *Self::REASON.end(), "address_reason"));
        match (contact_point_id.is_empty(), to_address.trim().is_empty()) {
            (false, true) => {
                let id = EmailId::parse(contact_point_id, "contact_point_id");
                violations.take("contact_point_id", id).map(Self::ContactPoint)
            }
            (true, false) => {
                let address = violations.take("to_address", Address::parse(to_address, "to_address"))?;
                Some(Self::Address(address, reason))
            }
            (true, true) => {
                violations.push("contact_point_id", "is missing: a contact point or `to_address` is wanted");
                None
            }
            (false, false) => {
                violations.push("to_address", "is given besides `contact_point_id`: only one of them is wanted");
                None
            }
        }
    }

    /// Where that is. An address of the customer counts as that contact point, another one needs a reason.
    pub(crate) fn resolve(&self, person: &Person) -> Result<Destination, Error> {
        match self {
            Self::ContactPoint(id) => {
                let known = person.emails.iter().find(|(known, _)| known == id);
                let (id, address) = known.ok_or_else(|| {
                    Error::invalid("contact_point_id", format!("`{id}` is no e-mail address of this customer"))
                })?;
                Address::parse(address, "contact_point_id")?;
                Ok(Destination { contact_point_id: Some(*id), address: address.clone(), reason: String::new() })
            }
            Self::Address(address, reason) => {
                if let Some((id, _)) = person.emails.iter().find(|(_, known)| address.is(known)) {
                    let address = address.as_str().to_owned();
                    return Ok(Destination { contact_point_id: Some(*id), address, reason: String::new() });
                }
                if reason.chars().count() < *Self::REASON.start() {
                    return Err(Error::invalid(
                        "address_reason",
                        format!(
                            "is too short: `{}` is none of this customer's addresses, so {} to {} characters must say why it goes there",
                            shorten(address.as_str()),
                            Self::REASON.start(),
                            Self::REASON.end()
                        ),
                    ));
                }
                Ok(Destination { contact_point_id: None, address: address.as_str().to_owned(), reason: reason.clone() })
            }
        }
    }
}

/// A letter as it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) customer_id: CustomerId,
    pub(crate) recipient: Recipient,
    pub(crate) template_id: Option<TemplateId>,
    pub(crate) variables: Variables,
    /// What is given instead of the template's texts; empty where the template's are to be used.
    pub(crate) texts: Texts,
    pub(crate) purpose: Purpose,
}

/// Who a letter is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) address: String,
    /// Shown before the address; empty for none.
    pub(crate) name: String,
    /// Where answers go; empty for the address itself.
    pub(crate) reply_to: String,
}

/// A letter as the ledger has it.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) id: LetterId,
    pub(crate) customer_id: CustomerId,
    pub(crate) destination: Destination,
    pub(crate) from: Sender,
    pub(crate) content: Content,
    pub(crate) template_id: Option<TemplateId>,
    pub(crate) purpose: Purpose,
    pub(crate) state: State,
    /// Why it was not sent; empty otherwise.
    pub(crate) reason: String,
    /// The mail server's last words, or what else there is to say.
    pub(crate) detail: String,
    pub(crate) consent_entry_ids: Vec<ConsentEntryId>,
    pub(crate) attempts: i32,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    /// When the claim of the worker that has it ends.
    pub(crate) claimed_until: Option<DateTime<Utc>>,
    /// Without angle brackets; the same in every attempt.
    pub(crate) message_id: String,
    pub(crate) actor: Actor,
    /// How another system names it; none for a letter from here.
    pub(crate) reference: Option<Reference>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) settled_at: Option<DateTime<Utc>>,
}

/// What a letter is made of when it is accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) id: LetterId,
    pub(crate) draft: Draft,
    pub(crate) destination: Destination,
    pub(crate) from: Sender,
    pub(crate) content: Content,
    pub(crate) actor: Actor,
    pub(crate) at: DateTime<Utc>,
}

impl Letter {
    /// A letter that waits to be sent.
    pub(crate) fn accept(Accepted { id, draft, destination, from, content, actor, at }: Accepted) -> Self {
        let domain = Address::stored(from.address.clone()).domain().to_owned();
        Self {
            message_id: format!("{id}@{domain}"),
            id,
            customer_id: draft.customer_id,
            destination,
            from,
            content,
            template_id: draft.template_id,
            purpose: draft.purpose,
            state: State::Queued,
            reason: String::new(),
            detail: String::new(),
            consent_entry_ids: Vec::new(),
            attempts: 0,
            next_attempt_at: Some(at),
            claimed_until: None,
            actor,
            reference: None,
            version: 1,
            created_at: at,
            settled_at: None,
        }
    }

    /// A letter that another system sent.
    pub(crate) fn recorded(id: LetterId, entry: Imported, contact_point_id: Option<EmailId>, actor: Actor) -> Self {
        let Imported { reference, customer_id, to_address, from_address, subject, text, purpose, sent_at } = entry;
        Self {
            id,
            customer_id,
            destination: Destination { contact_point_id, address: to_address, reason: String::new() },
            from: Sender { address: from_address, name: String::new(), reply_to: String::new() },
            content: Content { subject, text, html: String::new() },
            template_id: None,
            purpose,
            state: State::Sent,
            reason: String::new(),
            detail: String::new(),
            consent_entry_ids: Vec::new(),
            attempts: 0,
            next_attempt_at: None,
            claimed_until: None,
            message_id: String::new(),
            actor,
            reference: Some(reference),
            version: 1,
            created_at: sent_at,
            settled_at: Some(sent_at),
        }
    }

    /// True where another system sent it.
    pub(crate) fn is_imported(&self) -> bool {
        self.reference.is_some()
    }
}

/// A letter of another system, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) reference: Reference,
    pub(crate) customer_id: CustomerId,
    pub(crate) to_address: String,
    pub(crate) from_address: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) purpose: Purpose,
    pub(crate) sent_at: DateTime<Utc>,
}

impl Imported {
    /// True where a letter of the ledger is this one.
    pub(crate) fn is(&self, letter: &Letter) -> bool {
        letter.customer_id == self.customer_id
            && letter.destination.address == self.to_address
            && letter.from.address == self.from_address
            && letter.content.subject == self.subject
            && letter.content.text == self.text
            && letter.purpose == self.purpose
            && letter.created_at == self.sent_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        let id = |n| EmailId::from(uuid::Uuid::from_u128(n));
        let emails = vec![(id(1), "Ana@example.com".to_owned()), (id(2), "kaputt".to_owned())];
        Person { id: CustomerId::from(uuid::Uuid::from_u128(9)), name: "Ana".to_owned(), emails }
    }

    fn recipient(contact_point: &str, address: &str, reason: &str) -> Result<Recipient, Vec<String>> {
        let mut violations = Violations::new();
        let recipient = Recipient::check(contact_point, address, reason, &mut violations);
        let fields: Vec<_> = violations.into_inner().into_iter().map(|v| v.field).collect();
        recipient.filter(|_| fields.is_empty()).ok_or(fields)
    }

    #[test]
    fn an_address_of_the_customer_counts_as_that_contact_point() {
        let destination = recipient("", "ana@EXAMPLE.com", "").unwrap().resolve(&person()).unwrap();
        assert_eq!(destination.contact_point_id, Some(person().emails[0].0));
        assert_eq!(destination.address, "ana@EXAMPLE.com");
    }

    #[test]
    fn an_address_that_is_none_of_the_customer_s_needs_a_reason() {
        let without = recipient("", "other@example.com", " a ").unwrap().resolve(&person()).unwrap_err();
        assert_eq!(without.violations[0].field, "address_reason");
        let with = recipient("", "other@example.com", "asked for it by phone").unwrap().resolve(&person()).unwrap();
        assert_eq!((with.contact_point_id, with.reason.as_str()), (None, "asked for it by phone"));
    }

    #[test]
    fn one_of_contact_point_and_address_is_wanted() {
        assert_eq!(recipient("", "", "").unwrap_err(), ["contact_point_id"]);
        let id = person().emails[0].0.to_string();
        assert_eq!(recipient(&id, "ana@example.com", "").unwrap_err(), ["to_address"]);
        assert_eq!(recipient("7", "", "").unwrap_err(), ["contact_point_id"]);
    }

    #[test]
    fn a_contact_point_must_be_the_customer_s_and_an_address_mail_can_go_to() {
        for point in [3, 2] {
            let id = uuid::Uuid::from_u128(point).to_string();
            let error = recipient(&id, "", "").unwrap().resolve(&person()).unwrap_err();
            assert_eq!(error.violations[0].field, "contact_point_id");
        }
    }
}
