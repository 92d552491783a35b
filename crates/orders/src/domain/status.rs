//! Statuses of orders. The codes are the company's own; rules look at the group alone.

use clientele_kernel::{Error, Violations, text};
use uuid::Uuid;

/// How many statuses the dictionary holds at most.
pub(crate) const MOST_STATUSES: usize = 500;

/// The status of an order that comes without one.
pub(crate) const FIRST_STATUS: &str = "new";

/// Where in its life an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum StatusGroup {
    /// Just arrived.
    New,
    /// Being worked on.
    InProgress,
    /// Done: counts as a purchase.
    Completed,
    /// Called off: counts as nothing.
    Cancelled,
}

impl StatusGroup {
    pub(crate) const ALL: [Self; 4] = [Self::New, Self::InProgress, Self::Completed, Self::Cancelled];

    /// The name in storage.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the name in storage.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == name)
    }
}

/// A status of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Its identity in the journal.
    pub(crate) id: Uuid,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) group: StatusGroup,
    pub(crate) position: i32,
    /// False once no longer offered.
    pub(crate) active: bool,
    pub(crate) version: i64,
}

/// A status as a caller describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StatusDraft {
    pub(crate) code: String,
    pub(crate) name: String,
    /// `None` where it was not said.
    pub(crate) group: Option<StatusGroup>,
    pub(crate) position: i32,
}

impl Status {
    /// A new status, offered from now on. The error names each wrong field.
    pub(crate) fn create(draft: &StatusDraft, id: Uuid) -> Result<Self, Error> {
        let mut violations = Violations::new();
        violations.check(is_code(&draft.code), "code", || {
            format!(
                "`{}` is not a code: 1 to 50 characters of `a-z 0-9 _` are wanted",
                clientele_kernel::error::shorten(&draft.code)
            )
        });
        let name = violations.or_default(text::required_line(&draft.name, 100, "name"));
        violations.check((0..=9999).contains(&draft.position), "position", || {
            format!("`{}` is out of range: 0 to 9999 is wanted", draft.position)
        });
        match draft.group {
            Some(group) if violations.is_empty() => Ok(Self {
                id,
                code: draft.code.clone(),
                name,
                group,
                position: draft.position,
                active: true,
                version: 1,
            }),
            Some(_) => Err(Error::invalid_all(violations.into_inner())),
            None => {
                violations.push("group", "is missing: new, in progress, completed or cancelled is wanted");
                Err(Error::invalid_all(violations.into_inner()))
            }
        }
    }
}

fn is_code(text: &str) -> bool {
    (1..=50).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// All statuses, to look codes up in.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary(Vec<Status>);

impl Dictionary {
    pub(crate) fn new(statuses: Vec<Status>) -> Self {
        Self(statuses)
    }

    pub(crate) fn get(&self, code: &str) -> Option<&Status> {
        self.0.iter().find(|status| status.code == code)
    }

    /// The status that is to be set by hand: one that exists and is offered.
    pub(crate) fn offered(&self, code: &str, field: &str) -> Result<&Status, Error> {
        match self.get(code) {
            Some(status) if status.active => Ok(status),
            Some(_) => Err(Error::invalid(field, format!("the status `{code}` is no longer offered"))),
            None => Err(Error::invalid(field, self.unknown(code))),
        }
    }

    /// What to say of a code that is not in the dictionary.
    pub(crate) fn unknown(&self, code: &str) -> String {
        let some: Vec<_> =
            self.0.iter().filter(|status| status.active).take(12).map(|status| status.code.as_str()).collect();
        format!(
            "there is no status `{}`; there are, among others, {}",
            clientele_kernel::error::shorten(code),
            some.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> StatusDraft {
        StatusDraft { code: "packed".into(), name: "Packed".into(), group: Some(StatusGroup::InProgress), position: 3 }
    }

    fn fields(draft: &StatusDraft) -> Vec<String> {
        let error = Status::create(draft, Uuid::nil()).unwrap_err();
        error.violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_new_status_is_offered_at_once() {
        assert!(Status::create(&draft(), Uuid::nil()).unwrap().active);
    }

    #[test]
    fn each_wrong_field_of_a_status_is_named() {
        let wrong = StatusDraft { code: "In Progress".into(), name: " ".into(), group: None, position: -1 };
        assert_eq!(fields(&wrong), ["code", "name", "position", "group"]);
        assert_eq!(fields(&StatusDraft { code: "x".repeat(51), ..draft() }), ["code"]);
    }

    #[test]
    fn a_status_no_longer_offered_cannot_be_set_by_hand() {
        let retired = Status { active: false, ..Status::create(&draft(), Uuid::nil()).unwrap() };
        let dictionary = Dictionary::new(vec![retired]);
        assert!(dictionary.offered("packed", "status").is_err());
        assert!(dictionary.offered("nowhere", "status").is_err());
    }

    #[test]
    fn every_group_is_read_back_from_its_name() {
        for group in StatusGroup::ALL {
            assert_eq!(StatusGroup::from_name(group.as_str()), Some(group));
        }
    }
}
