//! Statuses and their groups, to and from messages.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::Error;

use crate::domain::status::{Status, StatusGroup};

/// A status as callers see one.
pub(crate) fn encode(status: &Status) -> pb::OrderStatus {
    pb::OrderStatus {
        code: status.code.clone(),
        name: status.name.clone(),
        group: group(status.group).into(),
        position: status.position,
        active: status.active,
    }
}

/// A group as a message.
pub(crate) fn group(group: StatusGroup) -> pb::StatusGroup {
    match group {
        StatusGroup::New => pb::StatusGroup::New,
        StatusGroup::InProgress => pb::StatusGroup::InProgress,
        StatusGroup::Completed => pb::StatusGroup::Completed,
        StatusGroup::Cancelled => pb::StatusGroup::Cancelled,
    }
}

/// A group from a message; `None` where it is not said. The error names the field `group`.
pub(crate) fn group_in(number: i32) -> Result<Option<StatusGroup>, Error> {
    match pb::StatusGroup::try_from(number) {
        Ok(pb::StatusGroup::Unspecified) => Ok(None),
        Ok(pb::StatusGroup::New) => Ok(Some(StatusGroup::New)),
        Ok(pb::StatusGroup::InProgress) => Ok(Some(StatusGroup::InProgress)),
        Ok(pb::StatusGroup::Completed) => Ok(Some(StatusGroup::Completed)),
        Ok(pb::StatusGroup::Cancelled) => Ok(Some(StatusGroup::Cancelled)),
        Err(_) => Err(Error::invalid("group", format!("`{number}` is no group of statuses: 1 to 4 are"))),
    }
}
