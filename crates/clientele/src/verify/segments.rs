//! Segments, recomputed from what the owning services say: customers, and figures from their documents. The rules are
//! evaluated by what the contract says of them and by nothing of campaigns' code.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use clientele_contracts::campaigns::v1::condition::Value;
use clientele_contracts::campaigns::v1::rule::Rule as Joined;
use clientele_contracts::campaigns::v1::{
    Condition, ListSegmentMembersResponse, ListSegmentsResponse, Operator, Rule, Segment,
};
use clientele_contracts::customers::v1::{Customer, CustomerKind, ListCustomersResponse};
use clientele_contracts::platform::v1::GetConsumerStatusResponse;
use clientele_kernel::{Clock, Code, Currency, Error, Money, SystemClock};
use clientele_platform::proto;

use super::recompute::{Account, Books};
use super::{Difference, Found};
use crate::client::Client;

/// How many customers that differ are read again at a time: where there are more, it is not the house's going on.
const MOST_READ_ANEW: usize = 100;

/// How much longer a difference may take to go away while the customers it is about keep changing.
const MORE_PATIENCE: Duration = Duration::from_mins(1);

/// A customer with their accounts, by currency code.
#[derive(Debug, PartialEq)]
struct Person<'a> {
    customer: Customer,
    accounts: Vec<(Cow<'a, str>, Cow<'a, Account>)>,
}

/// People by the customer's id.
type People<'a> = BTreeMap<String, Person<'a>>;

/// Compares the members of every segment; gives how many segments there are. Members follow events within a moment, so
/// that a difference counts only when it stays; and the house goes on meanwhile, so that it counts only when it stays after
/// the customer and their documents were read anew.
pub(super) async fn compare(
    client: &Client,
    books: &Books,
    zone: Tz,
    patience: Duration,
    found: &mut Found,
) -> Result<usize, Error> {
    parked(client).await?;
    let mut people = people(client, books).await?;
    let mut segments = 0;
    let mut token = String::new();
    loop {
        let query = [("pageSize", "200".to_owned()), ("pageToken", token)];
        let page: ListSegmentsResponse = client.get("/v1/segments", &query).await?;
        for segment in page.segments.into_iter().filter(|segment| segment.active) {
            segments += 1;
            found.extend(settled(client, &segment, &mut people, zone, patience).await?);
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(segments);
        }
    }
}

/// The differences of a segment that do not go away by themselves.
async fn settled(
    client: &Client,
    segment: &Segment,
    people: &mut People<'_>,
    zone: Tz,
    patience: Duration,
) -> Result<Vec<Difference>, Error> {
    let begun = std::time::Instant::now();
    loop {
        let (differences, customers) = differences(client, segment, people).await?;
        if differences.is_empty() {
            return Ok(differences);
        }
        let news = read_anew(client, people, &customers, zone).await?;
        // Who has just changed is given the time to be followed, though not for ever.
        let longest = if news { patience.saturating_add(MORE_PATIENCE) } else { patience };
        if begun.elapsed() > longest {
            return Ok(differences);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Reads some of the customers and their documents again; whether there was anything new.
async fn read_anew(
    client: &Client,
    people: &mut People<'_>,
    customers: &BTreeSet<String>,
    zone: Tz,
) -> Result<bool, Error> {
    let mut news = false;
    for id in customers.iter().take(MOST_READ_ANEW) {
        let customer: Customer = match client.get(&format!("/v1/customers/{id}"), &[]).await {
            Ok(customer) => customer,
            Err(error) if error.code == Code::NotFound => {
                news |= people.remove(id).is_some();
                continue;
            }
            Err(error) => return Err(error),
        };
        let (books, _) = super::books(client, zone, id).await?;
        let accounts = books.accounts.into_iter();
        let accounts = accounts.map(|((_, currency), account)| (Cow::Owned(currency), Cow::Owned(account))).collect();
        let person = Person { customer, accounts };
        news |= people.get(id) != Some(&person);
        people.insert(id.clone(), person);
    }
    Ok(news)
}

/// Says where campaigns could not follow, as is said of analytics.
async fn parked(client: &Client) -> Result<(), Error> {
    let status: GetConsumerStatusResponse = client.get("/v1/operations/campaigns/consumers", &[]).await?;
    let parked: i64 = status.partitions.iter().map(|p| p.parked).sum();
    if parked > 0 {
        super::say(format_args!(
            "{parked} events are parked in campaigns: segments of their customers will differ until they are replayed"
        ));
    }
    Ok(())
}

/// What differs, and whose records it depends on.
async fn differences(
    client: &Client,
    segment: &Segment,
    people: &People<'_>,
) -> Result<(Vec<Difference>, BTreeSet<String>), Error> {
    let rule = segment.rule.as_ref().ok_or_else(|| Error::internal(format!("segment {} has no rule", segment.id)))?;
    // Whom time turns while the members are being read may be told either way.
    let before = belonging(rule, people, SystemClock.now())?;
    let served = members(client, &segment.id).await?;
    let after = belonging(rule, people, SystemClock.now())?;
    let count: Segment = client.get(&format!("/v1/segments/{}", segment.id), &[]).await?;
    let differ = |customer: &str, served: &str, recomputed: &str| Difference {
        subject: format!("segment `{}`", segment.name),
        figure: format!("customer {customer}"),
        served: served.to_owned(),
        recomputed: recomputed.to_owned(),
    };
    let missing = before.intersection(&after).filter(|id| !served.contains(**id)).map(|id| (*id).to_owned());
    let missing: BTreeSet<String> = missing.collect();
    let wrong = served.iter().filter(|id| !before.contains(id.as_str()) && !after.contains(id.as_str())).cloned();
    let wrong: BTreeSet<String> = wrong.collect();
    let mut found: Vec<Difference> = missing.iter().map(|id| differ(id, "no member", "that of a member")).collect();
    found.extend(wrong.iter().map(|id| differ(id, "a member", "that of none")));
    if found.is_empty() && usize::try_from(count.member_count) != Ok(served.len()) && before == after {
        found.push(Difference {
            subject: format!("segment `{}`", segment.name),
            figure: "number of members".to_owned(),
            served: count.member_count.to_string(),
            recomputed: served.len().to_string(),
        });
    }
    Ok((found, missing.into_iter().chain(wrong).collect()))
}

async fn members(client: &Client, segment: &str) -> Result<BTreeSet<String>, Error> {
    let mut members = BTreeSet::new();
    let mut token = String::new();
    loop {
        let query = [("pageSize", "1000".to_owned()), ("pageToken", token)];
        let page: ListSegmentMembersResponse = client.get(&format!("/v1/segments/{segment}/members"), &query).await?;
        members.extend(page.members.into_iter().map(|member| member.customer_id));
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(members);
        }
    }
}

async fn people<'a>(client: &Client, books: &'a Books) -> Result<People<'a>, Error> {
    let mut people = People::new();
    let mut token = String::new();
    loop {
        let query = [("pageSize", "500".to_owned()), ("pageToken", token)];
        let page: ListCustomersResponse = client.get("/v1/customers", &query).await?;
        people.extend(page.customers.into_iter().map(|customer| {
            let own = (customer.id.clone(), String::new())..;
            let accounts = books.accounts.range(own).take_while(|((id, _), _)| *id == customer.id);
            let accounts = accounts
                .map(|((_, currency), account)| (Cow::from(currency.as_str()), Cow::Borrowed(account)))
                .collect();
            (customer.id.clone(), Person { customer, accounts })
        }));
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(people);
        }
    }
}

