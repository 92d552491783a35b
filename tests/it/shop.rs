//! A little shop whose customers, orders and refunds are written through the API, and which keeps its own books: what the
//! services say must agree with them to the cent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use clientele_testkit::eventually_within;

use crate::rest::Client;

/// How long figures may take on a machine that is busy with other tests; what they take is printed.
pub(crate) const FRESH: Duration = Duration::from_secs(30);
/// How long they may take after something was down.
pub(crate) const CAUGHT_UP: Duration = Duration::from_secs(90);
const STEP: Duration = Duration::from_millis(20);

/// The source of everything the shop writes.
pub(crate) const SOURCE: &str = "shop";

/// A sale as the shop's books have it.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) number: String,
    pub(crate) customer_id: String,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) currency: &'static str,
    pub(crate) status: &'static str,
    /// SKU, quantity, price of one unit in minor units.
    pub(crate) lines: Vec<(String, i64, i64)>,
}

/// Money given back.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) number: String,
    pub(crate) customer_id: String,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) currency: &'static str,
    pub(crate) lines: Vec<(String, i64, i64)>,
}

/// Figures of one customer in one currency.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) orders: i64,
    pub(crate) gross: i64,
    pub(crate) refunds: i64,
    pub(crate) net: i64,
    pub(crate) average: Option<i64>,
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) mean_days: Option<f64>,
}

/// The shop's books.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) sales: BTreeMap<String, Sale>,
    pub(crate) refunds: Vec<Refund>,
}

impl Sale {
    /// The `n`-th sale of a sequence without an end, for one of the customers: one to three lines, odd prices.
    pub(crate) fn nth(n: i64, customers: &[String]) -> Self {
        let place = usize::try_from(n).expect("sales are counted from zero") % customers.len();
        let lines = (0..=n % 3)
            .map(|line| (format!("SKU-{}", (n + line) % 7), 1 + (n * 7 + line) % 5, 199 + n * 37 + line * 101));
        Self {
            number: format!("S-{n:05}"),
            customer_id: customers[place].clone(),
            placed_at: moment(n),
            currency: "EUR",
            status: "completed",
            lines: lines.collect(),
        }
    }

    fn gross(&self) -> i64 {
        self.lines.iter().map(|(_, quantity, price)| quantity * price).sum()
    }

    /// As an entry of a batch.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "reference": {"source": SOURCE, "externalId": self.number},
            "customerId": self.customer_id,
            "status": self.status,
            "placedAt": self.placed_at,
            "currency": self.currency,
            "lines": lines(&self.lines),
        })
    }
}

impl Refund {
    pub(crate) fn entry(&self) -> Value {
        json!({
            "reference": {"source": SOURCE, "externalId": self.number},
            "customerId": self.customer_id,
            "issuedAt": self.issued_at,
            "currency": self.currency,
            "lines": lines(&self.lines),
        })
    }
}

fn lines(lines: &[(String, i64, i64)]) -> Vec<Value> {
    let line = |(sku, quantity, price): &(String, i64, i64)| json!({"sku": sku, "name": format!("Goods {sku}"), "quantity": quantity.to_string(), "unitPrice": decimal(*price)});
    lines.iter().map(line).collect()
}

/// The `n`-th moment of business.
pub(crate) fn moment(n: i64) -> DateTime<Utc> {
    let opening = Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).single().expect("this moment exists once in UTC");
    opening + TimeDelta::hours(n * 11)
}

/// Minor units as a decimal number in major ones.
pub(crate) fn decimal(minor: i64) -> String {
    Decimal::new(minor, 2).to_string()
}

impl Books {
    /// Writes sales through the API, in one batch, and into the books.
    pub(crate) async fn sell(&mut self, client: &Client, sales: &[Sale]) {
        let orders: Vec<_> = sales.iter().map(Sale::entry).collect();
        // With a service of the house on its knees the answer may be to try again, and nothing is written then.
        let answer = eventually_within(FRESH, "the sales' being taken", || async {
            let answer = client.post("/v1/orders:batchUpsert", &json!({ "orders": orders })).await;
            (answer.status != 503).then_some(answer)
        })
        .await;
        let known = ["UPSERT_OUTCOME_CREATED", "UPSERT_OUTCOME_UPDATED", "UPSERT_OUTCOME_UNCHANGED"];
        assert_outcomes(&answer.ok(), &known, sales.len());
        self.note(sales);
    }

    /// Writes sales into the books alone.
    pub(crate) fn note(&mut self, sales: &[Sale]) {
        self.sales.extend(sales.iter().map(|sale| (sale.number.clone(), sale.clone())));
    }

    /// The same for refunds.
    pub(crate) async fn refund(&mut self, client: &Client, refunds: &[Refund]) {
        let notes: Vec<_> = refunds.iter().map(Refund::entry).collect();
        let answer = client.post("/v1/creditNotes:batchUpsert", &json!({ "creditNotes": notes })).await.ok();
        assert_outcomes(&answer, &["UPSERT_OUTCOME_CREATED"], refunds.len());
        self.refunds.extend_from_slice(refunds);
    }

