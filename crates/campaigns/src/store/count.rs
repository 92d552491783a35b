//! A rule as one statement over the projection. Written apart from the evaluator of the domain, so that the two check
//! each other.
//!
//! Every condition becomes an expression that is true or false and never unknown, so that it may be negated. Conditions on
//! figures become sets of customers, which the planner reads by index or hashes once.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use crate::Error;
use crate::domain::field::{Field, Operator};
use crate::domain::rule::{Condition, Rule, Value};

/// How many customers a rule holds at a moment.
pub(crate) async fn count(conn: &mut PgConnection, rule: &Rule, at: DateTime<Utc>) -> Result<i64, Error> {
    let mut query = QueryBuilder::new("select count(*) from campaigns.customer c where c.facts_version > 0 and ");
    push_rule(&mut query, rule, at);
    // Planned anew each time: which index serves depends on the values.
    Ok(query.build_query_scalar().persistent(false).fetch_one(conn).await?)
}

/// Has the statements of the transaction end after so many milliseconds.
pub(crate) async fn limit_time(conn: &mut PgConnection, milliseconds: u128) -> Result<(), Error> {
    sqlx::query!("select set_config('statement_timeout', $1, true)", milliseconds.to_string()).fetch_one(conn).await?;
    Ok(())
}

fn push_rule(query: &mut QueryBuilder<Postgres>, rule: &Rule, at: DateTime<Utc>) {
    match rule {
        Rule::Condition(condition) => push_condition(query, condition, at),
        Rule::All(rules) => push_rules(query, rules, " and ", at),
        Rule::Any(rules) => push_rules(query, rules, " or ", at),
        Rule::Not(rule) => {
            query.push("not (");
            push_rule(query, rule, at);
            query.push(")");
        }
    }
}

fn push_rules(query: &mut QueryBuilder<Postgres>, rules: &[Rule], joint: &str, at: DateTime<Utc>) {
    query.push("(");
    for (i, rule) in rules.iter().enumerate() {
        if i > 0 {
            query.push(joint);
        }
        push_rule(query, rule, at);
    }
    query.push(")");
}

fn push_condition(query: &mut QueryBuilder<Postgres>, condition: &Condition, at: DateTime<Utc>) {
    let (one, all) = match condition.field() {
        Field::Kind => return push_fact(query, "c.kind", condition, at),
        Field::Country => return push_fact(query, "c.country", condition, at),
        Field::Store => return push_fact(query, "c.store_id", condition, at),
        Field::Manager => return push_fact(query, "c.manager_id", condition, at),
        Field::RegisteredAt => return push_fact(query, "c.registered_at", condition, at),
        Field::HasPhone => return push_fact(query, "c.has_phone", condition, at),
        Field::HasEmail => return push_fact(query, "c.has_email", condition, at),
        Field::Orders => ("orders", "sum(orders)"),
        Field::Gross => ("gross_minor", "max(gross_minor)"),
        Field::Refunds => ("refund_minor", "max(refund_minor)"),
        Field::Net => ("net_minor", "max(net_minor)"),
        Field::Average => ("average_minor", "max(average_minor)"),
        Field::FirstPurchaseAt => ("first_purchase_at", "min(first_purchase_at)"),
        Field::LastPurchaseAt => ("last_purchase_at", "max(last_purchase_at)"),
    };
    // Who has no figures is in none of the sets: where such a customer is meant, the set is of all the others.
    let of_the_others = match (condition.operator(), condition.value()) {
        (Operator::NotEqual | Operator::IsAbsent, Value::Number(_)) => zero_fulfils(condition),
        (Operator::NotEqual | Operator::IsAbsent, _) => true,
        (_, Value::Number(_)) => zero_fulfils(condition),
        _ => false,
    };
    query.push(if of_the_others { "c.customer_id not in (" } else { "c.customer_id in (" });
    query.push("select customer_id from campaigns.figure ");
    if let Some(currency) = condition.currency() {
        query.push("where currency = ").push_bind(currency.code()).push(" and ");
        push_comparison(query, one, condition, of_the_others, at);
    } else {
        query.push("group by customer_id having ");
        push_comparison(query, all, condition, of_the_others, at);
    }
    query.push(")");
}

/// Whether a customer without orders fulfils a condition on their number.
fn zero_fulfils(condition: &Condition) -> bool {
    let Value::Number(number) = condition.value() else { return false };
    match condition.operator() {
        Operator::Equal => *number == 0,
        Operator::NotEqual => *number != 0,
        Operator::Less => *number > 0,
        Operator::AtMost => *number >= 0,
        Operator::AtLeast => *number <= 0,
        Operator::More => *number < 0,
        Operator::MoreDaysAgo | Operator::LessDaysAgo | Operator::IsPresent | Operator::IsAbsent => false,
    }
}

fn push_fact(query: &mut QueryBuilder<Postgres>, column: &str, condition: &Condition, at: DateTime<Utc>) {
    let absent_too = matches!(condition.operator(), Operator::NotEqual | Operator::IsAbsent);
    query.push(if absent_too { "not (" } else { "(" });
    push_comparison(query, column, condition, absent_too, at);
    query.push(")");
}

/// A comparison that is false where there is no value; negated, it asks for the opposite among those with a value.
fn push_comparison(
    query: &mut QueryBuilder<Postgres>,
    column: &str,
    condition: &Condition,
    negated: bool,
    at: DateTime<Utc>,
) {
    query.push("(").push(column).push(" is not null");
    let sign = match (condition.operator(), negated) {
        // Whether there is a value at all.
        (Operator::IsPresent | Operator::IsAbsent, _) => "",
        (Operator::Equal, false) | (Operator::NotEqual, true) => "=",
        (Operator::NotEqual, false) | (Operator::Equal, true) => "<>",
        (Operator::Less, false) | (Operator::AtLeast, true) => "<",
        // Older than an age is earlier than a moment.
        (Operator::AtMost | Operator::MoreDaysAgo, false) | (Operator::More | Operator::LessDaysAgo, true) => "<=",
        (Operator::AtLeast, false) | (Operator::Less, true) => ">=",
        (Operator::More | Operator::LessDaysAgo, false) | (Operator::AtMost | Operator::MoreDaysAgo, true) => ">",
    };
    if !sign.is_empty() {
        query.push(" and ").push(column).push(" ").push(sign).push(" ");
        match condition.value() {
            Value::None => query.push("null"),
            Value::Text(text) => query.push_bind(text.clone()),
            Value::Kind(kind) => query.push_bind(kind.as_str()),
            Value::Number(number) => query.push_bind(*number),
            Value::Days(days) => query.push_bind(at - TimeDelta::days(*days)),
            Value::Money(money) => query.push_bind(money.minor),
            Value::Moment(moment) => query.push_bind(*moment),
            Value::Flag(flag) => query.push_bind(*flag),
            Value::Store(id) => query.push_bind(id.uuid()),
            Value::User(id) => query.push_bind(id.uuid()),
        };
    }
    query.push(")");
}

#[cfg(test)]
mod tests;
