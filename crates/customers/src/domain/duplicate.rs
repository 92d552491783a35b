//! Customers that share a phone or an e-mail.

use super::customer::Customer;

/// How many duplicates of one customer are counted; more are shown as so many. A number that thousands have (a switchboard,
/// `none@example.com`) must not make every list that shows it slow.
pub(crate) const MOST_COUNTED: i64 = 1_000;

/// A customer as people see it: with duplicate marks, and as many phones as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The customer; of the phones perhaps the first ones only.
    pub(crate) customer: Customer,
    /// How many phones there are beyond those.
    pub(crate) hidden_phones: usize,
    /// How many other customers share a contact point with it, up to [`MOST_COUNTED`].
    pub(crate) duplicates: i64,
    /// How many other customers have each of the phones.
    pub(crate) phone_duplicates: Vec<i64>,
    /// How many other customers have each of the e-mail addresses.
    pub(crate) email_duplicates: Vec<i64>,
}

/// A customer that shares contact points with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The customer.
    pub(crate) view: View,
    /// The shared phones, in E.164 form where there is one.
    pub(crate) phones: Vec<String>,
    /// The shared e-mail addresses.
    pub(crate) emails: Vec<String>,
}
