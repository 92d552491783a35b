use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use clientele_kernel::{Currency, CustomerId, Money, StoreId};
use proptest::prelude::*;
use uuid::Uuid;

use super::condition::Given;
use super::{Condition, Rule, Value};
use crate::domain::field::{Field, Operator, ValueKind};
use crate::domain::person::{Facts, Figure, Kind, Person};

fn day(number: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).unwrap() + TimeDelta::days(number)
}

fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap()
}

fn person() -> Person {
    let facts = Facts {
        kind: Kind::Person,
        country: Some("Spain".to_owned()),
        store: None,
        manager: None,
        registered_at: day(-400),
        has_phone: true,
        has_email: false,
    };
    let figure = Figure {
        orders: 3,
        gross_minor: 10_001,
        refund_minor: 500,
        first_purchase_at: Some(day(-100)),
        last_purchase_at: Some(day(-10)),
    };
    let refunded = Figure { refund_minor: 700, ..Figure::default() };
    let figures = BTreeMap::from([(currency("EUR"), figure), (currency("USD"), refunded)]);
    Person { id: CustomerId::from(Uuid::from_u128(1)), facts, figures }
}

fn condition(field: &str, operator: Operator, given: Given) -> Rule {
    Rule::Condition(Condition::try_new(field, operator, given, "").unwrap())
}

fn money(minor: i64, code: &str) -> Given {
    Given::Money(Money::new(minor, currency(code)))
}

fn text(text: &str) -> Given {
    Given::Text(text.to_owned())
}

fn refused(field: &str, operator: Operator, given: Given, currency: &str) -> (String, String) {
    let error = Condition::try_new(field, operator, given, currency).unwrap_err();
    (error.violations[0].field.clone(), error.violations[0].description.clone())
}

#[test]
fn an_absent_value_fulfils_is_absent_and_not_equal_alone() {
    let mut person = person();
    person.figures.clear();
    person.facts.country = None;
    for field in Field::ALL {
        for operator in field.operators() {
            let given = match (operator, field.kind()) {
                (Operator::IsPresent | Operator::IsAbsent, _) => Given::None,
                (operator, _) if operator.is_age() => Given::Number(1),
                (_, ValueKind::Text) => text("Spain"),
                (_, ValueKind::Store | ValueKind::User) => text(&Uuid::from_u128(7).to_string()),
                (_, ValueKind::Money) => money(0, "EUR"),
                (_, ValueKind::Moment) => Given::Moment(day(0)),
                (_, ValueKind::Choice | ValueKind::Number | ValueKind::Flag) => continue,
            };
            if field == Field::RegisteredAt {
                continue;
            }
            let holds = condition(field.as_str(), operator, given).holds(&person, day(0));
            assert_eq!(holds, matches!(operator, Operator::IsAbsent | Operator::NotEqual), "{field:?} {operator:?}");
        }
    }
    // A count has a value where there is nothing to count.
    assert!(condition("metrics.orders", Operator::AtMost, Given::Number(0)).holds(&person, day(0)));
}

#[test]
fn an_amount_is_held_against_the_figures_in_its_own_currency() {
    let holds = |field, operator, given| condition(field, operator, given).holds(&person(), day(0));
    assert!(holds("metrics.gross", Operator::AtLeast, money(10_001, "EUR")));
    assert!(!holds("metrics.gross", Operator::More, money(10_001, "EUR")));
    assert!(holds("metrics.net", Operator::Equal, money(9_501, "EUR")));
    // 10,001 / 3 is 3,333 and two thirds.
    assert!(holds("metrics.average", Operator::Equal, money(3_334, "EUR")));
    assert!(holds("metrics.gross", Operator::Equal, money(0, "USD")));
    assert!(holds("metrics.net", Operator::Equal, money(-700, "USD")));
    assert!(!holds("metrics.average", Operator::Equal, money(0, "USD")));
    assert!(!holds("metrics.gross", Operator::AtLeast, money(0, "GBP")));
    assert!(holds("metrics.gross", Operator::NotEqual, money(0, "GBP")));
}

#[test]
fn an_average_is_rounded_half_to_even() {
    for (gross, orders, average) in [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (1, 3, 0), (2, 3, 1), (-2, 3, -1)]
    {
        let figure = Figure { orders, gross_minor: gross, ..Figure::default() };
        assert_eq!(figure.average(currency("EUR")).unwrap().minor, average, "{gross} / {orders}");
    }
}

