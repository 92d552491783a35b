//! The whole company, ready to be sent: it follows from the moment of its making alone.

use super::calendar::Calendar;
use super::people::{Person, people};
use super::sales::{Refund, Sale, refunds, sales};
use super::talk::{Dialog, Sent, dialogs, letters};

/// Everything that differs from one moment of making to another. What does not is in [`super::shop`].
#[derive(Debug, Clone)]
pub(super) struct Company {
    pub(super) people: Vec<Person>,
    pub(super) sales: Vec<Sale>,
    pub(super) refunds: Vec<Refund>,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) letters: Vec<Sent>,
}

impl Company {
    /// The company as of its making.
    pub(super) fn of(calendar: Calendar) -> Self {
        let people = people(calendar);
        let sales = sales(&people, calendar);
        let refunds = refunds(&sales, calendar);
        let dialogs = dialogs(&people, &sales, calendar);
        let letters = letters(&people, &sales, calendar);
        Self { people, sales, refunds, dialogs, letters }
    }
}

#[cfg(test)]
mod tests;
