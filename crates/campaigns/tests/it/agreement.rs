//! What is kept event by event equals what is counted from scratch, under any order of events, rules and time.

use chrono::TimeDelta;
use clientele_contracts::campaigns::v1 as pb;
use clientele_platform::proto;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::source::{Totals, at, id, person, with_email, with_phone};
use crate::world::{World, all, any, condition, given, not};

const CUSTOMERS: usize = 8;
const SEGMENTS: usize = 3;

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A customer is created or changed.
    Save {
        customer: usize,
        variant: u8,
    },
    Delete {
        customer: usize,
    },
    /// A customer's figures change: currency, orders, gross, refunds, days before now.
    Figures {
        customer: usize,
        totals: Vec<(bool, i64, i64, i64, i64)>,
    },
    /// A segment gets a rule, or is made.
    Rule {
        segment: usize,
        rule: pb::Rule,
    },
    Activate {
        segment: usize,
        active: bool,
    },
    /// Days pass, and hours.
    Pass {
        hours: i64,
    },
}

fn leaf() -> impl Strategy<Value = pb::Rule> {
    use pb::Operator::{AtLeast, AtMost, Equal, IsAbsent, IsPresent, Less, LessDaysAgo, More, MoreDaysAgo, NotEqual};
    use pb::condition::Value;
    let ordered = || prop::sample::select(vec![AtLeast, More, AtMost, Less, Equal, NotEqual]);
    let currency = || prop::sample::select(vec!["", "EUR", "USD"]);
    let amounts = (
        prop::sample::select(vec!["metrics.gross", "metrics.net", "metrics.refunds", "metrics.average"]),
        ordered(),
        -30_i64..60,
        any_bool(),
    )
        .prop_map(|(field, operator, minor, dollars)| {
            let currency = if dollars { "USD" } else { "EUR" };
            let money = clientele_contracts::platform::v1::Money { minor, currency: currency.into() };
            condition(field, operator, Value::Money(money))
        });
    let orders = (ordered(), -1_i64..5, currency()).prop_map(|(operator, number, currency)| {
        given("metrics.orders", operator, Some(Value::Number(number)), currency)
    });
    let ages = (
        prop::sample::select(vec!["metrics.last_purchase_at", "metrics.first_purchase_at"]),
        prop::sample::select(vec![MoreDaysAgo, LessDaysAgo]),
        0_i64..20,
        currency(),
    )
        .prop_map(|(field, operator, days, currency)| given(field, operator, Some(Value::Number(days)), currency));
    let moments = (
        prop::sample::select(vec!["metrics.last_purchase_at", "customer.registered_at"]),
        prop::sample::select(vec![AtLeast, More, AtMost, Less]),
        -20_i64..20,
    )
        .prop_map(|(field, operator, days)| {
            let moment = at("2026-01-15T10:00:00Z") + TimeDelta::days(days);
            condition(field, operator, Value::Moment(proto::timestamp(moment)))
        });
    let registered = (prop::sample::select(vec![MoreDaysAgo, LessDaysAgo]), 0_i64..20)
        .prop_map(|(operator, days)| condition("customer.registered_at", operator, Value::Number(days)));
    let texts = (prop::sample::select(vec![Equal, NotEqual]), prop::sample::select(vec!["Spain", "Peru"]))
        .prop_map(|(operator, country)| condition("customer.country", operator, Value::Text(country.into())));
    let words = (prop::sample::select(vec![Equal, NotEqual]), prop::sample::select(vec!["person", "company"]))
        .prop_map(|(operator, kind)| condition("customer.kind", operator, Value::Text(kind.into())));
    let ids = (prop::sample::select(vec![Equal, NotEqual]), 0_u128..2)
        .prop_map(|(operator, n)| condition("customer.store_id", operator, Value::Text(id(500 + n).to_string())));
    let flags = (prop::sample::select(vec!["customer.has_phone", "customer.has_email"]), any_bool())
        .prop_map(|(field, flag)| condition(field, NotEqual, Value::Flag(flag)));
    let presence = (
        prop::sample::select(vec![
            "metrics.gross",
            "metrics.average",
            "metrics.last_purchase_at",
            "metrics.refunds",
            "metrics.first_purchase_at",
        ]),
        prop::sample::select(vec![IsPresent, IsAbsent]),
        currency(),
    )
        .prop_map(|(field, operator, currency)| given(field, operator, None, currency));
    let facts = (
        prop::sample::select(vec!["customer.country", "customer.store_id", "customer.manager_id"]),
        prop::sample::select(vec![IsPresent, IsAbsent]),
    )
        .prop_map(|(field, operator)| given(field, operator, None, ""));
    prop_oneof![
        3 => amounts, 2 => orders, 4 => ages, 1 => moments, 1 => registered, 1 => texts, 1 => words, 1 => ids,
        1 => flags, 2 => presence, 1 => facts
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

fn rules() -> impl Strategy<Value = pb::Rule> {
    leaf().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(all),
            prop::collection::vec(inner.clone(), 1..4).prop_map(any),
            inner.prop_map(not),
        ]
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let totals = prop::collection::vec((any_bool(), 0_i64..4, -20_i64..60, 0_i64..30, -3_i64..20), 0..3);
    let step = prop_oneof![
        4 => (0..CUSTOMERS, 0_u8..16).prop_map(|(customer, variant)| Step::Save { customer, variant }),
        1 => (0..CUSTOMERS).prop_map(|customer| Step::Delete { customer }),
        6 => (0..CUSTOMERS, totals).prop_map(|(customer, totals)| Step::Figures { customer, totals }),
        3 => (0..SEGMENTS, rules()).prop_map(|(segment, rule)| Step::Rule { segment, rule }),
        1 => (0..SEGMENTS, any_bool()).prop_map(|(segment, active)| Step::Activate { segment, active }),
        2 => (1_i64..200).prop_map(|hours| Step::Pass { hours }),
    ];
    prop::collection::vec(step, 10..60)
}

struct Story {
    world: World,
    segments: Vec<Option<String>>,
    /// Each life of a customer has an id of its own.
    lives: Vec<u128>,
}

impl Story {
    fn customer(&self, customer: usize) -> Uuid {
        id(1_000 * (customer as u128 + 1) + self.lives[customer])
    }

    async fn take(&mut self, step: Step) {
        let world = &self.world;
        let events = match step {
            Step::Save { customer, variant } => {
                let mut record = person(self.customer(customer));
                record.kind = if variant & 1 == 0 { 1 } else { 2 };
                record.country = ["", "Spain", "Peru", ""][usize::from(variant % 4)].into();
                record.store_id = if variant & 2 == 0 { String::new() } else { id(500).to_string() };
                record.registered_at =
                    Some(proto::timestamp(at("2026-01-10T10:00:00Z") + TimeDelta::hours(i64::from(variant) * 20)));
                if variant & 4 != 0 {
                    record = with_phone(record);
                }
                if variant & 8 != 0 {
                    record = with_email(record);
                }
                vec![world.customers.save(&record)]
            }
            Step::Delete { customer } => {
                let event = world.customers.delete(self.customer(customer));
                self.lives[customer] += 1;
                vec![event]
            }
            Step::Figures { customer, totals } => {
                let now = world.harness.host.clock.now();
                let mut figures: Vec<Totals> = Vec::new();
                for (dollars, orders, gross, refunds, days) in totals {
                    let currency = if dollars { "USD" } else { "EUR" };
                    if figures.iter().any(|known| known.currency == currency) {
                        continue;
                    }
                    let last = (orders > 0).then(|| now - TimeDelta::days(days));
                    let first = last.map(|last| last - TimeDelta::days(orders));
                    figures.push(Totals { currency, orders, gross, refunds, first, last });
                }
                vec![world.analytics.figures(self.customer(customer), &figures)]
            }
            Step::Rule { segment, rule } => {
                if let Some(id) = &self.segments[segment] {
                    let changed = pb::Segment { rule: Some(rule), ..world.get(id).await };
                    world.update(changed, &["rule"]).await.unwrap();
                } else {
                    let created = world.create(&format!("segment {segment}"), rule).await.unwrap();
                    self.segments[segment] = Some(created.id);
                }
                Vec::new()
            }
            Step::Activate { segment, active } => {
                if let Some(id) = &self.segments[segment] {
                    let changed = pb::Segment { active, ..world.get(id).await };
                    world.update(changed, &["active"]).await.unwrap();
                }
                Vec::new()
            }
            Step::Pass { hours } => {
                world.database.clock.advance(TimeDelta::hours(hours));
                Vec::new()
            }
        };
        // Told and not waited for: the next step comes while this one is being worked on.
        world.harness.host.bus.publish(&events).await.unwrap();
    }

    /// Now, and after time alone has passed.
    async fn check(&self) {
        self.world.settled().await;
        for hours in [0, 31, 90] {
            self.world.database.clock.advance(TimeDelta::hours(hours));
            self.world.quiet().await;
            self.compare().await;
        }
        self.find_anew().await;
    }

    /// Numbers that are kept against numbers that are counted.
    async fn compare(&self) {
        for id in self.segments.iter().flatten() {
            let segment = self.world.get(id).await;
            let kept = i64::try_from(self.world.members(id).await.len()).unwrap();
            assert_eq!(segment.member_count, kept, "the number that is kept");
            let rule = segment.rule.unwrap();
            let counted = if segment.active { self.world.count(rule.clone()).await } else { 0 };
            assert_eq!(kept, counted, "{rule:?}");
        }
    }

    /// The same number need not be the same people: members against those of a new segment with the same rule.
    async fn find_anew(&self) {
        for id in self.segments.iter().flatten() {
            let segment = self.world.get(id).await;
            if !segment.active {
                continue;
            }
            let copy = self.world.segment(&format!("copy of {}", segment.name), segment.rule.unwrap()).await;
            assert_eq!(self.world.members(&copy.id).await, self.world.members(id).await, "found from scratch");
            let away = pb::Segment { active: false, name: format!("old {}", copy.id), ..copy };
            self.world.update(away, &["active", "name"]).await.unwrap();
        }
    }
}

#[test]
fn what_is_kept_event_by_event_equals_what_is_found_and_counted_from_scratch() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 8, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let told = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let world = World::new().await;
            world.start_replica().await;
            let mut story = Story { world, segments: vec![None; SEGMENTS], lives: vec![0; CUSTOMERS] };
            let half = steps.len() / 2;
            for (i, step) in steps.into_iter().enumerate() {
                story.take(step).await;
                if i == half {
                    story.check().await;
                }
            }
            story.check().await;
            story.world.harness.stop().await;
        });
        Ok(())
    });
    assert!(told.is_ok(), "{}", told.unwrap_err());
}
