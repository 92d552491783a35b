//! Groups of users with the same permissions.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_kernel::text::Name;
use clientele_kernel::{Error, GroupId, Violations};

use super::permission::Permissions;

const LONGEST_NAME: usize = 100;

/// The name of the group that may do everything, as it is first made.
pub(crate) const ADMINISTRATORS: &str = "Administrators";

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) name: Name,
    pub(crate) permissions: Permissions,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a new group is made from.
#[derive(Debug, Clone)]
pub(crate) struct NewGroup {
    pub(crate) name: Name,
    pub(crate) permissions: Permissions,
}

impl NewGroup {
    /// Reads what the caller sent; the error names every field that is wrong.
    pub(crate) fn parse(name: &str, permissions: &[String]) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let name = violations.take("group.name", parse_name(name));
        let permissions = violations.take("group.permissions", parse_permissions(permissions));
        violations.into_result()?;
        match (name, permissions) {
            (Some(name), Some(permissions)) => Ok(Self { name, permissions: Permissions::Only(permissions) }),
            _ => Err(Error::invalid("group", "is not valid")),
        }
    }

    /// The group that may do everything.
    pub(crate) fn administrators() -> Self {
        let name = Name::of(ADMINISTRATORS);
        Self { name, permissions: Permissions::Everything }
    }

    /// The group, as of now.
    pub(crate) fn into_group(self, id: GroupId, now: DateTime<Utc>) -> Group {
        Group { id, name: self.name, permissions: self.permissions, version: 1, created_at: now, updated_at: now }
    }
}

/// The fields of a group to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupChange {
    pub(crate) name: Option<Name>,
    pub(crate) permissions: Option<BTreeSet<String>>,
}

impl Group {
    /// True for the group that may do everything and cannot be changed.
    pub(crate) fn is_administrators(&self) -> bool {
        self.permissions == Permissions::Everything
    }

    /// What its members may do, by name; empty for the administrators, who need no list.
    pub(crate) fn permission_names(&self) -> Vec<String> {
        match &self.permissions {
            Permissions::Everything => Vec::new(),
            Permissions::Only(names) => names.iter().cloned().collect(),
        }
    }

    /// The group after the change, one version on; `None` when the change changes nothing.
    pub(crate) fn changed(&self, change: GroupChange, now: DateTime<Utc>) -> Option<Self> {
        let after = Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            permissions: change.permissions.map_or_else(|| self.permissions.clone(), Permissions::Only),
            ..self.clone()
        };
        (after != *self).then(|| Self { version: self.version + 1, updated_at: now, ..after })
    }
}

/// Reads a group's name.
pub(crate) fn parse_name(text: &str) -> Result<Name, Error> {
    Name::parse(text, LONGEST_NAME, "group.name")
}

/// Reads a group's permissions.
pub(crate) fn parse_permissions(names: &[String]) -> Result<BTreeSet<String>, Error> {
    Permissions::parse(names, "group.permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_kept_sorted_and_once() {
        let names = ["identity.user.write", "identity.user.read", "identity.user.write"].map(str::to_owned);
        let now = DateTime::UNIX_EPOCH;
        let group = NewGroup::parse("Clerks", &names).unwrap().into_group(GroupId::from(uuid::Uuid::nil()), now);
        assert_eq!(group.permission_names(), ["identity.user.read", "identity.user.write"]);
        assert!(!group.is_administrators());
    }

    #[test]
    fn a_group_of_another_name_is_another_version() {
        let now = DateTime::UNIX_EPOCH;
        let group = NewGroup::administrators().into_group(GroupId::from(uuid::Uuid::nil()), now);
        assert!(group.is_administrators());
        let change = GroupChange { name: Some(parse_name("Chiefs").unwrap()), ..GroupChange::default() };
        assert_eq!(group.changed(change, now).unwrap().version, 2);
        assert_eq!(group.changed(GroupChange::default(), now), None);
    }
}
