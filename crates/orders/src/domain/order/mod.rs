//! Orders: what is said of one, and the order itself with the rules it keeps.

mod statement;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId, Error, Etag, Money, OrderId, Reference, Violation, Violations};

pub(crate) use self::statement::{OrderContent, OrderDraft, moment};
use super::amount;
use super::content::ContentHash;
use super::line::Line;
use super::payment::{MOST_PAYMENTS, Payment};
use super::status::{Status, StatusGroup};

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
            violations.require(present == given, || {
                let description = format!("the order belongs to customer `{present}` and cannot be given to `{given}`");
                Violation::new("customer_id", description).because("ORDER_OF_ANOTHER")
            });
        }
        if let Some(problem) = self.stays_open(group, given_back) {
            violations.note(Violation::new("status", problem).because("ORDER_HAS_CREDIT_NOTES"));
        }
        let has_own = given_back.is_some() || self.payments.iter().any(|payment| !payment.from_source);
        violations.require(!has_own || self.currency == content.currency, || {
            let (present, given) = (self.currency, content.currency);
            let description =
                format!("the order has payments or credit notes in {present} and cannot become one in {given}");
            Violation::new("currency", description).because("CURRENCY_FIXED").with("currency", present)
        });
        if let Some(given_back) = given_back.filter(|money| money.currency == content.currency) {
            violations.require(content.gross.minor >= given_back.minor, || {
                let sold = content.gross;
                let description = format!(
                    "their sales, {sold}, are less than the {given_back} that credit notes of the order gave back"
                );
                let violation = Violation::new("lines", description).because("SALES_BELOW_CREDIT_NOTES");
                violation.with("sold", sold).with("given_back", given_back)
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
