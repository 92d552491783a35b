//! One condition on one field.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{Currency, Error, Money, StoreId, UserId, Violations};
use uuid::Uuid;

use crate::domain::field::{Field, Operator, ValueKind};
use crate::domain::person::{Kind, Person};

const LONGEST_TEXT: usize = 100;
const MOST_DAYS: i64 = 36_500;

/// One condition: field, operator and value fit each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    field: Field,
    operator: Operator,
    value: Value,
    /// Currency of the figures asked for; none for all together.
    currency: Option<Currency>,
}

/// What to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of conditions that ask only if there is a value.
    None,
    Text(String),
    Kind(Kind),
    Number(i64),
    Days(i64),
    Money(Money),
    Moment(DateTime<Utc>),
    Flag(bool),
    Store(StoreId),
    User(UserId),
}

/// What a person wrote to compare with, not yet held against the field.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    None,
    Text(String),
    Number(i64),
    Money(Money),
    Moment(DateTime<Utc>),
    Flag(bool),
}

impl Given {
    const fn describe(&self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Money(_) => "an amount of money",
            Self::Moment(_) => "a moment",
            Self::Flag(_) => "yes or no",
        }
    }
}

/// What a customer has in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actual<'a> {
    Text(&'a str),
    Word(&'static str),
    /// Wide enough for the orders of all currencies together.
    Number(i128),
    Money(Money),
    Moment(DateTime<Utc>),
    Flag(bool),
    Id(Uuid),
    /// An amount in some currency or other.
    Amounts,
}

impl Condition {
    /// Reads a condition; the error names what is wrong within it.
    pub(crate) fn try_new(field: &str, operator: Operator, given: Given, currency: &str) -> Result<Self, Error> {
        let Some(field) = Field::parse(field) else {
            let names: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
            let text = format!("`{}` is not a field of rules: there are {}", shorten(field), names.join(", "));
            return Err(Error::invalid("field", text));
        };
        let operators = field.operators();
        if !operators.contains(&operator) {
            let names: Vec<_> = operators.iter().map(|operator| operator.as_str()).collect();
            let (name, known) = (operator.as_str(), names.join(", "));
            let text = format!("`{name}` does not go with `{}`: {known} do", field.as_str());
            return Err(Error::invalid("operator", text));
        }
        let mut violations = Violations::new();
        let value = violations.take("value", value(field, operator, given));
        let currency = match currency {
            "" => None,
            code => violations.take("currency", Currency::parse(code, "currency")),
        };
        if currency.is_some() && !field.is_figure() {
            violations.push("currency", format!("is not wanted: `{}` is not kept by currency", field.as_str()));
        }
        // The amount says its currency; the two must not disagree.
        let own = match &value {
            Some(Value::Money(money)) => Some(money.currency),
            _ => None,
        };
        if let (Some(currency), Some(own)) = (currency, own)
            && currency != own
        {
            violations.push("currency", format!("`{currency}` is another than that of the amount, `{own}`"));
        }
        violations.into_result()?;
        let value = value.unwrap_or(Value::None);
        Ok(Self { field, operator, value, currency: own.or(currency) })
    }

    pub(crate) const fn field(&self) -> Field {
        self.field
    }

    pub(crate) const fn operator(&self) -> Operator {
        self.operator
    }

    pub(crate) const fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) const fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// What the customer has in the field; none where there is no value.
    pub(crate) fn actual<'a>(&self, person: &'a Person) -> Option<Actual<'a>> {
        let facts = &person.facts;
        match self.field {
            Field::Kind => Some(Actual::Word(facts.kind.as_str())),
            Field::Country => facts.country.as_deref().map(Actual::Text),
            Field::Store => facts.store.map(|id| Actual::Id(id.uuid())),
            Field::Manager => facts.manager.map(|id| Actual::Id(id.uuid())),
            Field::RegisteredAt => Some(Actual::Moment(facts.registered_at)),
            Field::HasPhone => Some(Actual::Flag(facts.has_phone)),
            Field::HasEmail => Some(Actual::Flag(facts.has_email)),
            Field::Orders => {
                let orders = person.figures_in(self.currency).map(|(_, figure)| i128::from(figure.orders)).sum();
                Some(Actual::Number(orders))
            }
            Field::Gross => self.amount(person, |currency, figure| Some(Money::new(figure.gross_minor, currency))),
            Field::Refunds => self.amount(person, |currency, figure| Some(Money::new(figure.refund_minor, currency))),
            Field::Net => self.amount(person, |currency, figure| Some(Money::new(figure.net_minor(), currency))),
            Field::Average => self.amount(person, |currency, figure| figure.average(currency)),
            Field::FirstPurchaseAt => {
                let moments = person.figures_in(self.currency).filter_map(|(_, figure)| figure.first_purchase_at);
                moments.min().map(Actual::Moment)
            }
            Field::LastPurchaseAt => {
                let moments = person.figures_in(self.currency).filter_map(|(_, figure)| figure.last_purchase_at);
                moments.max().map(Actual::Moment)
            }
        }
    }

    fn amount(
        &self,
        person: &Person,
        of: impl Fn(Currency, &crate::domain::person::Figure) -> Option<Money>,
    ) -> Option<Actual<'static>> {
        let mut amounts = person.figures_in(self.currency).filter_map(|(currency, figure)| of(currency, figure));
        let first = amounts.next()?;
        // Amounts of several currencies cannot be one value; only whether there is any is asked of them.
        Some(if amounts.next().is_some() { Actual::Amounts } else { Actual::Money(first) })
    }

    /// Whether it holds at a moment.
    pub(crate) fn holds(&self, person: &Person, at: DateTime<Utc>) -> bool {
        let actual = self.actual(person);
        match self.operator {
            Operator::IsPresent => actual.is_some(),
            Operator::IsAbsent => actual.is_none(),
            Operator::NotEqual => !actual.is_some_and(|actual| self.compare(&actual, Operator::Equal, at)),
            operator => actual.is_some_and(|actual| self.compare(&actual, operator, at)),
        }
    }

    fn compare(&self, actual: &Actual<'_>, operator: Operator, at: DateTime<Utc>) -> bool {
        match (actual, &self.value) {
            (Actual::Text(actual), Value::Text(value)) => *actual == value.as_str(),
            (Actual::Word(actual), Value::Kind(value)) => *actual == value.as_str(),
            (Actual::Flag(actual), Value::Flag(value)) => actual == value,
            (Actual::Id(actual), Value::Store(value)) => *actual == value.uuid(),
            (Actual::Id(actual), Value::User(value)) => *actual == value.uuid(),
            (Actual::Number(actual), Value::Number(value)) => ordered(operator, actual, &i128::from(*value)),
            // Of one currency: the condition asks for the figures of its own.
            (Actual::Money(actual), Value::Money(value)) => ordered(operator, &actual.minor, &value.minor),
            (Actual::Moment(actual), Value::Moment(value)) => ordered(operator, actual, value),
            (Actual::Moment(actual), Value::Days(days)) => {
                let is_past = at.signed_duration_since(*actual) >= TimeDelta::days(*days);
                is_past == (operator == Operator::MoreDaysAgo)
            }
            _ => false,
        }
    }

    /// When time alone turns it; none where it never does.
    pub(crate) fn turns_at(&self, person: &Person) -> Option<DateTime<Utc>> {
        match (&self.value, self.actual(person)) {
            (Value::Days(days), Some(Actual::Moment(moment))) => moment.checked_add_signed(TimeDelta::days(*days)),
            _ => None,
        }
    }
}

