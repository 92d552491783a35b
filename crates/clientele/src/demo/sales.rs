//! Two years of orders with lines and payments, and what was given back.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use clientele_contracts::orders::v1::{CreditNote, Order, OrderLine, Payment, Product};
use clientele_contracts::platform::v1::{ExternalReference, Money};
use clientele_platform::proto;

use super::SOURCE;
use super::calendar::Calendar;
use super::dice::Dice;
use super::people::Person;
use super::shop::{WARES, Ware};

/// How far back orders go, in days.
const DAYS: u64 = 730;
/// Sales in the stores to people who gave no name.
const NAMELESS: u64 = 320;
/// How busy each month is: presents before the end of the year, empty cities in August.
const MONTHS: [u64; 12] = [80, 75, 85, 85, 90, 80, 70, 50, 90, 105, 170, 240];
const BUSIEST: u64 = 240;

/// What is taken off an order: no sale, and no refund either.
const VOUCHER: (&str, &str) = ("VC-900", "Voucher");
/// What is put into a parcel for nothing.
const SAMPLE: (&str, &str) = ("SM-910", "Sample of the month");

/// An order of a customer, or of nobody known.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    /// Place in the list of customers.
    pub(super) customer: Option<usize>,
    pub(super) placed_at: DateTime<Utc>,
    pub(super) order: Order,
}

/// A credit note for a sale.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    /// Place in the list of sales.
    pub(super) sale: usize,
    pub(super) note: CreditNote,
}

/// Products that are on no shelf.
pub(super) fn further_products() -> Vec<Product> {
    [VOUCHER, SAMPLE]
        .into_iter()
        .map(|(sku, name)| Product {
            source: SOURCE.to_owned(),
            sku: sku.to_owned(),
            name: name.to_owned(),
            category: "Extras".to_owned(),
            ..Product::default()
        })
        .collect()
}

/// All sales, the oldest first.
pub(super) fn sales(people: &[Person], calendar: Calendar) -> Vec<Sale> {
    let mut till = Till { dice: Dice::of("sales"), calendar };
    let mut drafts: Vec<(DateTime<Utc>, Option<usize>)> = Vec::new();
    for (place, person) in people.iter().enumerate() {
        drafts.extend(till.purchases(person).into_iter().map(|moment| (moment, Some(place))));
    }
    for _ in 0..NAMELESS {
        drafts.push((till.busy_day(DAYS, 1), None));
    }
    drafts.sort_unstable();
    let tastes: Vec<[&str; 2]> = people.iter().map(|_| till.taste()).collect();
    drafts
        .into_iter()
        .zip(100_001_u64..)
        .map(|((placed_at, customer), number)| {
            let buyer = customer.and_then(|place| Some((people.get(place)?, tastes.get(place)?)));
            Sale { customer, placed_at, order: till.order(number, placed_at, buyer) }
        })
        .collect()
}

/// What was given back of some sales.
pub(super) fn refunds(sales: &[Sale], calendar: Calendar) -> Vec<Refund> {
    let mut dice = Dice::of("refunds");
    let mut refunds = Vec::new();
    for (place, sale) in sales.iter().enumerate() {
        let done = sale.order.status == "completed" && calendar.age(sale.placed_at) > 30;
        if !done || !dice.chance(4) {
            continue;
        }
        // The first line is always goods.
        let Some(line) = sale.order.lines.first() else { continue };
        let whole = dice.chance(60) || line.quantity.contains('.');
        let quantity = if whole { line.quantity.clone() } else { "1".to_owned() };
        let number = format!("R-{}", 5001 + refunds.len());
        let issued_at = sale.placed_at + TimeDelta::days(dice.between(3, 25));
        refunds.push(Refund {
            sale: place,
            note: CreditNote {
                reference: Some(reference(&number)),
                number,
                issued_at: Some(proto::timestamp(issued_at)),
                currency: sale.order.currency.clone(),
                lines: vec![OrderLine {
                    sku: line.sku.clone(),
                    quantity,
                    unit_price: line.unit_price.clone(),
                    ..OrderLine::default()
                }],
                ..CreditNote::default()
            },
        });
    }
    refunds
}

