use std::collections::BTreeMap;

use chrono::{TimeDelta, TimeZone};
use clientele_kernel::{Currency, SegmentId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::field::Operator;
use crate::domain::person::{Facts, Figure, Kind};
use crate::domain::rule::condition::Given;
use crate::domain::rule::{Condition, Rule};
use crate::domain::segment::name;

/// For how long things happen, in hours.
const HOURS: i64 = 60 * 24;

fn hour(number: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).unwrap() + TimeDelta::hours(number)
}

fn person(last_purchase_at: Option<DateTime<Utc>>, has_phone: bool) -> Person {
    let facts = Facts {
        kind: Kind::Person,
        country: None,
        store: None,
        manager: None,
        registered_at: hour(0),
        has_phone,
        has_email: false,
    };
    let figure =
        Figure { orders: 1, gross_minor: 100, refund_minor: 0, first_purchase_at: last_purchase_at, last_purchase_at };
    let figures = last_purchase_at.map(|_| (Currency::from_code("EUR").unwrap(), figure));
    Person { id: Uuid::from_u128(1).into(), facts, figures: figures.into_iter().collect::<BTreeMap<_, _>>() }
}

fn segment(rule: Rule) -> Segment {
    Segment {
        id: SegmentId::from(Uuid::from_u128(2)),
        name: name("a", "name").unwrap(),
        description: String::new(),
        rule,
        active: true,
        version: 1,
        revision: 1,
        created_at: hour(0),
        updated_at: hour(0),
    }
}

fn condition(field: &str, operator: Operator, given: Given) -> Rule {
    Rule::Condition(Condition::try_new(field, operator, given, "").unwrap())
}

fn quiet_for(days: i64) -> Rule {
    condition("metrics.last_purchase_at", Operator::MoreDaysAgo, Given::Number(days))
}

fn rules() -> impl Strategy<Value = Rule> {
    let ages = (
        prop::sample::select(vec!["metrics.last_purchase_at", "customer.registered_at"]),
        prop::sample::select(vec![Operator::MoreDaysAgo, Operator::LessDaysAgo]),
        0_i64..25,
    )
        .prop_map(|(field, operator, days)| condition(field, operator, Given::Number(days)));
    let phone = any::<bool>().prop_map(|flag| condition("customer.has_phone", Operator::Equal, Given::Flag(flag)));
    prop_oneof![4 => ages, 1 => phone].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::Any),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

/// Moments at which something is learned of the customer: how long ago the last purchase was then, and the phone.
fn courses() -> impl Strategy<Value = Vec<(i64, Option<i64>, bool)>> {
    let learned = (0..HOURS, prop::option::of(0_i64..400), any::<bool>());
    prop::collection::vec(learned, 1..8).prop_map(|mut learned| {
        learned.sort_unstable_by_key(|(at, ..)| *at);
        learned.dedup_by_key(|(at, ..)| *at);
        learned
    })
}

/// What is kept: event by event, with the time worker coming by whenever it does.
fn kept(segment: &Segment, course: &[(DateTime<Utc>, Person)], visits: &[DateTime<Utc>]) -> Vec<(bool, DateTime<Utc>)> {
    let mut pair = Pair::new(Uuid::nil().into(), Uuid::from_u128(1).into(), segment.id);
    let mut changes = Vec::new();
    let mut known: Option<&Person> = None;
    for (i, (at, person)) in course.iter().enumerate() {
        if let Some(known) = known {
            changes.extend(pair.make_up(segment, known, *at));
        }
        changes.extend(pair.decide(segment, Some(person), *at, Cause::Event));
        known = Some(person);
        let next = course.get(i + 1).map_or(hour(2 * HOURS), |(next, _)| *next);
        for visit in visits.iter().filter(|visit| **visit >= *at && **visit < next) {
            changes.extend(pair.make_up(segment, person, *visit));
            changes.extend(pair.decide(segment, Some(person), *visit, Cause::Time));
        }
    }
    if let Some(known) = known {
        changes.extend(pair.make_up(segment, known, hour(2 * HOURS)));
    }
    changes.into_iter().map(|change| (change.pair.is_member(), change.at)).collect()
}

/// What was: the rule held against the customer at every hour, the only moments at which anything turns.
fn brute(segment: &Segment, course: &[(DateTime<Utc>, Person)]) -> Vec<(bool, DateTime<Utc>)> {
    let mut changes = Vec::new();
    let mut is_member = false;
    for at in (0..2 * HOURS).map(hour) {
        let known = course.iter().rev().find(|(since, _)| *since <= at);
        let holds = known.is_some_and(|(_, person)| segment.rule.holds(person, at));
        if holds != is_member {
            is_member = holds;
            changes.push((holds, at));
        }
    }
    changes
}

proptest! {
    #[test]
    fn the_history_is_that_of_looking_at_every_moment_however_late_anybody_looks(
        rule in rules(),
        learned in courses(),
        visits in prop::collection::btree_set(0..2 * HOURS, 0..6),
    ) {
        let segment = segment(rule);
        let course: Vec<_> = learned
            .into_iter()
            .map(|(at, ago, phone)| (hour(at), person(ago.map(|ago| hour(at - ago)), phone)))
            .collect();
        let visits: Vec<_> = visits.into_iter().map(hour).collect();
        prop_assert_eq!(kept(&segment, &course, &visits), brute(&segment, &course));
    }
}

#[test]
fn what_was_passed_over_is_made_up_for_by_what_was_known_then() {
    let segment = segment(quiet_for(10));
    let mut pair = Pair::new(Uuid::nil().into(), Uuid::from_u128(1).into(), segment.id);
    let (before, after) = (person(Some(hour(0)), false), person(Some(hour(480)), false));
    assert_eq!(pair.decide(&segment, Some(&before), hour(0), Cause::Event), None);
    let entered = pair.make_up(&segment, &before, hour(480));
    let left = pair.decide(&segment, Some(&after), hour(480), Cause::Event).unwrap();
    assert_eq!(entered.len(), 1);
    assert_eq!((entered[0].pair.is_member(), entered[0].at, entered[0].cause), (true, hour(240), Cause::Time));
    assert_eq!((left.pair.is_member(), left.at, left.cause), (false, hour(480), Cause::Event));
    // Why, by the values of each moment.
    assert_eq!((entered[0].reasons[0].actual.as_str(), entered[0].reasons[0].holds), ("2026-01-01T12:00:00Z", true));
    assert_eq!((left.reasons[0].actual.as_str(), left.reasons[0].holds), ("2026-01-21T12:00:00Z", false));
}

#[test]
fn a_moment_that_comes_with_the_event_is_decided_by_the_event_and_time_never_runs_back() {
    let segment = segment(quiet_for(10));
    let mut pair = Pair::new(Uuid::nil().into(), Uuid::from_u128(1).into(), segment.id);
    let before = person(Some(hour(0)), false);
    assert_eq!(pair.decide(&segment, Some(&before), hour(0), Cause::Event), None);
    assert_eq!(pair.make_up(&segment, &before, hour(240)), []);
    let entered = pair.decide(&segment, Some(&before), hour(240), Cause::Time).unwrap();
    assert_eq!(entered.at, hour(240));
    // Told late, of a moment before the last decision.
    let left = pair.decide(&segment, Some(&person(Some(hour(230)), false)), hour(230), Cause::Event).unwrap();
    assert_eq!((left.pair.is_member(), left.at, left.pair.version), (false, hour(240), 2));
}