#[test]
fn orders_of_all_currencies_are_added_up_and_moments_compared() {
    let mut person = person();
    let dollars = person.figures.get_mut(&currency("USD")).unwrap();
    *dollars = Figure {
        orders: i64::MAX,
        first_purchase_at: Some(day(-200)),
        last_purchase_at: Some(day(-50)),
        ..Figure::default()
    };
    let holds = |field: &str, operator, given, currency: &str| {
        Condition::try_new(field, operator, given, currency).unwrap().holds(&person, day(0))
    };
    assert!(holds("metrics.orders", Operator::More, Given::Number(i64::MAX), ""));
    assert!(holds("metrics.orders", Operator::Equal, Given::Number(3), "EUR"));
    assert!(holds("metrics.first_purchase_at", Operator::MoreDaysAgo, Given::Number(200), ""));
    assert!(!holds("metrics.first_purchase_at", Operator::MoreDaysAgo, Given::Number(101), "EUR"));
    assert!(holds("metrics.last_purchase_at", Operator::LessDaysAgo, Given::Number(11), ""));
    assert!(!holds("metrics.last_purchase_at", Operator::LessDaysAgo, Given::Number(50), "USD"));
}

#[test]
fn an_age_in_days_is_reached_at_the_very_moment() {
    let rule = condition("metrics.last_purchase_at", Operator::MoreDaysAgo, Given::Number(90));
    let moment = day(80);
    let before = moment - TimeDelta::microseconds(1);
    assert_eq!((rule.holds(&person(), before), rule.holds(&person(), moment)), (false, true));
    assert_eq!(rule.verdict(&person(), before).next_change_at, Some(moment));
    assert_eq!(rule.verdict(&person(), moment).next_change_at, None);
    // What lies in the future is younger than any age.
    let young = condition("metrics.last_purchase_at", Operator::LessDaysAgo, Given::Number(0));
    assert!(young.holds(&person(), day(-11)) && !young.holds(&person(), day(-10)));
}

#[test]
fn a_condition_that_turns_without_the_whole_turning_is_no_change() {
    let more = |days| condition("metrics.last_purchase_at", Operator::MoreDaysAgo, Given::Number(days));
    let any = Rule::Any(vec![more(5), more(90)]);
    assert_eq!(any.verdict(&person(), day(0)).next_change_at, None);
    let both = Rule::All(vec![more(20), more(90)]);
    assert_eq!(both.verdict(&person(), day(0)).next_change_at, Some(day(80)));
    let between = Rule::All(vec![more(20), Rule::Not(Box::new(more(90)))]);
    let verdict = between.verdict(&person(), day(15));
    assert_eq!((verdict.holds, verdict.next_change_at), (true, Some(day(80))));
}

#[test]
fn reasons_are_the_conditions_that_decided_with_the_values_they_met() {
    let rule = Rule::All(vec![
        condition("metrics.gross", Operator::More, money(5_000, "EUR")),
        Rule::Any(vec![
            condition("customer.country", Operator::Equal, text("France")),
            condition("customer.country", Operator::Equal, text("Spain")),
        ]),
        Rule::Not(Box::new(condition("customer.has_email", Operator::Equal, Given::Flag(true)))),
        condition("metrics.last_purchase_at", Operator::MoreDaysAgo, Given::Number(10)),
    ]);
    let told = |at| {
        let reasons = rule.reasons(&person(), at).into_iter();
        reasons.map(|r| (r.condition.field().as_str(), r.actual, r.holds)).collect::<Vec<_>>()
    };
    let last = "2025-12-22T12:00:00Z".to_owned();
    assert_eq!(
        told(day(0)),
        [
            ("metrics.gross", "100.01 EUR".to_owned(), true),
            ("customer.country", "Spain".to_owned(), true),
            ("customer.has_email", "false".to_owned(), false),
            ("metrics.last_purchase_at", last.clone(), true),
        ]
    );
    // Of those that must all hold, the one that does not is the reason.
    assert_eq!(told(day(-1)), [("metrics.last_purchase_at", last, false)]);
}

#[test]
fn what_does_not_fit_the_field_is_refused_by_name() {
    use Operator::{AtLeast, Equal, IsPresent, MoreDaysAgo};
    assert_eq!(refused("metrics.profit", Equal, Given::None, "").0, "field");
    let (field, description) = refused("customer.country", AtLeast, text("Spain"), "");
    assert_eq!(field, "operator");
    assert!(description.contains("EQUAL, NOT_EQUAL, IS_PRESENT, IS_ABSENT"), "{description}");
    assert_eq!(refused("customer.kind", IsPresent, Given::None, "").0, "operator");
    for (name, operator, given) in [
        ("metrics.gross", AtLeast, Given::Number(5)),
        ("metrics.gross", IsPresent, money(1, "EUR")),
        ("customer.kind", Equal, text("robot")),
        ("customer.country", Equal, text(" ")),
        ("customer.country", Equal, text(&"x".repeat(101))),
        ("customer.store_id", Equal, text("12")),
        ("customer.has_phone", Equal, Given::None),
        ("metrics.last_purchase_at", MoreDaysAgo, Given::Number(-1)),
        ("metrics.last_purchase_at", MoreDaysAgo, Given::Number(36_501)),
        ("metrics.last_purchase_at", MoreDaysAgo, Given::Moment(day(0))),
    ] {
        assert_eq!(refused(name, operator, given, "").0, "value", "{name}");
    }
    assert_eq!(refused("metrics.orders", Equal, Given::Number(1), "EURO").0, "currency");
    assert_eq!(refused("metrics.gross", Equal, money(1, "EUR"), "USD").0, "currency");
    assert_eq!(refused("customer.has_phone", Equal, Given::Flag(true), "EUR").0, "currency");
}

