//! Orders: what a source or a caller says of one, and the order itself with the rules it keeps.

use chrono::{DateTime, SubsecRound, Utc};
use clientele_kernel::{Currency, CustomerId, Error, Etag, Money, OrderId, Violations};

use super::amount;
use super::content::{ContentHash, ContentHasher};
use super::line::{Line, LineContent, LineDraft, LineKind, Purpose};
use super::payment::{MOST_PAYMENTS, Payment, PaymentContent, PaymentDraft};
use super::reference::Reference;
use super::status::{Status, StatusGroup};
use super::text;

/// Which orders a list is of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Those of one customer only.
    pub(crate) customer_id: Option<CustomerId>,
    /// Those of these groups only; empty for all.
    pub(crate) groups: Vec<StatusGroup>,
    /// Those placed at or after this moment only.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Those placed before this moment only.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// An order as a caller gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderDraft {
    /// Source and external id.
    pub(crate) reference: Option<(String, String)>,
    pub(crate) number: String,
    pub(crate) customer_id: String,
    pub(crate) status: String,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    pub(crate) currency: String,
    pub(crate) lines: Vec<LineDraft>,
    pub(crate) payments: Vec<PaymentDraft>,
}

/// An order as a caller gives it, checked as far as that goes without looking anything up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderContent {
    pub(crate) reference: Option<Reference>,
    /// `None` where it does not say.
    pub(crate) number: Option<String>,
    /// `None` where it does not say.
    pub(crate) customer_id: Option<CustomerId>,
    /// `None` where it does not say.
    pub(crate) status: Option<String>,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<LineContent>,
    pub(crate) payments: Vec<PaymentContent>,
    pub(crate) gross: Money,
    pub(crate) adjustment: Money,
}

impl OrderContent {
    /// Checks an order of a batch: it has a reference, and says when it was placed.
    pub(crate) fn check_imported(draft: &OrderDraft) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        violations
            .check(draft.reference.is_some(), "reference", || "is missing: it is the key of the entry".to_owned());
        Self::check(draft, draft.placed_at, violations)
    }

    /// Checks an order made here; it is placed now where it does not say.
    pub(crate) fn check_new(draft: &OrderDraft, now: DateTime<Utc>) -> Result<Self, Violations> {
        Self::check(draft, draft.placed_at.or(Some(now)), Violations::new())
    }

    fn check(
        draft: &OrderDraft,
        placed_at: Option<DateTime<Utc>>,
        mut violations: Violations,
    ) -> Result<Self, Violations> {
        let own = &mut violations;
        let reference = draft
            .reference
            .as_ref()
            .map(|(source, external_id)| Reference::check(source, external_id, "reference", own));
        let number = text::shown(&draft.number, "number", 100, own);
        let customer_id =
            own.take("customer_id", CustomerId::parse_optional(&draft.customer_id, "customer_id")).flatten();
        let status = text::shown(&draft.status, "status", 50, own);
        let placed_at = moment(placed_at, "placed_at", own);
        let currency = own.take("currency", Currency::parse(&draft.currency, "currency"));
        let source = reference.as_ref().map(|reference| reference.source.as_str());
        let lines = LineContent::check_all(&draft.lines, source, currency, Purpose::Order, own);
        let payments = check_payments(&draft.payments, currency, placed_at, own);
        let sums = currency.map(|currency| {
            let sum =
                |kind| Money::sum(lines.iter().filter(|line| line.kind() == kind).map(|line| line.amount), currency);
            sum(LineKind::Sale).and_then(|gross| sum(LineKind::Adjustment).map(|adjustment| (gross, adjustment)))
        });
        match sums {
            Some(Err(error)) => own.push("lines", format!("their sum: {error}")),
            Some(Ok((gross, adjustment))) => {
                amount::check(gross, "the sum of the sales", "lines", own);
                amount::check(adjustment, "the sum of the adjustments", "lines", own);
            }
            None => {}
        }
        match (placed_at, currency, sums) {
            (Some(placed_at), Some(currency), Some(Ok((gross, adjustment)))) if violations.is_empty() => Ok(Self {
                reference,
                number: (!number.is_empty()).then_some(number),
                customer_id,
                status: (!status.is_empty()).then_some(status),
                placed_at,
                currency,
                lines,
                payments,
                gross,
                adjustment,
            }),
            _ => Err(violations),
        }
    }

    /// The fingerprint of what is said. A customer that is left out is the one the order has: leaving it out says nothing.
    pub(crate) fn hash(&self, present_customer: Option<CustomerId>) -> ContentHash {
        let mut hasher = ContentHasher::new("order", 1);
        let customer_id = self.customer_id.or(present_customer).map(|id| id.to_string());
        hasher.optional(self.number.as_deref());
        hasher.optional(customer_id.as_deref());
        hasher.optional(self.status.as_deref());
        hasher.number(self.placed_at.timestamp_micros());
        hasher.text(self.currency.code());
        hasher.number(i64::try_from(self.lines.len()).unwrap_or(i64::MAX));
        self.lines.iter().for_each(|line| line.hash(&mut hasher));
        self.payments.iter().for_each(|payment| payment.hash(&mut hasher));
        hasher.finish()
    }
}

