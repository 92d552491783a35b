//! What a source or a caller says of an order.

use chrono::{DateTime, SubsecRound, Utc};
use clientele_kernel::{Currency, CustomerId, Money, Reference, Violation, Violations, text};

use crate::domain::amount;
use crate::domain::content::{ContentHash, ContentHasher};
use crate::domain::line::{LineContent, LineDraft, LineKind, Purpose};
use crate::domain::payment::{MOST_PAYMENTS, PaymentContent, PaymentDraft};

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
            .and_then(|(source, external_id)| Reference::check(source, external_id, "reference", own));
        let number = own.or_default(text::line(&draft.number, 100, "number"));
        let customer_id =
            own.take("customer_id", CustomerId::parse_optional(&draft.customer_id, "customer_id")).flatten();
        let status = own.or_default(text::line(&draft.status, 50, "status"));
        let placed_at = moment(placed_at, "placed_at", own);
        let currency = own.take("currency", Currency::parse(&draft.currency, "currency"));
        let source = draft.reference.as_ref().map(|(source, _)| source.as_str());
        let lines = LineContent::check_all(&draft.lines, source, currency, Purpose::Order, own);
        let payments = check_payments(&draft.payments, currency, placed_at, own);
        let sums = currency.map(|currency| {
            let sum =
                |kind| Money::sum(lines.iter().filter(|line| line.kind() == kind).map(|line| line.amount), currency);
            sum(LineKind::Sale).and_then(|gross| sum(LineKind::Adjustment).map(|adjustment| (gross, adjustment)))
        });
        match sums {
            Some(Err(error)) => {
                own.note(Violation::new("lines", format!("their sum: {error}")).because("AMOUNT_TOO_LARGE"));
            }
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
    violations.require(fits, || {
        let description = format!("`{given}` is out of range: years 1900 to 2199 are wanted");
        Violation::new(field, description).because("DATE_OUT_OF_RANGE").with("from", 1900).with("to", 2199)
    });
    fits.then(|| given.trunc_subsecs(6))
}