#[test]
fn a_store_is_compared_by_its_id() {
    let store = StoreId::from(Uuid::from_u128(5));
    let mut person = person();
    let rule = condition("customer.store_id", Operator::Equal, text(&store.to_string()));
    assert!(!rule.holds(&person, day(0)));
    person.facts.store = Some(store);
    assert!(rule.holds(&person, day(0)));
    let Rule::Condition(condition) = rule else { panic!("a condition was made") };
    assert_eq!(condition.value(), &Value::Store(store));
}

fn moments() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    prop::option::of((-60_i64..20, -2_i64..3).prop_map(|(days, micros)| day(days) + TimeDelta::microseconds(micros)))
}

fn people() -> impl Strategy<Value = Person> {
    let figure =
        (0_i64..4, 0_i64..500, 0_i64..300, moments(), moments()).prop_map(|(orders, gross, refund, a, b)| Figure {
            orders,
            gross_minor: gross,
            refund_minor: refund,
            first_purchase_at: a.min(b),
            last_purchase_at: a.max(b),
        });
    (prop::collection::btree_map(prop::sample::select(vec!["EUR", "USD"]), figure, 0..3), -60_i64..10).prop_map(
        |(figures, registered)| {
            let mut person = person();
            person.facts.registered_at = day(registered);
            person.figures = figures.into_iter().map(|(code, figure)| (currency(code), figure)).collect();
            person
        },
    )
}

fn rules() -> impl Strategy<Value = Rule> {
    let ages = (
        prop::sample::select(vec!["metrics.last_purchase_at", "metrics.first_purchase_at", "customer.registered_at"]),
        prop::sample::select(vec![Operator::MoreDaysAgo, Operator::LessDaysAgo]),
        0_i64..60,
    )
        .prop_map(|(field, operator, days)| condition(field, operator, Given::Number(days)));
    let amounts = (0_i64..500).prop_map(|minor| condition("metrics.gross", Operator::AtLeast, money(minor, "EUR")));
    prop_oneof![3 => ages, 1 => amounts].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::Any),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

proptest! {
    /// Against brute force: every hour of eighty days, and the microseconds around every moment anything depends on.
    #[test]
    fn a_result_changes_at_the_moment_foretold_and_at_no_other(person in people(), rule in rules(), start in -20_i64..20) {
        let start = day(start);
        let verdict = rule.verdict(&person, start);
        prop_assert_eq!(verdict.holds, rule.holds(&person, start));
        let end = verdict.next_change_at.unwrap_or(start + TimeDelta::days(130));
        prop_assert!(end > start);
        let hours = (0..130 * 24).map(|hour| start + TimeDelta::hours(hour));
        let facts = person.figures.values().flat_map(|f| [f.first_purchase_at, f.last_purchase_at]).flatten();
        let edges = facts.chain([person.facts.registered_at]).flat_map(|moment| {
            (0..60).flat_map(move |days| (-1..=1).map(move |micro| moment + TimeDelta::days(days) + TimeDelta::microseconds(micro)))
        });
        for moment in hours.chain(edges).filter(|moment| *moment >= start && *moment < end) {
            prop_assert_eq!(rule.holds(&person, moment), verdict.holds, "{}", moment);
        }
        if let Some(change) = verdict.next_change_at {
            prop_assert_ne!(rule.holds(&person, change), verdict.holds);
        }
    }

    #[test]
    fn the_conditions_that_decided_are_enough_to_decide(person in people(), rule in rules(), at in -20_i64..20) {
        // Whatever the other conditions were, these alone give the same result.
        let reasons = rule.reasons(&person, day(at));
        prop_assert!(!reasons.is_empty());
        let holds = rule.holds(&person, day(at));
        for other in [true, false] {
            prop_assert_eq!(decided(&rule, &reasons, other), holds);
        }
    }
}

fn decided(rule: &Rule, reasons: &[super::Reason], other: bool) -> bool {
    match rule {
        Rule::Condition(condition) => match reasons.iter().find(|reason| reason.condition == *condition) {
            Some(reason) => reason.holds,
            None => other,
        },
        Rule::All(rules) => rules.iter().all(|rule| decided(rule, reasons, other)),
        Rule::Any(rules) => rules.iter().any(|rule| decided(rule, reasons, other)),
        Rule::Not(rule) => !decided(rule, reasons, other),
    }
}
