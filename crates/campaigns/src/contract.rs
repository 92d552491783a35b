//! Between the domain and the messages that stand for it in the contract: in requests and answers, in rows and in the
//! journal.

use clientele_contracts::campaigns::v1 as pb;
use clientele_kernel::{Error, Etag, Violations};
use clientele_platform::proto;
use prost::{Message, Name};

use crate::domain::field::{Field, Operator, ValueKind};
use crate::domain::membership::{Cause, Membership};
use crate::domain::rule::condition::Given;
use crate::domain::rule::{Condition, MOST_CONDITIONS, MOST_LEVELS, Reason, Rule, Value};
use crate::domain::segment::Segment;

/// A rule from a message. Every wrong condition is named by its path, for instance `rule.all.rules[1].condition.value`.
pub(crate) fn read_rule(message: &pb::Rule, path: &str) -> Result<Rule, Error> {
    let mut reading = Reading { conditions: 0, violations: Violations::new() };
    let rule = reading.rule(message, path, 1);
    if reading.conditions > MOST_CONDITIONS {
        reading.violations.push(path, format!("has more than {MOST_CONDITIONS} conditions, the most there may be"));
    }
    match rule {
        Some(rule) if reading.violations.is_empty() => Ok(rule),
        _ => Err(Error::invalid_all(reading.violations.into_inner())),
    }
}

struct Reading {
    conditions: usize,
    violations: Violations,
}

impl Reading {
    fn rule(&mut self, message: &pb::Rule, path: &str, level: usize) -> Option<Rule> {
        if level > MOST_LEVELS {
            self.violations.push(path, format!("stands too deep: at most {MOST_LEVELS} levels are allowed"));
            return None;
        }
        match &message.rule {
            None => {
                self.violations.push(path, "is empty: a condition, `all`, `any` or `not` is wanted");
                None
            }
            Some(pb::rule::Rule::Condition(condition)) => {
                self.conditions += 1;
                // What is beyond is refused anyway, and need not be read.
                if self.conditions > MOST_CONDITIONS {
                    return None;
                }
                let path = format!("{path}.condition");
                let read = read_condition(condition).map_err(|error| error.within(&path));
                self.violations.take(&path, read).map(Rule::Condition)
            }
            Some(pb::rule::Rule::All(rules)) => self.rules(rules, &format!("{path}.all"), level).map(Rule::All),
            Some(pb::rule::Rule::Any(rules)) => self.rules(rules, &format!("{path}.any"), level).map(Rule::Any),
            Some(pb::rule::Rule::Not(rule)) => {
                let rule = self.rule(rule, &format!("{path}.not"), level + 1)?;
                Some(Rule::Not(Box::new(rule)))
            }
        }
    }

    fn rules(&mut self, message: &pb::Rules, path: &str, level: usize) -> Option<Vec<Rule>> {
        if message.rules.is_empty() {
            self.violations.push(format!("{path}.rules"), "is empty: at least one rule is wanted");
            return None;
        }
        let mut rules = Vec::new();
        for (i, rule) in message.rules.iter().enumerate() {
            if self.conditions > MOST_CONDITIONS {
                break;
            }
            rules.extend(self.rule(rule, &format!("{path}.rules[{i}]"), level + 1));
        }
        (rules.len() == message.rules.len()).then_some(rules)
    }
}

fn read_condition(message: &pb::Condition) -> Result<Condition, Error> {
    let operator = read_operator(message.operator)?;
    let given = match &message.value {
        None => Given::None,
        Some(pb::condition::Value::Text(text)) => Given::Text(text.clone()),
        Some(pb::condition::Value::Number(number)) => Given::Number(*number),
        Some(pb::condition::Value::Money(money)) => Given::Money(proto::parse_money(money, "value")?),
        Some(pb::condition::Value::Moment(moment)) => Given::Moment(proto::required_instant(Some(*moment), "value")?),
        Some(pb::condition::Value::Flag(flag)) => Given::Flag(*flag),
    };
    Condition::try_new(&message.field, operator, given, &message.currency)
}

