//! Money received for an order.

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, Money, PaymentId, Reference, Violations, text};

use super::amount;
use super::content::ContentHasher;
use super::order::moment;

/// How many payments an order has at most.
pub(crate) const MOST_PAYMENTS: usize = 200;

/// A payment that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) reference: Option<Reference>,
    pub(crate) method: String,
    /// Above zero, in the currency of the order.
    pub(crate) amount: Money,
    pub(crate) paid_at: DateTime<Utc>,
    /// True where the order's source gave it; what was recorded here stays when the source speaks again.
    pub(crate) from_source: bool,
}

/// A payment as a caller gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PaymentDraft {
    /// Source and external id.
    pub(crate) reference: Option<(String, String)>,
    pub(crate) method: String,
    /// Minor units and currency code.
    pub(crate) amount: Option<(i64, String)>,
    pub(crate) paid_at: Option<DateTime<Utc>>,
}

/// A payment as a caller gives it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentContent {
    pub(crate) reference: Option<Reference>,
    pub(crate) method: String,
    pub(crate) amount: Money,
    pub(crate) paid_at: DateTime<Utc>,
}

impl PaymentContent {
    /// Checks a payment of an order of this currency; `default_moment` holds where it does not say when.
    pub(crate) fn check(
        draft: &PaymentDraft,
        currency: Currency,
        default_moment: Option<DateTime<Utc>>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let reference = draft
            .reference
            .as_ref()
            .and_then(|(source, external_id)| Reference::check(source, external_id, "reference", violations));
        let method = violations.or_default(text::line(&draft.method, 50, "method"));
        let amount = paid(draft.amount.as_ref(), currency, violations);
        let paid_at = moment(draft.paid_at.or(default_moment), "paid_at", violations);
        Some(Self { reference, method, amount: amount?, paid_at: paid_at? })
    }

    /// Adds what the payment says to a fingerprint.
    pub(crate) fn hash(&self, hasher: &mut ContentHasher) {
        hasher.optional(self.reference.as_ref().map(Reference::source));
        hasher.optional(self.reference.as_ref().map(Reference::external_id));
        hasher.text(&self.method);
        hasher.number(self.amount.minor);
        hasher.number(self.paid_at.timestamp_micros());
    }

    /// The payment to keep.
    pub(crate) fn into_payment(self, id: PaymentId, from_source: bool) -> Payment {
        let Self { reference, method, amount, paid_at } = self;
        Payment { id, reference, method, amount, paid_at, from_source }
    }
}

fn paid(given: Option<&(i64, String)>, currency: Currency, violations: &mut Violations) -> Option<Money> {
    let Some((minor, code)) = given else {
        violations.push("amount", "is missing: an amount above zero is wanted");
        return None;
    };
    violations.check(*minor > 0, "amount.minor", || format!("`{minor}` is not above zero"));
    violations.check(code == currency.code(), "amount.currency", || {
        format!("`{}` is not the currency of the order, `{currency}` is", clientele_kernel::error::shorten(code))
    });
    let amount = Money::new(*minor, currency);
    violations.check(*minor <= amount::MOST_MINOR, "amount.minor", || amount::beyond(amount, "the payment"));
    (*minor > 0 && code == currency.code() && amount::fits(amount)).then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(draft: &PaymentDraft) -> Vec<String> {
        let mut violations = Violations::new();
        let currency = Currency::from_code("EUR").unwrap();
        PaymentContent::check(draft, currency, Some(DateTime::UNIX_EPOCH), &mut violations);
        violations.into_inner().into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn a_payment_is_above_zero_and_in_the_currency_of_the_order() {
        let of = |minor, code: &str| PaymentDraft { amount: Some((minor, code.into())), ..PaymentDraft::default() };
        assert_eq!(fields(&of(1, "EUR")), [""; 0]);
        assert_eq!(fields(&of(0, "USD")), ["amount.minor", "amount.currency"]);
        assert_eq!(fields(&of(i64::MIN, "EUR")), ["amount.minor"]);
        assert_eq!(fields(&of(amount::MOST_MINOR, "EUR")), [""; 0]);
        assert_eq!(fields(&of(amount::MOST_MINOR + 1, "EUR")), ["amount.minor"]);
        assert_eq!(fields(&PaymentDraft::default()), ["amount"]);
    }
}