    /// The figures of a customer by currency, computed from the books.
    pub(crate) fn figures(&self, customer_id: &str) -> BTreeMap<&'static str, Figures> {
        let sales: Vec<_> =
            self.sales.values().filter(|sale| sale.customer_id == customer_id && sale.status != "cancelled").collect();
        let refunds: Vec<_> = self.refunds.iter().filter(|refund| refund.customer_id == customer_id).collect();
        let currencies: BTreeSet<_> =
            sales.iter().map(|sale| sale.currency).chain(refunds.iter().map(|refund| refund.currency)).collect();
        currencies
            .into_iter()
            .map(|currency| {
                let mut moments: Vec<_> =
                    sales.iter().filter(|s| s.currency == currency).map(|s| s.placed_at).collect();
                moments.sort_unstable();
                let gross: i64 = sales.iter().filter(|sale| sale.currency == currency).map(|sale| sale.gross()).sum();
                let given_back = refunds.iter().filter(|refund| refund.currency == currency);
                let refunds: i64 = given_back.flat_map(|refund| &refund.lines).map(|(_, q, price)| q * price).sum();
                let orders = i64::try_from(moments.len()).expect("they can be counted");
                let (first, last) = (moments.first().copied(), moments.last().copied());
                let figures = Figures {
                    orders,
                    gross,
                    refunds,
                    net: gross - refunds,
                    average: (orders > 0).then(|| half_even(gross, orders)),
                    first,
                    last,
                    mean_days: first
                        .zip(last)
                        .filter(|_| orders > 1)
                        .map(|(first, last)| mean_days(last - first, orders)),
                };
                (currency, figures)
            })
            .collect()
    }

    /// Waits until the cards of these customers show what the books say, and gives how long that took.
    pub(crate) async fn agree_with_cards(&self, client: &Client, customers: &[String], limit: Duration) -> Duration {
        let begun = Instant::now();
        for id in customers {
            let expected = self.figures(id);
            loop {
                let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
                let found = figures_of(&card["metrics"]["metrics"]);
                if agree(&found, &expected) {
                    break;
                }
                assert!(
                    begun.elapsed() < limit,
                    "{id}: the books say {expected:#?}, the card after {limit:?} {card:#}"
                );
                tokio::time::sleep(STEP).await;
            }
        }
        begun.elapsed()
    }
}

#[track_caller]
pub(crate) fn assert_outcomes(answer: &Value, good: &[&str], count: usize) {
    let results = answer["results"].as_array().expect("a batch has results");
    assert_eq!(results.len(), count);
    for result in results {
        assert!(good.iter().any(|outcome| result["outcome"] == *outcome), "{result}");
    }
}

fn half_even(amount: i64, count: i64) -> i64 {
    let average = Decimal::from(amount) / Decimal::from(count);
    let rounded = average.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
    i64::try_from(rounded).expect("an average is no larger than the sum")
}

#[expect(clippy::cast_precision_loss, reason = "a few years in milliseconds are exact in a double")]
fn mean_days(span: TimeDelta, orders: i64) -> f64 {
    span.num_milliseconds() as f64 / 86_400_000.0 / (orders - 1) as f64
}

/// The figures of a `CustomerMetrics` by currency.
pub(crate) fn figures_of(metrics: &Value) -> BTreeMap<String, Figures> {
    let currencies = metrics["currencies"].as_array().cloned().unwrap_or_default();
    currencies
        .iter()
        .map(|entry| {
            let figures = &entry["figures"];
            let currency = figures["currency"].as_str().expect("figures have a currency").to_owned();
            let money = |name: &str| {
                let money = &figures[name];
                assert_eq!(money["currency"], currency, "{figures}");
                whole(&money["minor"])
            };
            let moment = |name: &str| figures[name].as_str().map(|text| text.parse().expect("a moment is RFC 3339"));
            let found = Figures {
                orders: whole(&figures["orders"]),
                gross: money("gross"),
                refunds: money("refunds"),
                net: money("net"),
                average: figures.get("average").map(|_| money("average")),
                first: moment("firstPurchaseAt"),
                last: moment("lastPurchaseAt"),
                mean_days: figures["meanDaysBetween"].as_f64(),
            };
            (currency, found)
        })
        .collect()
}

/// A whole number of 64 bits, which travels as text.
pub(crate) fn whole(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no whole number"))
}

fn agree(found: &BTreeMap<String, Figures>, expected: &BTreeMap<&'static str, Figures>) -> bool {
    // A currency of which nothing is left (all orders cancelled) may be told with zeros or left out.
    let told: BTreeMap<_, _> = found.iter().filter(|(_, f)| f.orders > 0 || f.refunds > 0 || f.gross != 0).collect();
    told.len() == expected.len()
        && told.iter().all(|(currency, found)| {
            expected.get(currency.as_str()).is_some_and(|expected| {
                let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                    (Some(a), Some(b)) => (a - b).abs() < 1e-6,
                    (a, b) => a == b,
                };
                close(found.mean_days, expected.mean_days)
                    && Figures { mean_days: None, ..(*found).clone() }
                        == Figures { mean_days: None, ..expected.clone() }
            })
        })
}

/// Creates a customer and gives the id.
pub(crate) async fn customer(client: &Client, name: &str) -> String {
    let made = client.post("/v1/customers", &json!({"customer": {"displayName": name}})).await.ok();
    made["id"].as_str().expect("a customer has an id").to_owned()
}

/// Creates customers of these names.
pub(crate) async fn customers(client: &Client, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(customer(client, &name).await);
    }
    ids
}

/// Reads a feed to its end in all partitions by a cursor, in pages of `page`, and asserts that positions are dense.
pub(crate) async fn feed(client: &Client, context: &str, page: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for partition in 0..32 {
        let mut after = 0;
        loop {
            let path = format!("/v1/feeds/{context}/{partition}?after={after}&pageSize={page}");
            let part = client.get(&path).await.ok();
            let found = part["events"].as_array().expect("a part of a feed has events");
            for event in found {
                assert_eq!(whole(&event["position"]), after + 1, "{context}/{partition} has a gap");
                assert_eq!((&event["partition"], &event["context"]), (&json!(partition), &json!(context)));
                after += 1;
            }
            events.extend(found.iter().cloned());
            if found.is_empty() {
                assert_eq!(whole(&part["head"]), after, "{context}/{partition} ends before its head");
                break;
            }
        }
    }
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "an event is in the feed of {context} twice");
    events
}
