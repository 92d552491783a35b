//! What happened with a customer, and how the history of a record becomes entries.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Money};
use uuid::Uuid;

/// Kinds of entries. The numbers are those of storage and of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    CustomerCreated = 1,
    CustomerUpdated = 2,
    OrderPlaced = 3,
    OrderStatusChanged = 4,
    CreditNoteIssued = 5,
    EmailSettled = 6,
    DialogOpened = 7,
    SegmentEntered = 8,
    SegmentLeft = 9,
    ConsentGranted = 10,
    ConsentWithdrawn = 11,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::CustomerCreated,
        Self::CustomerUpdated,
        Self::OrderPlaced,
        Self::OrderStatusChanged,
        Self::CreditNoteIssued,
        Self::EmailSettled,
        Self::DialogOpened,
        Self::SegmentEntered,
        Self::SegmentLeft,
        Self::ConsentGranted,
        Self::ConsentWithdrawn,
    ];

    /// Its number.
    pub(crate) const fn number(self) -> i16 {
        self as i16
    }

    /// The kind of this number; `None` where there is none.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i32::from(kind.number()) == number)
    }
}

/// Something that happened with a customer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The record it happened to.
    pub(crate) subject: Uuid,
    /// Version of the record after it.
    pub(crate) version: i64,
    /// The event it comes from.
    pub(crate) event: Uuid,
    /// The customer; none for nobody known.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) kind: Kind,
    /// Where it stands in the timeline.
    pub(crate) occurred_at: DateTime<Utc>,
    /// When the event happened.
    pub(crate) event_at: DateTime<Utc>,
    pub(crate) amount: Option<Money>,
    /// Numbers of the contract: what a source sends is shown as it is.
    pub(crate) actor_kind: i32,
    pub(crate) actor_id: String,
    pub(crate) origin: i32,
    pub(crate) changed_fields: Vec<String>,
    /// Code of the order's status, state of a letter, channel of a consent; empty for all else.
    pub(crate) status: String,
    /// What it is shown as being about, where that is not `subject`.
    pub(crate) about: Option<Uuid>,
    /// Name of the segment; empty for all else.
    pub(crate) label: String,
}

/// A step in the life of a record that stands in the timeline already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) status: String,
}

/// How the entries of one record change.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Revision {
    /// New entries.
    pub(crate) added: Vec<Entry>,
    /// Versions whose entry stays, as one of this kind.
    pub(crate) kept: Vec<(i64, Kind)>,
    /// Versions whose entry is one no longer.
    pub(crate) removed: Vec<i64>,
}

/// Fits events of a record among its entries: the first version is an entry of the kind `first`, each later one that
/// differs in status from the one before it is a change of status. Events come in any order: an order that gets its
/// customer later moves to another partition of the feed, so that version 2 can be seen before version 1.
pub(crate) fn revise(stored: &[Step], arrived: Vec<Entry>, first: Kind) -> Revision {
    let mut steps: BTreeMap<i64, (&str, Option<Entry>)> = BTreeMap::new();
    let statuses: Vec<String> = arrived.iter().map(|entry| entry.status.clone()).collect();
    for (entry, status) in arrived.into_iter().zip(&statuses) {
        steps.insert(entry.version, (status, Some(entry)));
    }
    for step in stored {
        steps.insert(step.version, (&step.status, None));
    }
    let mut revision = Revision::default();
    let mut before: Option<&str> = None;
    for (version, (status, arrived)) in steps {
        let kind = match before {
            None => Some(first),
            Some(before) if before != status => Some(Kind::OrderStatusChanged),
            Some(_) => None,
        };
        before = Some(status);
        match (kind, arrived) {
            (Some(kind), Some(entry)) => revision.added.push(Entry { kind, ..entry }),
            (Some(kind), None) => revision.kept.push((version, kind)),
            (None, None) => revision.removed.push(version),
            (None, Some(_)) => {}
        }
    }
    revision
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(version: i64, status: &str) -> Entry {
        Entry {
            subject: Uuid::nil(),
            version,
            event: Uuid::nil(),
            customer: None,
            kind: Kind::OrderPlaced,
            occurred_at: DateTime::UNIX_EPOCH,
            event_at: DateTime::UNIX_EPOCH,
            amount: None,
            actor_kind: 0,
            actor_id: String::new(),
            origin: 0,
            changed_fields: Vec::new(),
            status: status.to_owned(),
            about: None,
            label: String::new(),
        }
    }

    fn run(batches: Vec<Vec<Entry>>) -> Vec<(i64, String, Kind)> {
        let mut entries: BTreeMap<i64, (String, Kind)> = BTreeMap::new();
        for batch in batches {
            let stored: Vec<Step> = entries
                .iter()
                .map(|(version, (status, _))| Step { version: *version, status: status.clone() })
                .collect();
            let revision = revise(&stored, batch, Kind::OrderPlaced);
            for version in revision.removed {
                entries.remove(&version);
            }
            for (version, kind) in revision.kept {
                entries.get_mut(&version).unwrap().1 = kind;
            }
            for entry in revision.added {
                entries.insert(entry.version, (entry.status, entry.kind));
            }
        }
        entries.into_iter().map(|(version, (status, kind))| (version, status, kind)).collect()
    }

    #[test]
    fn an_order_is_placed_once_and_then_changes_its_status() {
        let found = run(vec![vec![entry(1, "new"), entry(2, "new")], vec![entry(3, "completed")]]);
        let wanted = [(1, "new".to_owned(), Kind::OrderPlaced), (3, "completed".to_owned(), Kind::OrderStatusChanged)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_earlier_version_that_comes_late_takes_the_first_place() {
        let found = run(vec![vec![entry(2, "completed")], vec![entry(1, "new")]]);
        let wanted = [(1, "new".to_owned(), Kind::OrderPlaced), (2, "completed".to_owned(), Kind::OrderStatusChanged)];
        assert_eq!(found, wanted);
    }

    proptest! {
        #[test]
        fn batches_and_redelivery_make_no_difference(
            statuses in prop::collection::vec(prop::sample::select(vec!["new", "completed", "cancelled"]), 1..12),
            cut in 0_usize..12,
        ) {
            let entries: Vec<Entry> = (1..).zip(&statuses).map(|(version, status)| entry(version, status)).collect();
            let (head, tail) = entries.split_at(cut.min(entries.len()));
            let whole = run(vec![entries.clone()]);
            prop_assert_eq!(&run(vec![head.to_vec(), tail.to_vec()]), &whole);
            prop_assert_eq!(&run(vec![entries.clone(), tail.to_vec()]), &whole);
            prop_assert_eq!(&run(entries.into_iter().map(|entry| vec![entry]).collect()), &whole);
        }
    }
}
