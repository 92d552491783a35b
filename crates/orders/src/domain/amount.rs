//! How much money a document can be about.

use clientele_kernel::{Money, Violation, Violations};

/// The most that a line, a payment, or a sum of an order or credit note comes to, either way, in minor units.
///
/// Everybody who reads what is told here adds such amounts up in 64 bits: the sums of 92,000 documents at this bound still
/// fit, and a real one is many orders of magnitude below it (a million million euros). Without a bound a single absurd
/// document would break the figures of all.
pub(crate) const MOST_MINOR: i64 = 100_000_000_000_000;

/// True for an amount within the bound.
pub(crate) fn fits(amount: Money) -> bool {
    amount.minor.unsigned_abs() <= MOST_MINOR.unsigned_abs()
}

/// Notes under `field` an amount beyond the bound; `what` says what it is the amount of.
pub(crate) fn check(amount: Money, what: &str, field: &str, violations: &mut Violations) {
    violations.require(fits(amount), || Violation::new(field, beyond(amount, what)).because("AMOUNT_TOO_LARGE"));
}

/// What to say of an amount beyond the bound.
pub(crate) fn beyond(amount: Money, what: &str) -> String {
    let most = Money::new(MOST_MINOR, amount.currency);
    format!("{what}, {amount}, is out of range: {most} is the most, either way")
}
