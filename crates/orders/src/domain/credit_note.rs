//! Credit notes: money given back, on its own date, for an order or for none in particular.

use chrono::{DateTime, Utc};
use clientele_kernel::{CreditNoteId, Currency, CustomerId, Money, OrderId, Reference, Violations, text};

use super::amount;
use super::content::{ContentHash, ContentHasher};
use super::line::{Line, LineContent, LineDraft, Purpose};
use super::order::{count_of, moment};
use super::status::StatusGroup;

/// A credit note as a caller gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CreditNoteDraft {
    /// Source and external id.
    pub(crate) reference: Option<(String, String)>,
    pub(crate) number: String,
    pub(crate) customer_id: String,
    pub(crate) order_id: String,
    pub(crate) issued_at: Option<DateTime<Utc>>,
    pub(crate) currency: String,
    pub(crate) lines: Vec<LineDraft>,
}

/// A credit note as a caller gives it, checked as far as that goes without looking anything up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreditNoteContent {
    pub(crate) reference: Reference,
    /// `None` where it does not say.
    pub(crate) number: Option<String>,
    /// `None` where it does not say.
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<LineContent>,
    pub(crate) total: Money,
}

impl CreditNoteContent {
    /// Checks a credit note of a batch.
    pub(crate) fn check(draft: &CreditNoteDraft) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let own = &mut violations;
        let reference = if let Some((source, external_id)) = &draft.reference {
            Reference::check(source, external_id, "reference", own)
        } else {
            own.push("reference", "is missing: it is the key of the entry");
            None
        };
        let number = own.or_default(text::line(&draft.number, 100, "number"));
        let customer_id =
            own.take("customer_id", CustomerId::parse_optional(&draft.customer_id, "customer_id")).flatten();
        let order_id = own.take("order_id", OrderId::parse_optional(&draft.order_id, "order_id")).flatten();
        let issued_at = moment(draft.issued_at, "issued_at", own);
        let currency = own.take("currency", Currency::parse(&draft.currency, "currency"));
        let source = draft.reference.as_ref().map(|(source, _)| source.as_str());
        let lines = LineContent::check_all(&draft.lines, source, currency, Purpose::CreditNote, own);
        let total = currency.map(|currency| Money::sum(lines.iter().map(|line| line.amount), currency));
        match total {
            Some(Err(error)) => own.push("lines", format!("their sum: {error}")),
            Some(Ok(total)) if own.is_empty() => {
                own.check(total.minor > 0, "lines", || {
                    format!("their sum, {total}, is not above zero: nothing is given back")
                });
                amount::check(total, "their sum", "lines", own);
            }
            _ => {}
        }
        match (reference, issued_at, currency, total) {
            (Some(reference), Some(issued_at), Some(currency), Some(Ok(total))) if violations.is_empty() => Ok(Self {
                reference,
                number: (!number.is_empty()).then_some(number),
                customer_id,
                order_id,
                issued_at,
                currency,
                lines,
                total,
            }),
            _ => Err(violations),
        }
    }

    /// The fingerprint of what is said. A customer that is left out is the one the note has: leaving it out says nothing.
    pub(crate) fn hash(&self, present_customer: Option<CustomerId>) -> ContentHash {
        self.hash_with(self.customer_id.or(present_customer))
    }

    /// True where this says nothing new to the note that has this customer and this fingerprint. A note that got its
    /// customer from its order keeps the fingerprint of what its source said, made when nobody was known: to name nobody,
    /// or the customer whom the note has by now, is nothing new either.
    pub(crate) fn is_known(&self, present_customer: Option<CustomerId>, stored: &ContentHash) -> bool {
        let same_customer = self.customer_id.is_none() || self.customer_id == present_customer;
        self.hash(present_customer) == *stored || same_customer && self.hash_with(None) == *stored
    }

    fn hash_with(&self, customer_id: Option<CustomerId>) -> ContentHash {
        let mut hasher = ContentHasher::new("credit_note", 1);
        let customer_id = customer_id.map(|id| id.to_string());
        hasher.optional(self.number.as_deref());
        hasher.optional(customer_id.as_deref());
        hasher.optional(self.order_id.map(|id| id.to_string()).as_deref());
        hasher.number(self.issued_at.timestamp_micros());
        hasher.text(self.currency.code());
        self.lines.iter().for_each(|line| line.hash(&mut hasher));
        hasher.finish()
    }
}

/// As much of the order that a credit note takes back as the rules need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkedOrder {
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) status_group: StatusGroup,
    pub(crate) currency: Currency,
    pub(crate) gross: Money,
    /// What other credit notes have given back for it, in minor units.
    pub(crate) given_back_minor: i64,
}

