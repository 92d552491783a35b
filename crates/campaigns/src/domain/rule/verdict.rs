//! Whom a rule holds, why, and until when.

use chrono::{DateTime, SecondsFormat, Utc};

use super::condition::{Actual, Condition};
use super::{MOST_CONDITIONS, Rule};
use crate::domain::person::Person;

/// What a rule says of a customer at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    /// The first moment from which on it says something else although nothing has happened; none when there is none.
    pub(crate) next_change_at: Option<DateTime<Utc>>,
}

/// One condition that decided, and what it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) condition: Condition,
    /// The customer's value, as people read it; empty where there is none.
    pub(crate) actual: String,
    pub(crate) holds: bool,
}

impl Rule {
    /// Whether it holds the customer at a moment.
    pub(crate) fn holds(&self, person: &Person, at: DateTime<Utc>) -> bool {
        match self {
            Self::Condition(condition) => condition.holds(person, at),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(person, at)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(person, at)),
            Self::Not(rule) => !rule.holds(person, at),
        }
    }

    /// Whether it holds the customer at a moment, and until when. Exact: a condition on an age turns once and at a
    /// moment known beforehand, so that only at those moments the whole can turn.
    pub(crate) fn verdict(&self, person: &Person, at: DateTime<Utc>) -> Verdict {
        let holds = self.holds(person, at);
        let mut turns = Vec::new();
        self.turns(person, &mut turns);
        turns.retain(|turn| *turn > at);
        turns.sort_unstable();
        turns.dedup();
        let next_change_at = turns.into_iter().find(|turn| self.holds(person, *turn) != holds);
        Verdict { holds, next_change_at }
    }

    fn turns(&self, person: &Person, turns: &mut Vec<DateTime<Utc>>) {
        match self {
            Self::Condition(condition) => turns.extend(condition.turns_at(person)),
            Self::All(rules) | Self::Any(rules) => {
                for rule in rules {
                    rule.turns(person, turns);
                }
            }
            Self::Not(rule) => rule.turns(person, turns),
        }
    }

    /// The conditions that decide: of rules that must all hold, all of them or else those that do not; of rules of which
    /// one must hold, those that do or else all.
    pub(crate) fn reasons(&self, person: &Person, at: DateTime<Utc>) -> Vec<Reason> {
        let mut deciding = Vec::with_capacity(MOST_CONDITIONS);
        self.decide(person, at, &mut deciding);
        let reason = |condition: &Condition| Reason {
            condition: condition.clone(),
            actual: condition.actual(person).map(show).unwrap_or_default(),
            holds: condition.holds(person, at),
        };
        deciding.into_iter().map(reason).collect()
    }

    fn decide<'a>(&'a self, person: &Person, at: DateTime<Utc>, deciding: &mut Vec<&'a Condition>) {
        match self {
            Self::Condition(condition) => deciding.push(condition),
            Self::Not(rule) => rule.decide(person, at, deciding),
            Self::All(rules) | Self::Any(rules) => {
                let holds = self.holds(person, at);
                // Where all hold, and where none does, this takes all of them.
                for rule in rules.iter().filter(|rule| rule.holds(person, at) == holds) {
                    rule.decide(person, at, deciding);
                }
            }
        }
    }
}

fn show(actual: Actual<'_>) -> String {
    match actual {
        Actual::Text(text) => text.to_owned(),
        Actual::Word(word) => word.to_owned(),
        Actual::Number(number) => number.to_string(),
        Actual::Money(money) => money.to_string(),
        Actual::Moment(moment) => moment.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Actual::Flag(flag) => flag.to_string(),
        Actual::Id(id) => id.to_string(),
        Actual::Amounts => "several currencies".to_owned(),
    }
}
