//! Notifications as messages.

use clientele_contracts::customers::v1::{ImportRecorded, ImportState};
use clientele_contracts::messaging::v1 as pb;
use clientele_platform::proto;

use crate::domain::notification::{Kind, Notification};

/// A notification as a message.
pub(crate) fn encode(notification: &Notification) -> pb::Notification {
    pb::Notification {
        id: notification.id.to_string(),
        kind: kind(notification.kind).into(),
        subject_id: notification.subject_id.to_string(),
        counts: notification.counts.iter().map(|(name, count)| (name.clone(), *count)).collect(),
        created_at: Some(proto::timestamp(notification.created_at)),
        read_at: notification.read_at.map(proto::timestamp),
    }
}

/// A kind as a message.
pub(crate) fn kind(kind: Kind) -> pb::NotificationKind {
    match kind {
        Kind::ImportFinished => pb::NotificationKind::ImportFinished,
        Kind::ImportFailed => pb::NotificationKind::ImportFailed,
        Kind::ImportUndone => pb::NotificationKind::ImportUndone,
        Kind::ImportChecked => pb::NotificationKind::ImportChecked,
    }
}

/// What is told of an import that has come to another state; `None` where there is nothing to tell.
pub(crate) fn of_import(event: &ImportRecorded) -> Option<Kind> {
    match event.state() {
        ImportState::Failed => Some(Kind::ImportFailed),
        _ if event.trial => Some(Kind::ImportChecked),
        ImportState::Done => Some(Kind::ImportFinished),
        ImportState::Undone => Some(Kind::ImportUndone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_and_what_leads_to_them_is_not() {
        let told = |state: ImportState, trial| {
            of_import(&ImportRecorded { state: state.into(), trial, ..ImportRecorded::default() })
        };
        assert_eq!(told(ImportState::Done, false), Some(Kind::ImportFinished));
        assert_eq!(told(ImportState::Failed, false), Some(Kind::ImportFailed));
        assert_eq!(told(ImportState::Undone, false), Some(Kind::ImportUndone));
        assert_eq!(told(ImportState::Ready, true), Some(Kind::ImportChecked));
        assert_eq!(told(ImportState::Failed, true), Some(Kind::ImportFailed));
        let quiet = [
            ImportState::AwaitingFile,
            ImportState::Ready,
            ImportState::Checking,
            ImportState::Running,
            ImportState::Cancelled,
            ImportState::Undoing,
        ];
        for state in quiet {
            assert_eq!(told(state, false), None, "{state:?}");
        }
    }
}