impl LinkedOrder {
    /// Fails, naming the field, unless the note fits the order: one that was not called off, the same customer, the same
    /// currency, and no more given back, other notes included, than was sold. Adds the note's total to what was given back.
    pub(crate) fn take_back(&mut self, content: &CreditNoteContent, violations: &mut Violations) {
        violations.check(self.status_group != StatusGroup::Cancelled, "order_id", || {
            "is that of an order that was called off: it counts as nothing, and there is nothing to give back"
                .to_owned()
        });
        if let Some(given) = content.customer_id {
            violations.check(Some(given) == self.customer_id, "customer_id", || {
                let present =
                    self.customer_id.map_or_else(|| "nobody known".to_owned(), |id| format!("customer `{id}`"));
                format!("`{given}` is not the customer of the order, which belongs to {present}")
            });
        }
        violations.check(content.currency == self.currency, "currency", || {
            format!("{} is not the currency of the order, {} is", content.currency, self.currency)
        });
        if !violations.is_empty() {
            return;
        }
        match self.given_back_minor.checked_add(content.total.minor) {
            Some(sum) if sum <= self.gross.minor => self.given_back_minor = sum,
            _ => violations.push(
                "order_id",
                format!(
                    "{} is more than can be given back: {} was sold, of which {} went back before",
                    content.total,
                    self.gross,
                    Money::new(self.given_back_minor, self.currency)
                ),
            ),
        }
    }
}