fn read_operator(number: i32) -> Result<Operator, Error> {
    Ok(match pb::Operator::try_from(number) {
        Ok(pb::Operator::Equal) => Operator::Equal,
        Ok(pb::Operator::NotEqual) => Operator::NotEqual,
        Ok(pb::Operator::Less) => Operator::Less,
        Ok(pb::Operator::AtMost) => Operator::AtMost,
        Ok(pb::Operator::AtLeast) => Operator::AtLeast,
        Ok(pb::Operator::More) => Operator::More,
        Ok(pb::Operator::MoreDaysAgo) => Operator::MoreDaysAgo,
        Ok(pb::Operator::LessDaysAgo) => Operator::LessDaysAgo,
        Ok(pb::Operator::IsPresent) => Operator::IsPresent,
        Ok(pb::Operator::IsAbsent) => Operator::IsAbsent,
        Ok(pb::Operator::Unspecified) => return Err(Error::invalid("operator", "is missing: say how to compare")),
        Err(_) => return Err(Error::invalid("operator", format!("`{number}` is not an operator"))),
    })
}

fn operator(operator: Operator) -> pb::Operator {
    match operator {
        Operator::Equal => pb::Operator::Equal,
        Operator::NotEqual => pb::Operator::NotEqual,
        Operator::Less => pb::Operator::Less,
        Operator::AtMost => pb::Operator::AtMost,
        Operator::AtLeast => pb::Operator::AtLeast,
        Operator::More => pb::Operator::More,
        Operator::MoreDaysAgo => pb::Operator::MoreDaysAgo,
        Operator::LessDaysAgo => pb::Operator::LessDaysAgo,
        Operator::IsPresent => pb::Operator::IsPresent,
        Operator::IsAbsent => pb::Operator::IsAbsent,
    }
}

/// A rule as a message.
pub(crate) fn rule(rule: &Rule) -> pb::Rule {
    let many = |rules: &[Rule]| pb::Rules { rules: rules.iter().map(self::rule).collect() };
    let rule = match rule {
        Rule::Condition(condition) => pb::rule::Rule::Condition(self::condition(condition)),
        Rule::All(rules) => pb::rule::Rule::All(many(rules)),
        Rule::Any(rules) => pb::rule::Rule::Any(many(rules)),
        Rule::Not(rule) => pb::rule::Rule::Not(Box::new(self::rule(rule))),
    };
    pb::Rule { rule: Some(rule) }
}

fn condition(condition: &Condition) -> pb::Condition {
    let value = match condition.value() {
        Value::None => None,
        Value::Text(text) => Some(pb::condition::Value::Text(text.clone())),
        Value::Kind(kind) => Some(pb::condition::Value::Text(kind.as_str().to_owned())),
        Value::Store(id) => Some(pb::condition::Value::Text(id.to_string())),
        Value::User(id) => Some(pb::condition::Value::Text(id.to_string())),
        Value::Number(number) | Value::Days(number) => Some(pb::condition::Value::Number(*number)),
        Value::Money(money) => Some(pb::condition::Value::Money(proto::money(*money))),
        Value::Moment(moment) => Some(pb::condition::Value::Moment(proto::timestamp(*moment))),
        Value::Flag(flag) => Some(pb::condition::Value::Flag(*flag)),
    };
    // The amount says its currency itself.
    let currency = condition.currency().filter(|_| !matches!(condition.value(), Value::Money(_)));
    pb::Condition {
        field: condition.field().as_str().to_owned(),
        operator: operator(condition.operator()).into(),
        value,
        currency: currency.map(|currency| currency.code().to_owned()).unwrap_or_default(),
    }
}

/// A field of rules as a message.
pub(crate) fn field(field: Field) -> pb::SegmentField {
    let kind = match field.kind() {
        ValueKind::Text => pb::SegmentFieldKind::Text,
        ValueKind::Choice => pb::SegmentFieldKind::Choice,
        ValueKind::Number => pb::SegmentFieldKind::Number,
        ValueKind::Money => pb::SegmentFieldKind::Money,
        ValueKind::Moment => pb::SegmentFieldKind::Moment,
        ValueKind::Flag => pb::SegmentFieldKind::Flag,
        ValueKind::Store => pb::SegmentFieldKind::Store,
        ValueKind::User => pb::SegmentFieldKind::User,
    };
    pb::SegmentField {
        name: field.as_str().to_owned(),
        kind: kind.into(),
        operators: field.operators().into_iter().map(|known| operator(known).into()).collect(),
        choices: field.choices().into_iter().map(str::to_owned).collect(),
    }
}

/// How far a segment's members are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) complete: bool,
    pub(crate) examined: i64,
    pub(crate) total: i64,
}