fn belonging<'a>(rule: &Rule, people: &'a People<'_>, at: DateTime<Utc>) -> Result<BTreeSet<&'a str>, Error> {
    let mut belonging = BTreeSet::new();
    for person in people.values() {
        if holds(rule, person, at)? {
            belonging.insert(person.customer.id.as_str());
        }
    }
    Ok(belonging)
}

fn holds(rule: &Rule, person: &Person<'_>, at: DateTime<Utc>) -> Result<bool, Error> {
    match rule.rule.as_ref() {
        Some(Joined::Condition(condition)) => fulfils(condition, person, at),
        Some(Joined::All(all)) => {
            all.rules.iter().try_fold(true, |so_far, rule| Ok(so_far && holds(rule, person, at)?))
        }
        Some(Joined::Any(any)) => {
            any.rules.iter().try_fold(false, |so_far, rule| Ok(so_far || holds(rule, person, at)?))
        }
        Some(Joined::Not(rule)) => Ok(!holds(rule, person, at)?),
        None => Err(Error::internal("a rule says nothing")),
    }
}

/// What a customer has in a field.
enum Actual {
    Text(String),
    Number(i64),
    Minor(i64),
    Moment(DateTime<Utc>),
    Flag(bool),
    /// Amounts in several currencies: there is a value, and it equals nothing.
    Amounts,
}

fn fulfils(condition: &Condition, person: &Person<'_>, at: DateTime<Utc>) -> Result<bool, Error> {
    let actual = actual(condition, person)?;
    Ok(match (condition.operator(), actual) {
        (Operator::IsPresent, actual) => actual.is_some(),
        (Operator::IsAbsent, actual) => actual.is_none(),
        (Operator::NotEqual, actual) => match actual {
            Some(actual) => !compared(Operator::Equal, &actual, condition, at)?,
            None => true,
        },
        (_, None) => false,
        (operator, Some(actual)) => compared(operator, &actual, condition, at)?,
    })
}

