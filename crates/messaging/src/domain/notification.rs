//! What the house tells a colleague.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{EventId, NotificationId, UserId};
use uuid::Uuid;

/// How many notifications of a colleague are kept.
pub(crate) const MOST_KEPT: i64 = 1_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the names are those of the contract")]
pub(crate) enum Kind {
    /// An import has come to its end.
    ImportFinished,
    /// An import could not go on.
    ImportFailed,
    /// An import was taken back.
    ImportUndone,
    /// A trial run has come to its end.
    ImportChecked,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] = [
        ("import_finished", Self::ImportFinished),
        ("import_failed", Self::ImportFailed),
        ("import_undone", Self::ImportUndone),
        ("import_checked", Self::ImportChecked),
    ];

    /// The name in storage.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Reads the name; `None` for one that does not exist.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// Something to tell a colleague.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) id: NotificationId,
    pub(crate) user_id: UserId,
    pub(crate) kind: Kind,
    /// The record concerned.
    pub(crate) subject_id: Uuid,
    /// Figures by name.
    pub(crate) counts: BTreeMap<String, i64>,
    /// The event it tells of.
    pub(crate) event_id: EventId,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) read_at: Option<DateTime<Utc>>,
}

impl Notification {
    /// Notes that it was read; `None` where it was read before.
    pub(crate) fn read(&self, now: DateTime<Utc>) -> Option<Self> {
        self.read_at.is_none().then(|| Self { version: self.version + 1, read_at: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_the_name_it_is_stored_under() {
        for (name, kind) in Kind::ALL {
            assert_eq!((Kind::parse(name), kind.as_str()), (Some(kind), name));
        }
        assert_eq!(Kind::parse("import"), None);
    }
}