fn check_payments(
    drafts: &[PaymentDraft],
    currency: Option<Currency>,
    placed_at: Option<DateTime<Utc>>,
    violations: &mut Violations,
) -> Vec<PaymentContent> {
    violations.check(drafts.len() <= MOST_PAYMENTS, "payments", || {
        format!("{} payments are given: at most {MOST_PAYMENTS} are wanted", drafts.len())
    });
    let Some(currency) = currency else { return Vec::new() };
    let mut payments: Vec<PaymentContent> = Vec::new();
    for (index, draft) in drafts.iter().take(MOST_PAYMENTS).enumerate() {
        let mut own = Violations::new();
        let payment = PaymentContent::check(draft, currency, placed_at, &mut own);
        if let Some(reference) = payment.as_ref().and_then(|payment| payment.reference.as_ref()) {
            let twice = payments.iter().any(|earlier| earlier.reference.as_ref() == Some(reference));
            own.check(!twice, "reference", || "is that of an earlier payment of this order".to_owned());
        }
        match payment {
            Some(payment) if own.is_empty() => payments.push(payment),
            _ => violations.within(&format!("payments[{index}]"), own),
        }
    }
    payments
}

/// A moment that an order, payment or credit note can be of, cut to the microseconds that storage keeps.
pub(crate) fn moment(given: Option<DateTime<Utc>>, field: &str, violations: &mut Violations) -> Option<DateTime<Utc>> {
    let Some(given) = given else {
        violations.push(field, "is missing: a moment is wanted");
        return None;
    };
    let fits = (1900..2200).contains(&chrono::Datelike::year(&given));
    violations.check(fits, field, || format!("`{given}` is out of range: years 1900 to 2199 are wanted"));
    fits.then(|| given.trunc_subsecs(6))
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) reference: Option<Reference>,
    pub(crate) number: String,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) status: String,
    pub(crate) status_group: StatusGroup,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) currency: Currency,
    /// Empty where they were not asked for.
    pub(crate) lines: Vec<Line>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) gross: Money,
    pub(crate) adjustment: Money,
    pub(crate) paid: Money,
    pub(crate) line_count: i32,
    /// Fingerprint of what the source last said; `None` for an order made here.
    pub(crate) content_hash: Option<ContentHash>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What an order is made of beside its content: all that had to be looked up or generated.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) status: &'a Status,
    pub(crate) lines: Vec<Line>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) now: DateTime<Utc>,
}

impl Order {
    /// A new order.
    pub(crate) fn create(id: OrderId, number: String, content: &OrderContent, parts: Parts<'_>) -> Result<Self, Error> {
        Ok(Self {
            id,
            reference: content.reference.clone(),
            number,
            customer_id: content.customer_id,
            status: parts.status.code.clone(),
            status_group: parts.status.group,
            placed_at: content.placed_at,
            currency: content.currency,
            gross: content.gross,
            adjustment: content.adjustment,
            paid: sum_of(&parts.payments, content.currency)?,
            line_count: count_of(&parts.lines),
            lines: parts.lines,
            payments: in_order(parts.payments),
            content_hash: content.reference.as_ref().map(|_| content.hash(None)),
            version: 1,
            created_at: parts.now,
            updated_at: parts.now,
        })
    }