/// A segment as people see it.
pub(crate) fn segment(segment: &Segment, members: i64, progress: Progress) -> pb::Segment {
    let Progress { complete, examined, total } = progress;
    pb::Segment {
        id: segment.id.to_string(),
        name: segment.name.text.clone(),
        description: segment.description.clone(),
        rule: Some(rule(&segment.rule)),
        active: segment.active,
        member_count: members,
        build: Some(pb::SegmentBuild { complete, examined, total }),
        etag: Etag(segment.revision).to_string(),
        created_at: Some(proto::timestamp(segment.created_at)),
        updated_at: Some(proto::timestamp(segment.updated_at)),
    }
}

/// What set off a change, as a message.
pub(crate) fn cause(cause: Cause) -> pb::MembershipCause {
    match cause {
        Cause::Event => pb::MembershipCause::Event,
        Cause::Time => pb::MembershipCause::Time,
        Cause::Rule => pb::MembershipCause::Rule,
    }
}

/// From an event of a membership whether the customer entered, and what set it off; none where it cannot be read.
pub(crate) fn told(event_type: &str, payload: &[u8]) -> Option<(bool, Cause)> {
    let (entered, cause) = if event_type == pb::SegmentEntered::full_name() {
        (true, pb::SegmentEntered::decode(payload).ok()?.cause())
    } else if event_type == pb::SegmentLeft::full_name() {
        (false, pb::SegmentLeft::decode(payload).ok()?.cause())
    } else {
        return None;
    };
    let cause = match cause {
        pb::MembershipCause::Unspecified => return None,
        pb::MembershipCause::Event => Cause::Event,
        pb::MembershipCause::Time => Cause::Time,
        pb::MembershipCause::Rule => Cause::Rule,
    };
    Some((entered, cause))
}

/// A condition that decided, as a message.
pub(crate) fn reason(reason: &Reason) -> pb::Reason {
    pb::Reason { condition: Some(condition(&reason.condition)), actual: reason.actual.clone(), holds: reason.holds }
}

