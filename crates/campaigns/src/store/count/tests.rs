//! The statement against the evaluator: on any customers, any rule.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Currency, Money};
use clientele_testkit::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::domain::field::{Field, Operator, ValueKind};
use crate::domain::person::{Facts, Figure, Kind, Person};
use crate::domain::rule::condition::Given;
use crate::domain::rule::{Condition, Rule};
use crate::store::person::{NewFacts, NewFigures, ensure, forget, put_facts, put_figures};

const NOW: &str = "2026-01-15T10:00:00Z";

fn moment(days: i64, micros: i64) -> DateTime<Utc> {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    now + TimeDelta::days(days) + TimeDelta::microseconds(micros)
}

fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    (-6_i64..3, -1_i64..2).prop_map(|(days, micros)| moment(days, micros))
}

fn ids() -> impl Strategy<Value = Uuid> {
    (0_u128..2).prop_map(|n| Uuid::from_u128(0x0193_a1f0_0000_7000_8000_0000_0000_0000 + n))
}

fn figures() -> impl Strategy<Value = BTreeMap<Currency, Figure>> {
    let moment = || prop::option::of(moments());
    let figure =
        (0_i64..4, -9_i64..9, 0_i64..5, moment(), moment()).prop_map(|(orders, gross, refunds, a, b)| Figure {
            orders,
            gross_minor: gross,
            refund_minor: refunds,
            first_purchase_at: a.min(b),
            last_purchase_at: a.max(b),
        });
    let codes = prop::sample::select(vec!["EUR", "USD"]).prop_map(|code| Currency::from_code(code).unwrap());
    prop::collection::btree_map(codes, figure, 0..3)
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let facts = (
        prop::sample::select(Kind::ALL.to_vec()),
        prop::option::of(prop::sample::select(vec!["Spain", "Peru"])),
        prop::option::of(ids()),
        prop::option::of(ids()),
        moments(),
        any::<(bool, bool)>(),
    )
        .prop_map(|(kind, country, store, manager, registered_at, (has_phone, has_email))| Facts {
            kind,
            country: country.map(str::to_owned),
            store: store.map(Into::into),
            manager: manager.map(Into::into),
            registered_at,
            has_phone,
            has_email,
        });
    prop::collection::vec((facts, figures()), 0..20).prop_map(|people| {
        let numbered = people.into_iter().enumerate();
        numbered
            .map(|(n, (facts, figures))| Person { id: Uuid::from_u128(n as u128 + 1).into(), facts, figures })
            .collect()
    })
}

/// Any operator on any field, with a value that is sometimes met.
fn conditions() -> impl Strategy<Value = Rule> {
    let all: Vec<(Field, Operator)> =
        Field::ALL.into_iter().flat_map(|field| field.operators().into_iter().map(move |op| (field, op))).collect();
    let currencies = prop::sample::select(vec!["", "EUR", "USD"]);
    (prop::sample::select(all), -4_i64..6, moments(), ids(), any::<bool>(), currencies).prop_map(
        |((field, operator), number, moment, id, flag, currency)| {
            let given = match field.kind() {
                _ if matches!(operator, Operator::IsPresent | Operator::IsAbsent) => Given::None,
                _ if operator.is_age() => Given::Number(number.max(0)),
                ValueKind::Text => Given::Text(if flag { "Spain" } else { "Peru" }.to_owned()),
                ValueKind::Choice => Given::Text(field.choices()[usize::from(flag)].to_owned()),
                ValueKind::Number => Given::Number(number),
                ValueKind::Money => {
                    let own = if currency.is_empty() { "EUR" } else { currency };
                    Given::Money(Money::new(number, Currency::from_code(own).unwrap()))
                }
                ValueKind::Moment => Given::Moment(moment),
                ValueKind::Flag => Given::Flag(flag),
                ValueKind::Store | ValueKind::User => Given::Text(id.to_string()),
            };
            let currency = if field.is_figure() { currency } else { "" };
            Rule::Condition(Condition::try_new(field.as_str(), operator, given, currency).unwrap())
        },
    )
}

fn rules() -> impl Strategy<Value = Rule> {
    conditions().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::Any),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

#[test]
fn the_statement_counts_whom_the_evaluator_holds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(TestDatabase::new("campaigns", &crate::MIGRATIONS));
    let config = Config { cases: 40, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let told = TestRunner::new(config).run(&(people(), prop::collection::vec(rules(), 60)), |(people, rules)| {
        runtime.block_on(async {
            let mut conn = database.db.pool().acquire().await.unwrap();
            let ids: Vec<_> = people.iter().map(|person| person.id).collect();
            let facts = people.iter().map(|p| NewFacts {
                customer: p.id,
                version: 1,
                facts: p.facts.clone(),
                at: moment(0, 0),
            });
            let figures = people.iter().map(|p| NewFigures {
                customer: p.id,
                version: 1,
                figures: p.figures.clone(),
                at: moment(0, 0),
            });
            ensure(&mut conn, &ids).await.unwrap();
            put_facts(&mut conn, &facts.collect::<Vec<_>>()).await.unwrap();
            put_figures(&mut conn, &figures.collect::<Vec<_>>()).await.unwrap();
            let at = moment(0, 0);
            let mut differ = None;
            for rule in &rules {
                let held = people.iter().filter(|person| rule.holds(person, at)).count();
                let counted = super::count(&mut conn, rule, at).await.unwrap();
                if i64::try_from(held) != Ok(counted) {
                    differ = Some(format!("{counted} counted, {held} held by {rule:?}"));
                }
            }
            forget(&mut conn, &ids).await.unwrap();
            differ.map_or(Ok(()), |differ| Err(TestCaseError::fail(differ)))
        })
    });
    assert!(told.is_ok(), "{}", told.unwrap_err());
}