/// How the company's old system names a record.
pub(super) fn reference(number: &str) -> ExternalReference {
    ExternalReference { source: SOURCE.to_owned(), external_id: number.to_owned() }
}

struct Till {
    dice: Dice,
    calendar: Calendar,
}

impl Till {
    /// The moments at which somebody bought.
    fn purchases(&mut self, person: &Person) -> Vec<DateTime<Utc>> {
        let dice = &mut self.dice;
        let habits = [((0, 0), 20), ((1, 1), 34), ((2, 4), 29), ((5, 10), 13), ((11, 26), 4)];
        let (least, most) = dice.weighted(&habits).unwrap_or((0, 0));
        let count = dice.between(least, most);
        let from = self.calendar.age(person.registered_at).unsigned_abs().min(DAYS);
        // Some come no more.
        let until = if dice.chance(if most > 5 { 25 } else { 45 }) { dice.below(from + 1) } else { 0 };
        (0..count).map(|_| self.busy_day(from, until).max(person.registered_at)).collect()
    }

    /// A moment between two ages in days, oftener in busy months.
    fn busy_day(&mut self, from: u64, until: u64) -> DateTime<Utc> {
        let mut moment = self.calendar.0;
        for _ in 0..30 {
            let days = until + self.dice.below(from.saturating_sub(until) + 1);
            moment = self.calendar.days_ago(days, &mut self.dice);
            let month = usize::try_from(moment.month0()).unwrap_or(0);
            if self.dice.below(BUSIEST) < MONTHS.get(month).copied().unwrap_or(BUSIEST) {
                break;
            }
        }
        moment
    }

    /// The two categories somebody likes best.
    fn taste(&mut self) -> [&'static str; 2] {
        [self.dice.pick(&WARES).category, self.dice.pick(&WARES).category]
    }

    fn order(&mut self, number: u64, placed_at: DateTime<Utc>, buyer: Option<(&Person, &[&str; 2])>) -> Order {
        let currency = buyer.map_or("EUR", |(person, _)| person.currency);
        let age = self.calendar.age(placed_at);
        let number = format!("T-{number}");
        let (lines, total) = self.lines(buyer, currency, age);
        let status = self.status(age);
        Order {
            reference: Some(reference(&number)),
            payments: self.payments(&number, status, placed_at, total, currency),
            number,
            status: status.to_owned(),
            placed_at: Some(proto::timestamp(placed_at)),
            currency: currency.to_owned(),
            lines,
            ..Order::default()
        }
    }

    /// The lines, goods first, and what they come to in minor units.
    fn lines(&mut self, buyer: Option<(&Person, &[&str; 2])>, currency: &str, age: i64) -> (Vec<OrderLine>, i64) {
        let is_company = buyer.is_some_and(|(person, _)| person.is_company());
        let count = self.dice.weighted(&[(1, 38), (2, 32), (3, 18), (4, 8), (6, 4)]).unwrap_or(1);
        let mut lines: Vec<OrderLine> = Vec::new();
        let mut total = 0;
        for _ in 0..count {
            let ware = self.ware(buyer.map(|(_, taste)| taste));
            if lines.iter().any(|line| line.sku == ware.sku) {
                continue;
            }
            // In thousandths: what is sold by weight comes by 50 grams.
            let quantity = match (ware.by_weight, is_company) {
                (true, _) => self.dice.between(2, 12) * 50,
                (false, true) => self.dice.between(4, 18) * 1000,
                (false, false) => self.dice.weighted(&[(1, 70), (2, 20), (3, 6), (4, 4)]).unwrap_or(1) * 1000,
            };
            let price = price(ware.cents, currency, age);
            total += half_even(quantity * price, 1000);
            lines.push(line(ware.sku, quantity, price));
        }
        let voucher = price(500, currency, 0);
        if total > voucher * 4 && self.dice.chance(5) {
            lines.push(line(VOUCHER.0, 1000, -voucher));
            total -= voucher;
        }
        if self.dice.chance(6) {
            lines.push(line(SAMPLE.0, 1000, 0));
        }
        (lines, total)
    }

