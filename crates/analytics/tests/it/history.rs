//! Any history, cut into any batches, gives the figures that adding up its last states gives.

use std::collections::{BTreeMap, BTreeSet};

use clientele_contracts::orders::v1::LineKind;
use clientele_contracts::platform::v1::Event;
use uuid::Uuid;

use crate::source::{CreditNote, Order, Source, at, id};
use crate::world::{World, totals};

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn minor(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }
}

#[derive(Default)]
struct Last {
    orders: BTreeMap<Uuid, Order>,
    notes: BTreeMap<Uuid, CreditNote>,
}

fn write(dice: &mut Dice, source: &Source, last: &mut Last) -> Event {
    let currency = if dice.below(3) == 0 { "USD" } else { "EUR" };
    let customer = id(10 + u128::from(dice.below(4)));
    let moment = at("2024-01-01T00:00:00Z") + chrono::TimeDelta::hours(dice.minor(24 * 500));
    if dice.below(4) == 0 {
        let number = u128::from(dice.below(10));
        let lines = vec![(id(1 + u128::from(dice.below(3))), 1000 + dice.minor(3000), 1 + dice.minor(500))];
        let known =
            last.notes.get(&CreditNote::of(number, None, "2024-01-01T00:00:00Z", 0).id).and_then(|n| n.customer);
        let customer = known.or_else(|| (dice.below(4) > 0).then_some(customer));
        let note =
            CreditNote { at: moment, currency, lines, ..CreditNote::of(number, customer, "2024-01-01T00:00:00Z", 0) };
        last.notes.insert(note.id, note.clone());
        return source.credit_note(&note);
    }
    let number = u128::from(dice.below(25));
    let known = last.orders.get(&Order::of(number, None, "2024-01-01T00:00:00Z", 0).id).and_then(|o| o.customer);
    let customer = known.or_else(|| (dice.below(4) > 0).then_some(customer));
    let lines = (0..dice.below(4))
        .map(|_| {
            let product = id(1 + u128::from(dice.below(3)));
            match dice.below(6) {
                0 => (product, LineKind::Free, 1000, 0),
                1 => (product, LineKind::Adjustment, -1000, -dice.minor(100)),
                _ => (product, LineKind::Sale, 500 + dice.minor(3000), dice.minor(10_000)),
            }
        })
        .collect();
    let cancelled = dice.below(4) == 0;
    let order =
        Order { at: moment, currency, cancelled, lines, ..Order::of(number, customer, "2024-01-01T00:00:00Z", 0) };
    last.orders.insert(order.id, order.clone());
    source.order(&order)
}

impl Last {
    fn counting(&self) -> impl Iterator<Item = (&Order, i64)> {
        self.orders.values().filter(|order| !order.cancelled).filter_map(|order| {
            let mut sales = order.lines.iter().filter(|line| line.1 == LineKind::Sale).peekable();
            sales.peek().is_some().then(|| (order, sales.map(|line| line.3).sum()))
        })
    }

    /// Orders, gross, refunds, net of a customer in a currency; none where there is nothing.
    fn totals(&self, customer: Option<Uuid>, currency: &str) -> Option<(i64, i64, i64, i64)> {
        let orders: Vec<i64> = self
            .counting()
            .filter(|(order, _)| order.customer == customer && order.currency == currency)
            .map(|(_, gross)| gross)
            .collect();
        let notes = self.notes.values().filter(|note| note.customer == customer && note.currency == currency);
        let refunds: i64 = notes.flat_map(|note| &note.lines).map(|line| line.2).sum();
        let (count, gross) = (i64::try_from(orders.len()).unwrap(), orders.iter().sum::<i64>());
        (count > 0 || refunds > 0).then_some((count, gross, refunds, gross - refunds))
    }

    fn units(&self, customer: Uuid, currency: &str) -> BTreeMap<String, i64> {
        let mut units: BTreeMap<String, i64> = BTreeMap::new();
        for (order, _) in self.counting().filter(|(o, _)| o.customer == Some(customer) && o.currency == currency) {
            for line in order.lines.iter().filter(|line| line.1 == LineKind::Sale) {
                *units.entry(line.0.to_string()).or_default() += line.2;
            }
        }
        for note in self.notes.values().filter(|n| n.customer == Some(customer) && n.currency == currency) {
            for line in &note.lines {
                *units.entry(line.0.to_string()).or_default() -= line.1;
            }
        }
        units.retain(|_, units| *units > 0);
        units
    }
}

