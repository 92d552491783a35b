//! What rules may ask for: the fields, what values they have and how those compare.

use super::person::Kind;

/// A field that rules may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    Kind,
    Country,
    Store,
    Manager,
    RegisteredAt,
    HasPhone,
    HasEmail,
    Orders,
    Gross,
    Refunds,
    Net,
    Average,
    FirstPurchaseAt,
    LastPurchaseAt,
}

/// What values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Text,
    Choice,
    Number,
    Money,
    Moment,
    Flag,
    Store,
    User,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    AtLeast,
    More,
    MoreDaysAgo,
    LessDaysAgo,
    IsPresent,
    IsAbsent,
}

impl Field {
    /// All of them, in the order in which they are offered.
    pub(crate) const ALL: [Self; 14] = [
        Self::Gross,
        Self::Net,
        Self::Refunds,
        Self::Average,
        Self::Orders,
        Self::LastPurchaseAt,
        Self::FirstPurchaseAt,
        Self::Kind,
        Self::Country,
        Self::Store,
        Self::Manager,
        Self::RegisteredAt,
        Self::HasPhone,
        Self::HasEmail,
    ];

    /// Its name in rules.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "customer.kind",
            Self::Country => "customer.country",
            Self::Store => "customer.store_id",
            Self::Manager => "customer.manager_id",
            Self::RegisteredAt => "customer.registered_at",
            Self::HasPhone => "customer.has_phone",
            Self::HasEmail => "customer.has_email",
            Self::Orders => "metrics.orders",
            Self::Gross => "metrics.gross",
            Self::Refunds => "metrics.refunds",
            Self::Net => "metrics.net",
            Self::Average => "metrics.average",
            Self::FirstPurchaseAt => "metrics.first_purchase_at",
            Self::LastPurchaseAt => "metrics.last_purchase_at",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    pub(crate) const fn kind(self) -> ValueKind {
        match self {
            Self::Kind => ValueKind::Choice,
            Self::Country => ValueKind::Text,
            Self::Store => ValueKind::Store,
            Self::Manager => ValueKind::User,
            Self::HasPhone | Self::HasEmail => ValueKind::Flag,
            Self::Orders => ValueKind::Number,
            Self::Gross | Self::Refunds | Self::Net | Self::Average => ValueKind::Money,
            Self::RegisteredAt | Self::FirstPurchaseAt | Self::LastPurchaseAt => ValueKind::Moment,
        }
    }

    /// Whether it is told by figures, which are kept for each currency.
    pub(crate) const fn is_figure(self) -> bool {
        matches!(
            self,
            Self::Orders
                | Self::Gross
                | Self::Refunds
                | Self::Net
                | Self::Average
                | Self::FirstPurchaseAt
                | Self::LastPurchaseAt
        )
    }

    /// Whether a customer may have no value in it.
    const fn may_be_absent(self) -> bool {
        !matches!(self, Self::Kind | Self::RegisteredAt | Self::HasPhone | Self::HasEmail | Self::Orders)
    }

    /// The operators it knows.
    pub(crate) fn operators(self) -> Vec<Operator> {
        use Operator::{AtLeast, AtMost, Equal, IsAbsent, IsPresent, Less, LessDaysAgo, More, MoreDaysAgo, NotEqual};
        let mut operators = match self.kind() {
            ValueKind::Text | ValueKind::Choice | ValueKind::Flag | ValueKind::Store | ValueKind::User => {
                vec![Equal, NotEqual]
            }
            ValueKind::Number | ValueKind::Money => vec![AtLeast, More, AtMost, Less, Equal, NotEqual],
            // A moment to the microsecond is never asked for.
            ValueKind::Moment => vec![MoreDaysAgo, LessDaysAgo, AtLeast, More, AtMost, Less],
        };
        if self.may_be_absent() {
            operators.extend([IsPresent, IsAbsent]);
        }
        operators
    }

    /// The values there are, for choices.
    pub(crate) fn choices(self) -> Vec<&'static str> {
        match self {
            Self::Kind => Kind::ALL.map(Kind::as_str).to_vec(),
            _ => Vec::new(),
        }
    }
}

impl Operator {
    /// Its name in messages.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "EQUAL",
            Self::NotEqual => "NOT_EQUAL",
            Self::Less => "LESS",
            Self::AtMost => "AT_MOST",
            Self::AtLeast => "AT_LEAST",
            Self::More => "MORE",
            Self::MoreDaysAgo => "MORE_DAYS_AGO",
            Self::LessDaysAgo => "LESS_DAYS_AGO",
            Self::IsPresent => "IS_PRESENT",
            Self::IsAbsent => "IS_ABSENT",
        }
    }

    /// Whether it asks for a moment's age.
    pub(crate) const fn is_age(self) -> bool {
        matches!(self, Self::MoreDaysAgo | Self::LessDaysAgo)
    }

    /// Whether it asks only if there is a value.
    pub(crate) const fn is_presence(self) -> bool {
        matches!(self, Self::IsPresent | Self::IsAbsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name_and_offered_once() {
        for (i, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::parse(field.as_str()), Some(field));
            assert!(!Field::ALL[..i].contains(&field), "{field:?}");
            assert_eq!(field.is_figure(), field.as_str().starts_with("metrics."));
            assert_eq!(field.choices().is_empty(), field.kind() != ValueKind::Choice);
        }
        assert_eq!(Field::parse("metrics.profit"), None);
    }
}