    fn ware(&mut self, taste: Option<&[&str; 2]>) -> Ware {
        let liked = taste.filter(|_| self.dice.chance(70)).map(|taste| self.dice.pick(taste));
        let wares: Vec<Ware> =
            WARES.into_iter().filter(|ware| liked.is_none_or(|category| ware.category == category)).collect();
        self.dice.pick(&wares)
    }

    fn status(&mut self, age: i64) -> &'static str {
        let statuses: &[(&'static str, u64)] = match age {
            ..3 => &[("new", 35), ("awaiting_payment", 20), ("assembling", 30), ("delivering", 15)],
            3..12 => &[("completed", 50), ("delivering", 40), ("awaiting_payment", 6), ("cancelled", 4)],
            _ => &[("completed", 94), ("cancelled", 6)],
        };
        self.dice.weighted(statuses).unwrap_or("completed")
    }

    fn payments(
        &mut self,
        order: &str,
        status: &str,
        placed_at: DateTime<Utc>,
        total: i64,
        currency: &str,
    ) -> Vec<Payment> {
        let is_paid = match status {
            "completed" => true,
            "delivering" => self.dice.chance(75),
            "assembling" => self.dice.chance(60),
            _ => false,
        };
        if !is_paid || total <= 0 {
            return Vec::new();
        }
        let first = if total > 10_000 && self.dice.chance(10) { total / 3 } else { total };
        let method = self.dice.weighted(&[("card", 62), ("wallet", 14), ("cash", 12), ("transfer", 12)]);
        let payment = |n: usize, minor: i64, after: TimeDelta| Payment {
            reference: Some(reference(&format!("P-{order}-{n}"))),
            method: method.unwrap_or("card").to_owned(),
            amount: Some(Money { minor, currency: currency.to_owned() }),
            paid_at: Some(proto::timestamp((placed_at + after).min(self.calendar.0))),
            ..Payment::default()
        };
        let mut payments = vec![payment(1, first, TimeDelta::minutes(2))];
        if first < total {
            payments.push(payment(2, total - first, TimeDelta::days(2)));
        }
        payments
    }
}

fn line(sku: &str, quantity: i64, price: i64) -> OrderLine {
    OrderLine {
        sku: sku.to_owned(),
        quantity: decimal(quantity, 3),
        unit_price: decimal(price, 2),
        ..OrderLine::default()
    }
}

/// A price in minor units of a currency: it has risen by three per cent a year, and looks like a price.
fn price(cents: i64, currency: &str, age: i64) -> i64 {
    let then = cents * (100 - 3 * (age / 365)) / 100;
    let to_step = |amount: i64, step: i64| (amount + step / 2) / step * step;
    match currency {
        "GBP" => to_step(then * 86 / 100, 5),
        "KZT" => to_step(then * 560, 1000),
        _ => to_step(then, 5),
    }
}

/// A quotient rounded half to even, as the orders service rounds.
fn half_even(numerator: i64, denominator: i64) -> i64 {
    let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole.rem_euclid(2),
    }
}

/// A number of so many decimal places, in its shortest form.
fn decimal(number: i64, places: u32) -> String {
    rust_decimal::Decimal::new(number, places).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_to_even() {
        let rounded = [2500, 3500, 2501, 2499, -2500].map(|n| half_even(n, 1000));
        assert_eq!(rounded, [2, 4, 3, 2, -2]);
    }

    #[test]
    fn decimals_are_written_in_their_shortest_form() {
        assert_eq!(
            (decimal(1000, 3).as_str(), decimal(250, 3).as_str(), decimal(-690, 2).as_str()),
            ("1", "0.25", "-6.9")
        );
    }
}