/// A membership as people see it.
pub(crate) fn membership(membership: &Membership) -> pb::Membership {
    pb::Membership {
        segment_id: membership.segment.to_string(),
        segment_name: membership.segment_name.clone(),
        customer_id: membership.customer.to_string(),
        entered_at: Some(proto::timestamp(membership.entered_at)),
        reasons: membership.reasons.iter().map(reason).collect(),
        next_change_at: membership.next_change_at.map(proto::timestamp),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use clientele_contracts::platform::v1::Money;

    use super::*;

    fn message(field: &str, operator: pb::Operator, value: Option<pb::condition::Value>) -> pb::Rule {
        let condition =
            pb::Condition { field: field.to_owned(), operator: operator.into(), value, currency: String::new() };
        pb::Rule { rule: Some(pb::rule::Rule::Condition(condition)) }
    }

    fn all(rules: Vec<pb::Rule>) -> pb::Rule {
        pb::Rule { rule: Some(pb::rule::Rule::All(pb::Rules { rules })) }
    }

    fn not(rule: pb::Rule) -> pb::Rule {
        pb::Rule { rule: Some(pb::rule::Rule::Not(Box::new(rule))) }
    }

    fn phone() -> pb::Rule {
        message("customer.has_phone", pb::Operator::Equal, Some(pb::condition::Value::Flag(true)))
    }

    fn fields(rule: &pb::Rule) -> Vec<String> {
        read_rule(rule, "rule").unwrap_err().violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_rule_survives_the_way_there_and_back() {
        let money = pb::condition::Value::Money(Money { minor: 50_000, currency: "EUR".into() });
        let days = pb::condition::Value::Number(90);
        let rule = all(vec![
            message("metrics.gross", pb::Operator::AtLeast, Some(money)),
            message("metrics.last_purchase_at", pb::Operator::MoreDaysAgo, Some(days)),
            pb::Rule { rule: Some(pb::rule::Rule::Any(pb::Rules { rules: vec![not(phone()), phone()] })) },
            message("customer.store_id", pb::Operator::IsAbsent, None),
        ]);
        assert_eq!(super::rule(&read_rule(&rule, "rule").unwrap()), rule);
    }

    #[test]
    fn every_wrong_condition_is_named_by_its_path() {
        let wrong = message("customer.has_phone", pb::Operator::Equal, None);
        let unknown = message("customer.shoe_size", pb::Operator::Equal, None);
        let euro = pb::condition::Value::Money(Money { minor: 1, currency: "EURO".into() });
        let money = message("metrics.gross", pb::Operator::Equal, Some(euro));
        let rule = all(vec![phone(), wrong, not(unknown), money, all(vec![]), pb::Rule { rule: None }]);
        assert_eq!(
            fields(&rule),
            [
                "rule.all.rules[1].condition.value",
                "rule.all.rules[2].not.condition.field",
                "rule.all.rules[3].condition.value.currency",
                "rule.all.rules[4].all.rules",
                "rule.all.rules[5]",
            ]
        );
        assert_eq!(fields(&message("customer.kind", pb::Operator::Unspecified, None)), ["rule.condition.operator"]);
    }

    #[test]
    fn a_rule_has_four_levels_and_fifty_conditions_at_most() {
        let deep = not(not(not(phone())));
        read_rule(&deep, "rule").unwrap();
        assert_eq!(fields(&not(deep)), ["rule.not.not.not.not"]);
        read_rule(&all(vec![phone(); 50]), "rule").unwrap();
        assert_eq!(fields(&all(vec![phone(); 51])), ["rule"]);
        assert_eq!(fields(&all(vec![all(vec![phone(); 100]); 1000])), ["rule"]);
    }

    #[test]
    fn every_field_tells_its_kind_and_its_operators() {
        for known in Field::ALL {
            let message = field(known);
            assert!(message.kind() != pb::SegmentFieldKind::Unspecified && !message.operators.is_empty());
            for number in message.operators {
                assert!(known.operators().contains(&read_operator(number).unwrap()));
            }
        }
    }

    fn any_condition() -> impl Strategy<Value = pb::Rule> {
        use pb::condition::Value as V;
        let field = prop_oneof![
            prop::sample::select(Field::ALL.iter().map(|field| field.as_str().to_owned()).collect::<Vec<_>>()),
            any::<String>(),
        ];
        let value = prop_oneof![
            Just(None),
            "\\PC{0,8}|person|company|[0-9a-f]{8}-0000-7000-8000-000000000000".prop_map(|text| Some(V::Text(text))),
            prop_oneof![any::<i64>(), 0..400_i64].prop_map(|number| Some(V::Number(number))),
            (any::<i64>(), "EUR|JPY|[A-Z]{0,4}")
                .prop_map(|(minor, currency)| Some(V::Money(Money { minor, currency }))),
            (any::<i64>(), any::<i32>())
                .prop_map(|(seconds, nanos)| Some(V::Moment(prost_types::Timestamp { seconds, nanos }))),
            (0..2_000_000_000_i64).prop_map(|seconds| Some(V::Moment(prost_types::Timestamp { seconds, nanos: 0 }))),
            any::<bool>().prop_map(|flag| Some(V::Flag(flag))),
        ];
        let condition = (field, -1..14_i32, value, "EUR|[A-Z]{0,4}|");
        condition.prop_map(|(field, operator, value, currency)| {
            let condition = pb::Condition { field, operator, value, currency };
            pb::Rule { rule: Some(pb::rule::Rule::Condition(condition)) }
        })
    }

    fn any_rule() -> impl Strategy<Value = pb::Rule> {
        let leaf = prop_oneof![4 => any_condition(), 1 => Just(pb::Rule { rule: None })];
        leaf.prop_recursive(8, 40, 4, |inner| {
            let several = prop::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                several.clone().prop_map(|rules| pb::Rule { rule: Some(pb::rule::Rule::All(pb::Rules { rules })) }),
                several.prop_map(|rules| pb::Rule { rule: Some(pb::rule::Rule::Any(pb::Rules { rules })) }),
                inner.prop_map(|rule| pb::Rule { rule: Some(pb::rule::Rule::Not(Box::new(rule))) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_rule_is_given_back_as_it_was_read_or_refused_by_the_paths_of_what_is_wrong(given in any_rule()) {
            match read_rule(&given, "rule") {
                Ok(read) => {
                    let told = rule(&read);
                    prop_assert_eq!(&rule(&read_rule(&told, "rule").unwrap()), &told);
                }
                Err(error) => {
                    prop_assert!(!error.violations.is_empty());
                    prop_assert!(error.violations.iter().all(|wrong| wrong.field.starts_with("rule")), "{:?}", error);
                }
            }
        }
    }
}
