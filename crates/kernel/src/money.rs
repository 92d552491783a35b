//! Exact amounts: minor units of an ISO 4217 currency.

use std::fmt;
use std::str::FromStr;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::{Error, Violation};

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads a code from a field of a request; the error names the field.
    pub fn parse(code: &str, field: &str) -> Result<Self, Error> {
        Self::from_code(code).ok_or_else(|| {
            let shown = crate::error::shorten(code);
            Violation::new(field, format!("`{shown}` is not an ISO 4217 currency code, for instance `EUR`"))
                .because("CURRENCY_UNKNOWN")
                .with("value", shown)
                .into()
        })
    }

    /// The currency of this code; `None` where there is none or it has no minor unit at all (gold, test codes).
    pub fn from_code(code: &str) -> Option<Self> {
        let currency = iso_currency::Currency::from_code(code)?;
        currency.exponent().map(|_| Self(currency))
    }

    /// The code, for instance `EUR`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal places the minor unit has: 2 for cents, 0 where there is no smaller unit, 3 for some.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An exact amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// Why two amounts could not be worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit 64 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// The amounts are of two currencies.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
}

impl Money {
    /// An amount in minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Quantity times unit price (in major units), rounded half to even to the minor unit.
    pub fn of_product(quantity: Decimal, unit_price: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let scale = Decimal::from(10_i64.pow(currency.exponent()));
        let minor = quantity
            .checked_mul(unit_price)
            .and_then(|amount| amount.checked_mul(scale))
            .ok_or(MoneyError::Overflow)?
            .round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        minor.to_i64().map(|minor| Self::new(minor, currency)).ok_or(MoneyError::Overflow)
    }

    /// The sum.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        self.minor.checked_add(other.minor).map(|minor| Self::new(minor, self.currency)).ok_or(MoneyError::Overflow)
    }

    /// The difference.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        self.minor.checked_sub(other.minor).map(|minor| Self::new(minor, self.currency)).ok_or(MoneyError::Overflow)
    }

    /// The sum of amounts of one currency.
    pub fn sum(amounts: impl IntoIterator<Item = Self>, currency: Currency) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// The amount shared by `count`, rounded half to even to the minor unit; `None` for a count of zero.
    pub fn average(self, count: i64) -> Option<Self> {
        let mean = Decimal::from(self.minor).checked_div(Decimal::from(count))?;
        let minor = mean.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven).to_i64()?;
        Some(Self::new(minor, self.currency))
    }

    /// The amount in major units.
    pub fn major(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.major(), self.currency)
    }
}

/// Reads a plain decimal number (`12`, `-0.25`) with at most `places` decimal places and 18 digits in all. No exponent,
/// no thousands separator, no plus sign: what is not clear is refused rather than guessed.
pub fn decimal(text: &str, places: u32, field: &str) -> Result<Decimal, Error> {
    let wrong = || {
        let shown = crate::error::shorten(text);
        let description =
            format!("`{shown}` is not a decimal number such as `12.5` with at most {places} decimal places");
        let violation = Violation::new(field, description).because("NUMBER_INVALID").with("value", shown);
        Error::from(violation.with("example", "12.5").with("places", places))
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || digits.len() > 19 {
        return Err(wrong());
    }
    let number = Decimal::from_str(text).map_err(|_| wrong())?;
    if number.normalize().scale() > places { Err(wrong()) } else { Ok(number.normalize()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur() -> Currency {
        Currency::from_code("EUR").unwrap()
    }

    #[test]
    fn a_product_is_rounded_half_to_even() {
        let cents = |q: &str, p: &str| Money::of_product(q.parse().unwrap(), p.parse().unwrap(), eur()).unwrap().minor;
        assert_eq!(cents("1", "0.005"), 0);
        assert_eq!(cents("3", "0.005"), 2);
        assert_eq!(cents("6", "2.55"), 1530);
        assert_eq!(cents("-1", "0.015"), -2);
    }

    #[test]
    fn the_minor_unit_follows_the_currency() {
        let of = |code: &str| {
            Money::of_product(2.into(), Decimal::new(15, 1), Currency::from_code(code).unwrap()).unwrap().minor
        };
        assert_eq!(of("JPY"), 3);
        assert_eq!(of("KWD"), 3000);
    }

    #[test]
    fn amounts_too_large_are_refused() {
        assert_eq!(Money::of_product(Decimal::MAX, 2.into(), eur()), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MAX, eur()).checked_add(Money::new(1, eur())), Err(MoneyError::Overflow));
    }

    #[test]
    fn currencies_do_not_mix() {
        let usd = Currency::from_code("USD").unwrap();
        assert_eq!(Money::zero(eur()).checked_add(Money::zero(usd)), Err(MoneyError::Mixed(eur(), usd)));
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in ["", "-", "1e5", "1,5", "+1", " 1", "NaN", "1.", ".5", "0x1", "1.2345", "99999999999999999999"] {
            assert!(decimal(text, 3, "quantity").is_err(), "{text}");
        }
        assert_eq!(decimal("-0.250", 3, "quantity").unwrap(), Decimal::new(-25, 2));
    }

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_the_order(mut minors in prop::collection::vec(-1_000_000_000_i64..1_000_000_000, 0..50)) {
            let sum = |minors: &[i64]| Money::sum(minors.iter().map(|m| Money::new(*m, eur())), eur()).unwrap();
            let forward = sum(&minors);
            minors.reverse();
            prop_assert_eq!(forward, sum(&minors));
        }

        #[test]
        fn any_text_is_refused_or_read_but_never_a_panic(text in ".*") {
            let _ = decimal(&text, 3, "quantity");
        }
    }
}