    /// Fails where the source's new content breaks a rule, naming the field:
    /// a customer, once set, stays (figures and history hang on it); the currency stays where amounts that the source
    /// does not give (payments recorded here, credit notes) are in it; what credit notes gave back, `None` where there
    /// are none, has been sold and stays sold. `group` is that of the status the order is to have.
    pub(crate) fn allows(
        &self,
        content: &OrderContent,
        group: StatusGroup,
        given_back: Option<Money>,
        violations: &mut Violations,
    ) {
        if let (Some(present), Some(given)) = (self.customer_id, content.customer_id) {
            violations.check(present == given, "customer_id", || {
                format!("the order belongs to customer `{present}` and cannot be given to `{given}`")
            });
        }
        if let Some(problem) = self.stays_open(group, given_back) {
            violations.push("status", problem);
        }
        let has_own = given_back.is_some() || self.payments.iter().any(|payment| !payment.from_source);
        violations.check(!has_own || self.currency == content.currency, "currency", || {
            format!(
                "the order has payments or credit notes in {} and cannot become one in {}",
                self.currency, content.currency
            )
        });
        if let Some(given_back) = given_back.filter(|money| money.currency == content.currency) {
            violations.check(content.gross.minor >= given_back.minor, "lines", || {
                format!(
                    "their sales, {}, are less than the {given_back} that credit notes of the order gave back",
                    content.gross
                )
            });
        }
    }

    /// Why the order cannot move to a status of this group, if so: one that was called off counts as nothing, and nothing
    /// can have been given back for it.
    fn stays_open(&self, group: StatusGroup, given_back: Option<Money>) -> Option<String> {
        let called_off = group == StatusGroup::Cancelled && self.status_group != StatusGroup::Cancelled;
        given_back.filter(|_| called_off).map(|given_back| {
            format!(
                "credit notes of the order gave back {given_back}, and it cannot be called off before they are taken into \
                 account: send them without the order first"
            )
        })
    }

    /// The order after its source said something else: lines and the source's payments are replaced, a status or
    /// customer that is left out stays. Ask [`Order::allows`] first.
    pub(crate) fn replaced(&self, content: &OrderContent, parts: Parts<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: self.id,
            reference: self.reference.clone(),
            number: content.number.clone().unwrap_or_else(|| self.number.clone()),
            customer_id: content.customer_id.or(self.customer_id),
            status: parts.status.code.clone(),
            status_group: parts.status.group,
            placed_at: content.placed_at,
            currency: content.currency,
            gross: content.gross,
            adjustment: content.adjustment,
            paid: sum_of(&parts.payments, content.currency)?,
            line_count: count_of(&parts.lines),
            lines: parts.lines,
            payments: in_order(parts.payments),
            content_hash: Some(content.hash(self.customer_id)),
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: parts.now,
        })
    }

    /// Moves the order to another status; false where it has that status already, and nothing is to be written.
    /// `given_back` is what its credit notes gave back, `None` where there are none.
    pub(crate) fn change_status(
        &mut self,
        status: &Status,
        given_back: Option<Money>,
        etag: Option<Etag>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        if let Some(etag) = etag {
            etag.require(self.version)?;
        }
        if self.status == status.code {
            return Ok(false);
        }
        if let Some(problem) = self.stays_open(status.group, given_back) {
            return Err(Error::failed_precondition("ORDER_HAS_CREDIT_NOTES", problem));
        }
        self.status.clone_from(&status.code);
        self.status_group = status.group;
        self.version += 1;
        self.updated_at = now;
        Ok(true)
    }

    /// Adds a payment recorded here.
    pub(crate) fn record_payment(&mut self, payment: Payment, now: DateTime<Utc>) -> Result<(), Error> {
        if self.payments.len() >= MOST_PAYMENTS {
            let message = format!("the order has {MOST_PAYMENTS} payments, and more are not kept");
            return Err(Error::failed_precondition("TOO_MANY_PAYMENTS", message));
        }
        let paid = self.paid.checked_add(payment.amount).map_err(|error| {
            Error::invalid("payment.amount", format!("together with the earlier payments: {error}"))
        })?;
        if !amount::fits(paid) {
            return Err(Error::invalid("payment.amount", amount::beyond(paid, "the sum with the earlier payments")));
        }
        self.paid = paid;
        self.payments.push(payment);
        self.payments = in_order(std::mem::take(&mut self.payments));
        self.version += 1;
        self.updated_at = now;
        Ok(())
    }
}

/// Payments in the order in which they are read: by moment, then by id.
fn in_order(mut payments: Vec<Payment>) -> Vec<Payment> {
    payments.sort_by_key(|payment| (payment.paid_at, payment.id));
    payments
}

fn sum_of(payments: &[Payment], currency: Currency) -> Result<Money, Error> {
    let sum = Money::sum(payments.iter().map(|payment| payment.amount), currency)
        .map_err(|error| Error::invalid("payments", format!("their sum: {error}")))?;
    if amount::fits(sum) { Ok(sum) } else { Err(Error::invalid("payments", amount::beyond(sum, "their sum"))) }
}