fn compared(operator: Operator, actual: &Actual, condition: &Condition, at: DateTime<Utc>) -> Result<bool, Error> {
    let ordered = |order: std::cmp::Ordering| match operator {
        Operator::Equal => order.is_eq(),
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
        Operator::AtLeast => order.is_ge(),
        Operator::More => order.is_gt(),
        _ => false,
    };
    Ok(match (actual, condition.value.as_ref()) {
        (Actual::Text(actual), Some(Value::Text(value))) => actual == value.trim(),
        (Actual::Flag(actual), Some(Value::Flag(value))) => actual == value,
        (Actual::Number(actual), Some(Value::Number(value))) => ordered(actual.cmp(value)),
        (Actual::Minor(actual), Some(Value::Money(value))) => ordered(actual.cmp(&value.minor)),
        (Actual::Moment(actual), Some(Value::Moment(value))) => {
            ordered(actual.cmp(&proto::required_instant(Some(*value), "value")?))
        }
        (Actual::Moment(actual), Some(Value::Number(days))) => {
            let old = at.signed_duration_since(*actual) >= TimeDelta::days(*days);
            old == (operator == Operator::MoreDaysAgo)
        }
        _ => false,
    })
}

fn actual(condition: &Condition, person: &Person<'_>) -> Result<Option<Actual>, Error> {
    let customer = &person.customer;
    let text = |text: &str| (!text.is_empty()).then(|| Actual::Text(text.to_owned()));
    let currency = match &condition.value {
        Some(Value::Money(money)) => money.currency.as_str(),
        _ => condition.currency.as_str(),
    };
    let accounts = || person.accounts.iter().filter(|(code, _)| currency.is_empty() || code == currency);
    let amount = |of: &dyn Fn(&str, &Account) -> Option<i64>| {
        let amounts: Vec<i64> = accounts().filter_map(|(code, account)| of(code, account)).collect();
        match amounts.as_slice() {
            [] => None,
            [minor] => Some(Actual::Minor(*minor)),
            _ => Some(Actual::Amounts),
        }
    };
    Ok(match condition.field.as_str() {
        "customer.kind" => {
            let company = customer.kind() == CustomerKind::Company;
            text(if company { "company" } else { "person" })
        }
        "customer.country" => text(&customer.country),
        "customer.store_id" => text(&customer.store_id),
        "customer.manager_id" => text(&customer.manager_id),
        "customer.registered_at" => {
            Some(Actual::Moment(proto::required_instant(customer.registered_at, "registered_at")?))
        }
        "customer.has_phone" => Some(Actual::Flag(!customer.phones.is_empty())),
        "customer.has_email" => Some(Actual::Flag(!customer.emails.is_empty())),
        "metrics.orders" => Some(Actual::Number(accounts().map(|(_, account)| account.orders).sum())),
        "metrics.gross" => amount(&|_, account| Some(account.gross)),
        "metrics.refunds" => amount(&|_, account| Some(account.refunds)),
        "metrics.net" => amount(&|_, account| Some(account.gross - account.refunds)),
        "metrics.average" => amount(&|code, account| {
            Money::new(account.gross, Currency::from_code(code)?).average(account.orders).map(|m| m.minor)
        }),
        "metrics.first_purchase_at" => accounts().filter_map(|(_, account)| account.first).min().map(Actual::Moment),
        "metrics.last_purchase_at" => accounts().filter_map(|(_, account)| account.last).max().map(Actual::Moment),
        other => return Err(Error::internal(format!("a rule asks for `{other}`, which this version does not know"))),
    })
}

#[cfg(test)]
mod tests {
    use clientele_contracts::campaigns::v1::Rules;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn condition(field: &str, operator: Operator, value: Option<Value>) -> Rule {
        let condition = Condition { field: field.into(), operator: operator.into(), value, currency: String::new() };
        Rule { rule: Some(Joined::Condition(condition)) }
    }

    #[test]
    fn a_rule_is_evaluated_as_the_contract_says() {
        let account =
            Account { orders: 2, gross: 60_000, last: Some(at("2026-01-01T00:00:00Z")), ..Account::default() };
        let person = Person { customer: Customer::default(), accounts: vec![("EUR".into(), Cow::Borrowed(&account))] };
        let money = |minor, code: &str| {
            Some(Value::Money(clientele_contracts::platform::v1::Money { minor, currency: code.into() }))
        };
        let sleepy = Rule {
            rule: Some(Joined::All(Rules {
                rules: vec![
                    condition("metrics.gross", Operator::More, money(50_000, "EUR")),
                    condition("metrics.last_purchase_at", Operator::MoreDaysAgo, Some(Value::Number(90))),
                ],
            })),
        };
        assert!(!holds(&sleepy, &person, at("2026-03-31T23:59:59Z")).unwrap());
        assert!(holds(&sleepy, &person, at("2026-04-01T00:00:00Z")).unwrap());
        let dollars = condition("metrics.gross", Operator::AtLeast, money(0, "USD"));
        assert!(!holds(&dollars, &person, at("2026-04-01T00:00:00Z")).unwrap(), "nothing in dollars is no zero");
        let elsewhere = condition("customer.country", Operator::NotEqual, Some(Value::Text("Spain".into())));
        assert!(holds(&elsewhere, &person, at("2026-04-01T00:00:00Z")).unwrap(), "no country is not Spain");
        assert!(
            holds(&condition("customer.shoe_size", Operator::Equal, None), &person, at("2026-04-01T00:00:00Z"))
                .is_err()
        );
    }
}