#[tokio::test]
async fn any_history_in_any_batches_equals_adding_up_its_last_states() {
    for seed in 1..=6 {
        let mut dice = Dice(seed);
        let world = World::still("UTC").await;
        let mut last = Last::default();
        let mut waiting: BTreeMap<i32, Vec<Event>> = BTreeMap::new();
        for _ in 0..250 {
            let event = write(&mut dice, &world.orders, &mut last);
            let partition = waiting.entry(event.partition).or_default();
            partition.push(event);
            if dice.below(5) == 0 {
                // One of the partitions goes on, by some of its events.
                let which = usize::try_from(dice.below(waiting.len() as u64)).unwrap();
                let (_, events) = waiting.iter_mut().nth(which).unwrap();
                let count = events.len().min(1 + usize::try_from(dice.below(8)).unwrap());
                let batch: Vec<Event> = events.drain(..count).collect();
                world.apply(&batch).await;
            }
        }
        for batch in waiting.into_values() {
            world.apply(&batch).await;
        }
        compare(&world, &last, seed).await;
    }
}

async fn compare(world: &World, last: &Last, seed: u64) {
    let mut known: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    let mut buyers: BTreeMap<(String, i64), BTreeSet<Uuid>> = BTreeMap::new();
    for customer in (10..14).map(id) {
        let metrics = world.customer(customer).await;
        for currency in ["EUR", "USD"] {
            let found = metrics.currencies.iter().find(|c| c.figures.as_ref().unwrap().currency == currency);
            let wanted = last.totals(Some(customer), currency);
            assert_eq!(found.map(totals), wanted, "seed {seed}, {customer} {currency}");
            let (Some(found), Some(wanted)) = (found, wanted) else { continue };

            let figures = found.figures.as_ref().unwrap();
            let mine = last.counting().filter(|(o, _)| o.customer == Some(customer) && o.currency == currency);
            let moments: Vec<_> = mine.map(|(order, _)| clientele_platform::proto::timestamp(order.at)).collect();
            let by_time = |t: &&prost_types::Timestamp| t.seconds;
            assert_eq!(figures.first_purchase_at.as_ref(), moments.iter().min_by_key(by_time), "seed {seed}");
            assert_eq!(figures.last_purchase_at.as_ref(), moments.iter().max_by_key(by_time), "seed {seed}");

            let units: BTreeMap<String, i64> = found
                .favourites
                .iter()
                .map(|f| {
                    let units: clientele_kernel::Decimal = f.units.parse().unwrap();
                    (f.product_id.clone(), i64::try_from(units * clientele_kernel::Decimal::from(1000)).unwrap())
                })
                .collect();
            assert_eq!(units, last.units(customer, currency), "seed {seed}");

            let sum = known.entry(currency.to_owned()).or_default();
            *sum = (sum.0 + wanted.0, sum.1 + wanted.1, sum.2 + wanted.2);
            for bound in [1, 2] {
                if wanted.0 >= bound {
                    buyers.entry((currency.to_owned(), bound)).or_default().insert(customer);
                }
            }
        }
    }
    for sales in world.summary().await.currencies {
        let (figures, anonymous) = (sales.known.unwrap(), sales.anonymous.unwrap());
        let code = figures.currency.clone();
        let minor = |money: Option<clientele_contracts::platform::v1::Money>| money.unwrap().minor;
        let found = (figures.orders, minor(figures.gross), minor(figures.refunds));
        assert_eq!(found, known.get(&code).copied().unwrap_or_default(), "seed {seed}, {code}");
        let months = sales.months.iter().fold((0, 0, 0), |sum, month| {
            let (gross, refunds) = (month.gross.clone().unwrap().minor, month.refunds.clone().unwrap().minor);
            (sum.0 + month.orders, sum.1 + gross, sum.2 + refunds)
        });
        assert_eq!(months, found, "seed {seed}, {code}");
        let nobody = (anonymous.orders, minor(anonymous.gross), minor(anonymous.refunds), minor(anonymous.net));
        assert_eq!(nobody, last.totals(None, &code).unwrap_or_default(), "seed {seed}, {code}");
        let count = |bound| i64::try_from(buyers.get(&(code.clone(), bound)).map_or(0, BTreeSet::len)).unwrap();
        assert_eq!((sales.paying_customers, sales.repeat_customers), (count(1), count(2)), "seed {seed}, {code}");
        let adjustments = last.orders.values().filter(|o| !o.cancelled && o.currency == code);
        let adjustments: i64 =
            adjustments.flat_map(|o| &o.lines).filter(|l| l.1 == LineKind::Adjustment).map(|l| l.3).sum();
        assert_eq!(sales.adjustment_minor, adjustments, "seed {seed}, {code}");
    }
}
