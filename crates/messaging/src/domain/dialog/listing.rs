//! Which dialogs a list shows.

use chrono::{DateTime, Utc};
use clientele_kernel::{ChannelId, CustomerId, UserId};
use uuid::Uuid;

use super::State;

/// What all dialogs of a list have in common; what is not said does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) assignee: Option<Responsible>,
    pub(crate) channel_id: Option<ChannelId>,
    /// Only those with unread messages.
    pub(crate) unread: bool,
}

/// Who is responsible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Responsible {
    Nobody,
    Colleague(UserId),
}

/// A place in the list: when the last message was written, and the id, which breaks ties.
pub(crate) type Place = (DateTime<Utc>, Uuid);

/// Which part of a dialog is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What follows a sequence number.
    After(i64),
    /// What stands just before one.
    Before(i64),
    /// The newest.
    Newest,
}