/// How many lines there are, as storage counts them.
pub(crate) fn count_of(lines: &[Line]) -> i32 {
    i32::try_from(lines.len()).expect("an order has no more than 2,000 lines")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::status::StatusDraft;

    fn line(quantity: &str, unit_price: &str) -> LineDraft {
        LineDraft { sku: "A".into(), quantity: quantity.into(), unit_price: unit_price.into(), ..LineDraft::default() }
    }

    fn draft() -> OrderDraft {
        OrderDraft {
            reference: Some(("shop".into(), "536365".into())),
            placed_at: Some("2010-12-01T08:26:00Z".parse().unwrap()),
            currency: "GBP".into(),
            lines: vec![line("6", "2.55"), line("1", "0"), line("-2", "1.50")],
            ..OrderDraft::default()
        }
    }

    fn customer(number: u128) -> CustomerId {
        CustomerId::from(Uuid::from_u128(number))
    }

    fn status(code: &str) -> Status {
        let draft =
            StatusDraft { code: code.into(), name: code.into(), group: Some(StatusGroup::Completed), position: 0 };
        Status::create(&draft, Uuid::nil()).unwrap()
    }

    fn order(content: &OrderContent, payments: Vec<Payment>) -> Order {
        let parts = Parts { status: &status("done"), lines: Vec::new(), payments, now: DateTime::UNIX_EPOCH };
        Order::create(OrderId::from(Uuid::nil()), "1".into(), content, parts).unwrap()
    }

    fn payment(minor: i64, code: &str) -> Payment {
        let amount = Money::new(minor, Currency::from_code(code).unwrap());
        let id = clientele_kernel::PaymentId::from(Uuid::nil());
        Payment {
            id,
            reference: None,
            method: "card".into(),
            amount,
            paid_at: DateTime::UNIX_EPOCH,
            from_source: false,
        }
    }

    fn fields(draft: &OrderDraft) -> Vec<String> {
        match OrderContent::check_imported(draft) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.into_inner().into_iter().map(|v| v.field).collect(),
        }
    }

    #[test]
    fn sales_and_adjustments_are_summed_apart() {
        let content = OrderContent::check_imported(&draft()).unwrap();
        assert_eq!((content.gross.minor, content.adjustment.minor), (1530, -300));
    }

    #[test]
    fn each_wrong_field_of_an_order_is_named_at_once() {
        let wrong = OrderDraft {
            reference: None,
            customer_id: "17850".into(),
            placed_at: None,
            currency: "GB".into(),
            lines: vec![line("1", "1"), line("NaN", "1")],
            ..draft()
        };
        assert_eq!(
            fields(&wrong),
            [
                "reference",
                "customer_id",
                "placed_at",
                "currency",
                "lines[0].product_id",
                "lines[1].product_id",
                "lines[1].quantity"
            ]
        );
        let ancient = OrderDraft { placed_at: Some("1066-10-14T09:00:00Z".parse().unwrap()), ..draft() };
        assert_eq!(fields(&ancient), ["placed_at"]);
    }

    #[test]
    fn sums_of_sales_and_of_adjustments_are_bounded() {
        let of = |quantities: &[&str]| {
            fields(&OrderDraft {
                lines: quantities.iter().map(|quantity| line(quantity, "1000000000000")).collect(),
                ..draft()
            })
        };
        assert_eq!(of(&["0.5", "0.5", "-0.5", "-0.5"]), [""; 0]);
        assert_eq!(of(&["0.5", "0.501"]), ["lines"]);
        assert_eq!(of(&["-0.5", "-0.501"]), ["lines"]);
        assert_eq!(of(&["90000"]), ["lines[0].unit_price"]);
    }

    #[test]
    fn payments_in_another_currency_or_named_twice_are_refused() {
        let paid = |code: &str| PaymentDraft {
            reference: Some(("shop".into(), "p1".into())),
            amount: Some((100, code.into())),
            ..PaymentDraft::default()
        };
        let wrong = OrderDraft { payments: vec![paid("GBP"), paid("EUR"), paid("GBP")], ..draft() };
        assert_eq!(fields(&wrong), ["payments[1].amount.currency", "payments[2].reference"]);
    }

    #[test]
    fn the_same_content_has_the_same_fingerprint_and_any_difference_another() {
        let hash = |draft: &OrderDraft| OrderContent::check_imported(draft).unwrap().hash(None);
        let first = hash(&draft());
        assert_eq!(first, hash(&draft()));
        let spelled =
            OrderDraft { lines: vec![line("6.000", "2.550"), line("1", "0.0"), line("-2", "1.5")], ..draft() };
        assert_eq!(first, hash(&spelled), "the spelling of a number is no difference");
        let others = [
            OrderDraft { number: "7".into(), ..draft() },
            OrderDraft { status: "completed".into(), ..draft() },
            OrderDraft { customer_id: customer(1).to_string(), ..draft() },
            OrderDraft { currency: "EUR".into(), ..draft() },
            OrderDraft { lines: vec![line("6", "2.55")], ..draft() },
            OrderDraft { placed_at: Some("2010-12-01T08:27:00Z".parse().unwrap()), ..draft() },
        ];
        for other in others {
            assert_ne!(first, hash(&other), "{other:?}");
        }
    }

    #[test]
    fn leaving_the_customer_out_says_nothing() {
        let named = OrderDraft { customer_id: customer(1).to_string(), ..draft() };
        let named = OrderContent::check_imported(&named).unwrap();
        let unnamed = OrderContent::check_imported(&draft()).unwrap();
        assert_eq!(named.hash(None), unnamed.hash(Some(customer(1))));
    }

    #[test]
    fn a_customer_can_be_set_once_and_not_changed() {
        let allows = |present: Option<CustomerId>, given: Option<CustomerId>| {
            let content = OrderContent::check_imported(&draft()).unwrap();
            let order = order(&OrderContent { customer_id: present, ..content.clone() }, Vec::new());
            let mut violations = Violations::new();
            order.allows(
                &OrderContent { customer_id: given, ..content },
                StatusGroup::Completed,
                None,
                &mut violations,
            );
            violations.is_empty()
        };
        assert!(allows(None, Some(customer(1))));
        assert!(allows(Some(customer(1)), None));
        assert!(allows(Some(customer(1)), Some(customer(1))));
        assert!(!allows(Some(customer(1)), Some(customer(2))));
    }

    #[test]
    fn the_currency_stays_where_amounts_recorded_here_are_in_it() {
        let content = OrderContent::check_imported(&draft()).unwrap();
        let other = OrderContent::check_imported(&OrderDraft { currency: "EUR".into(), ..draft() }).unwrap();
        let allows = |order: &Order, given_back: Option<Money>| {
            let mut violations = Violations::new();
            order.allows(&other, StatusGroup::Completed, given_back, &mut violations);
            violations.is_empty()
        };
        assert!(allows(&order(&content, Vec::new()), None));
        assert!(!allows(&order(&content, Vec::new()), Some(payment(1, "GBP").amount)));
        assert!(!allows(&order(&content, vec![payment(1, "GBP")]), None));
    }

    #[test]
    fn what_was_given_back_stays_sold() {
        let content = OrderContent::check_imported(&draft()).unwrap();
        let order = order(&content, Vec::new());
        let refused = |group, minor| {
            let mut violations = Violations::new();
            order.allows(&content, group, Some(payment(minor, "GBP").amount), &mut violations);
            violations.into_inner().into_iter().map(|v| v.field).collect::<Vec<_>>()
        };
        assert_eq!(refused(StatusGroup::Completed, 1530), [""; 0]);
        assert_eq!(refused(StatusGroup::Completed, 1531), ["lines"]);
        assert_eq!(refused(StatusGroup::Cancelled, 1), ["status"]);
    }

    #[test]
    fn a_status_is_changed_only_by_who_saw_the_present_version() {
        let content = OrderContent::check_imported(&draft()).unwrap();
        let mut order = order(&content, Vec::new());
        assert!(order.change_status(&status("sent"), None, Some(Etag(7)), DateTime::UNIX_EPOCH).is_err());
        assert!(order.change_status(&status("sent"), None, Some(Etag(1)), DateTime::UNIX_EPOCH).unwrap());
        assert!(
            !order.change_status(&status("sent"), None, None, DateTime::UNIX_EPOCH).unwrap(),
            "nothing is left to do"
        );
        assert_eq!(order.version, 2);
    }

    #[test]
    fn payments_add_up_and_their_sum_is_bounded() {
        let content = OrderContent::check_imported(&draft()).unwrap();
        let mut order = order(&content, Vec::new());
        order.record_payment(payment(1000, "GBP"), DateTime::UNIX_EPOCH).unwrap();
        order.record_payment(payment(530, "GBP"), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((order.paid.minor, order.version), (1530, 3));
        assert!(order.record_payment(payment(i64::MAX, "GBP"), DateTime::UNIX_EPOCH).is_err());
        assert!(order.record_payment(payment(amount::MOST_MINOR - 1529, "GBP"), DateTime::UNIX_EPOCH).is_err());
        assert_eq!((order.paid.minor, order.version), (1530, 3), "a refused payment leaves no trace");
    }
}