/// A credit note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreditNote {
    pub(crate) id: CreditNoteId,
    pub(crate) reference: Reference,
    pub(crate) number: String,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) currency: Currency,
    /// Empty where they were not asked for.
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) line_count: i32,
    /// Fingerprint of what the source last said.
    pub(crate) content_hash: ContentHash,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl CreditNote {
    /// A new credit note. One that names no customer has that of its order.
    pub(crate) fn create(
        id: CreditNoteId,
        number: String,
        content: &CreditNoteContent,
        order_customer: Option<CustomerId>,
        lines: Vec<Line>,
        now: DateTime<Utc>,
    ) -> Self {
        let customer_id = content.customer_id.or(order_customer);
        Self {
            id,
            reference: content.reference.clone(),
            number,
            customer_id,
            order_id: content.order_id,
            issued_at: content.issued_at,
            currency: content.currency,
            line_count: count_of(&lines),
            lines,
            total: content.total,
            content_hash: content.hash(customer_id),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Fails where the source's new content breaks a rule, naming the field: a customer, once set, stays.
    pub(crate) fn allows(
        &self,
        content: &CreditNoteContent,
        order_customer: Option<CustomerId>,
        violations: &mut Violations,
    ) {
        if let (Some(present), Some(given)) = (self.customer_id, content.customer_id.or(order_customer)) {
            violations.check(present == given, "customer_id", || {
                format!("the credit note belongs to customer `{present}` and cannot be given to `{given}`")
            });
        }
    }

    /// Gives the note, which is nobody's, the customer whom its order has got. Its fingerprint stays: the source has said
    /// nothing, see [`CreditNoteContent::is_known`].
    pub(crate) fn belong_to(&mut self, customer_id: CustomerId, now: DateTime<Utc>) {
        self.customer_id = Some(customer_id);
        self.version += 1;
        self.updated_at = now;
    }

    /// The note after its source said something else. Ask [`CreditNote::allows`] first.
    pub(crate) fn replaced(
        &self,
        content: &CreditNoteContent,
        order_customer: Option<CustomerId>,
        lines: Vec<Line>,
        now: DateTime<Utc>,
    ) -> Self {
        let customer_id = self.customer_id.or(content.customer_id).or(order_customer);
        Self {
            id: self.id,
            reference: self.reference.clone(),
            number: content.number.clone().unwrap_or_else(|| self.number.clone()),
            customer_id,
            order_id: content.order_id,
            issued_at: content.issued_at,
            currency: content.currency,
            line_count: count_of(&lines),
            lines,
            total: content.total,
            content_hash: content.hash(customer_id),
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn draft() -> CreditNoteDraft {
        let line =
            LineDraft { sku: "D".into(), quantity: "1".into(), unit_price: "27.50".into(), ..LineDraft::default() };
        CreditNoteDraft {
            reference: Some(("shop".into(), "C536379".into())),
            issued_at: Some("2010-12-01T09:41:00Z".parse().unwrap()),
            currency: "GBP".into(),
            lines: vec![line],
            ..CreditNoteDraft::default()
        }
    }

    fn fields(draft: &CreditNoteDraft) -> Vec<String> {
        match CreditNoteContent::check(draft) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.into_inner().into_iter().map(|v| v.field).collect(),
        }
    }

    fn order(gross: i64, code: &str) -> LinkedOrder {
        let currency = Currency::from_code(code).unwrap();
        let status_group = StatusGroup::Completed;
        LinkedOrder {
            customer_id: None,
            status_group,
            currency,
            gross: Money::new(gross, currency),
            given_back_minor: 0,
        }
    }

    fn taking_back(order: &mut LinkedOrder, content: &CreditNoteContent) -> Vec<String> {
        let mut violations = Violations::new();
        order.take_back(content, &mut violations);
        violations.into_inner().into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn a_credit_note_gives_something_back() {
        assert_eq!(CreditNoteContent::check(&draft()).unwrap().total.minor, 2750);
        let mut nothing = draft();
        nothing.lines[0].unit_price = "0.001".into();
        assert_eq!(fields(&nothing), ["lines"]);
        assert_eq!(fields(&CreditNoteDraft { reference: None, ..draft() }), ["reference", "lines[0].product_id"]);
    }

    #[test]
    fn no_more_is_given_back_than_was_sold_over_all_notes_of_an_order() {
        let content = CreditNoteContent::check(&draft()).unwrap();
        let mut order = order(5500, "GBP");
        assert_eq!(taking_back(&mut order, &content), [""; 0]);
        assert_eq!(taking_back(&mut order, &content), [""; 0]);
        assert_eq!(taking_back(&mut order, &content), ["order_id"]);
        assert_eq!(order.given_back_minor, 5500);
    }

    #[test]
    fn nothing_is_given_back_for_an_order_that_was_called_off() {
        let content = CreditNoteContent::check(&draft()).unwrap();
        let mut called_off = LinkedOrder { status_group: StatusGroup::Cancelled, ..order(5500, "GBP") };
        assert_eq!(taking_back(&mut called_off, &content), ["order_id"]);
    }

    #[test]
    fn what_was_said_of_nobody_says_nothing_new_once_the_note_has_a_customer() {
        let customer = |number| Some(CustomerId::from(Uuid::from_u128(number)));
        let unnamed = CreditNoteContent::check(&draft()).unwrap();
        let stored = unnamed.hash(None);
        let named = |customer_id| CreditNoteContent { customer_id, ..unnamed.clone() };
        assert!(unnamed.is_known(customer(1), &stored));
        assert!(named(customer(1)).is_known(customer(1), &stored));
        assert!(!named(customer(2)).is_known(customer(1), &stored));
        assert!(!named(customer(1)).is_known(None, &stored), "a customer is added");
        let other = CreditNoteContent { number: Some("7".into()), ..unnamed.clone() };
        assert!(!other.is_known(customer(1), &stored));
    }

    #[test]
    fn the_total_of_a_note_is_bounded() {
        let half = LineDraft { unit_price: "500000000000".into(), ..draft().lines.remove(0) };
        let more = LineDraft { unit_price: "500000000000.01".into(), ..half.clone() };
        assert_eq!(fields(&CreditNoteDraft { lines: vec![half.clone(), half.clone()], ..draft() }), [""; 0]);
        assert_eq!(fields(&CreditNoteDraft { lines: vec![half, more], ..draft() }), ["lines"]);
    }

    #[test]
    fn a_note_has_the_customer_and_the_currency_of_its_order() {
        let content = CreditNoteContent::check(&draft()).unwrap();
        assert_eq!(taking_back(&mut order(5500, "EUR"), &content), ["currency"]);
        let named = CreditNoteContent { customer_id: Some(CustomerId::from(Uuid::from_u128(1))), ..content };
        assert_eq!(taking_back(&mut order(5500, "GBP"), &named), ["customer_id"]);
    }

    #[test]
    fn a_note_that_names_no_customer_has_that_of_its_order_and_keeps_it() {
        let content = CreditNoteContent::check(&draft()).unwrap();
        let owner = Some(CustomerId::from(Uuid::from_u128(1)));
        let note = CreditNote::create(
            CreditNoteId::from(Uuid::nil()),
            "1".into(),
            &content,
            owner,
            Vec::new(),
            DateTime::UNIX_EPOCH,
        );
        assert_eq!(note.customer_id, owner);
        assert_eq!(note.content_hash, content.hash(note.customer_id), "the same batch again changes nothing");
        assert_eq!(note.replaced(&content, None, Vec::new(), DateTime::UNIX_EPOCH).customer_id, owner);
    }
}