fn ordered<T: Ord>(operator: Operator, actual: &T, value: &T) -> bool {
    match operator {
        Operator::Equal => actual == value,
        Operator::Less => actual < value,
        Operator::AtMost => actual <= value,
        Operator::AtLeast => actual >= value,
        Operator::More => actual > value,
        Operator::NotEqual
        | Operator::MoreDaysAgo
        | Operator::LessDaysAgo
        | Operator::IsPresent
        | Operator::IsAbsent => false,
    }
}

/// The value in the form the field wants.
fn value(field: Field, operator: Operator, given: Given) -> Result<Value, Error> {
    let wrong = |wanted: &str, given: &Given| {
        let (name, found) = (field.as_str(), given.describe());
        Err(Error::invalid("value", format!("{found} does not go with `{name}`: {wanted} is wanted")))
    };
    if operator.is_presence() {
        return match given {
            Given::None => Ok(Value::None),
            given => wrong("nothing", &given),
        };
    }
    if operator.is_age() {
        return match given {
            Given::Number(days) if (0..=MOST_DAYS).contains(&days) => Ok(Value::Days(days)),
            Given::Number(days) => {
                Err(Error::invalid("value", format!("`{days}` is out of bounds: 0 to {MOST_DAYS} days are wanted")))
            }
            given => wrong("a number of days", &given),
        };
    }
    match (field.kind(), given) {
        (ValueKind::Text, Given::Text(text)) => {
            let text = text.trim();
            let length = text.chars().count();
            if !(1..=LONGEST_TEXT).contains(&length) || text.chars().any(char::is_control) {
                let shown = shorten(text);
                let text = format!("`{shown}` is no text of 1 to {LONGEST_TEXT} plain characters");
                return Err(Error::invalid("value", text));
            }
            Ok(Value::Text(text.to_owned()))
        }
        (ValueKind::Choice, Given::Text(word)) => Kind::parse(&word).map(Value::Kind).ok_or_else(|| {
            let choices = field.choices().join(", ");
            Error::invalid("value", format!("`{}` is none of {choices}", shorten(&word)))
        }),
        (ValueKind::Number, Given::Number(number)) => Ok(Value::Number(number)),
        (ValueKind::Money, Given::Money(money)) => Ok(Value::Money(money)),
        (ValueKind::Moment, Given::Moment(moment)) => Ok(Value::Moment(moment)),
        (ValueKind::Flag, Given::Flag(flag)) => Ok(Value::Flag(flag)),
        (ValueKind::Store, Given::Text(id)) => StoreId::parse(&id, "value").map(Value::Store),
        (ValueKind::User, Given::Text(id)) => UserId::parse(&id, "value").map(Value::User),
        (kind, given) => {
            let wanted = match kind {
                ValueKind::Text => "a text",
                ValueKind::Choice => "one of its choices, as a text,",
                ValueKind::Number => "a number",
                ValueKind::Money => "an amount of money",
                ValueKind::Moment => "a moment",
                ValueKind::Flag => "yes or no",
                ValueKind::Store => "the id of a store, as a text,",
                ValueKind::User => "the id of a user, as a text,",
            };
            wrong(wanted, &given)
        }
    }
}
