//! A rule with a name.

use chrono::{DateTime, Utc};
use clientele_kernel::text::{self, Name};
use clientele_kernel::{Error, Ids, SegmentId, Violations};

use super::rule::Rule;

/// How many segments may be in use at once: each event of a customer is held against all of them.
pub(crate) const MOST_ACTIVE: i64 = 500;
const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 500;

/// Reads a name of 1 to 100 characters.
pub(crate) fn name(text: &str, field: &str) -> Result<Name, Error> {
    Name::parse(text, LONGEST_NAME, field)
}

/// Reads a description of at most 500 characters; may be empty.
pub(crate) fn description(text: &str, field: &str) -> Result<String, Error> {
    text::line(text, LONGEST_DESCRIPTION, field)
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) name: Name,
    pub(crate) description: String,
    pub(crate) rule: Rule,
    pub(crate) active: bool,
    /// Raised by every event.
    pub(crate) version: i64,
    /// Raised by what people change: their etag.
    pub(crate) revision: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a person wants to be changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    pub(crate) name: Option<Name>,
    pub(crate) description: Option<String>,
    pub(crate) rule: Option<Rule>,
    pub(crate) active: Option<bool>,
}

/// What a change of a segment asks for besides being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Nothing changed.
    None,
    /// Another name or description.
    Told,
    /// Who belongs to it has to be found anew.
    Rebuild,
}

impl Segment {
    /// A segment in use. The statement has to say name and rule.
    pub(crate) fn create(statement: Statement, now: DateTime<Utc>, ids: &Ids) -> Result<Self, Error> {
        let mut violations = Violations::new();
        violations.check(statement.name.is_some(), "segment.name", || "is missing".to_owned());
        violations.check(statement.rule.is_some(), "segment.rule", || "is missing: say who belongs to it".to_owned());
        let (Some(name), Some(rule)) = (statement.name, statement.rule) else {
            return Err(Error::invalid_all(violations.into_inner()));
        };
        Ok(Self {
            id: ids.at(now),
            name,
            description: statement.description.unwrap_or_default(),
            rule,
            active: true,
            version: 1,
            revision: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Changes what the statement says.
    pub(crate) fn update(&mut self, statement: Statement, now: DateTime<Utc>) -> Consequence {
        let before = self.clone();
        if let Some(name) = statement.name {
            self.name = name;
        }
        if let Some(description) = statement.description {
            self.description = description;
        }
        if let Some(rule) = statement.rule {
            self.rule = rule;
        }
        self.active = statement.active.unwrap_or(self.active);
        if *self == before {
            return Consequence::None;
        }
        self.version += 1;
        self.revision += 1;
        self.updated_at = now;
        // The rule of one that is put away holds nobody, whatever it says.
        if self.active != before.active || (self.active && self.rule != before.rule) {
            Consequence::Rebuild
        } else {
            Consequence::Told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_alone_are_the_same() {
        let key = |text: &str| name(text, "segment.name").unwrap().key;
        assert_eq!(key(" Постоянные "), key("постоянные"));
        assert_eq!(key("Cafe\u{301}"), key("café"));
        assert_ne!(key("a b"), key("ab"));
    }

    #[test]
    fn a_name_that_is_empty_too_long_or_of_several_lines_is_refused_by_its_field() {
        for text in ["", "  ", "a\nb", "a\u{0}b", &"x".repeat(101), &"x".repeat(100_000)] {
            let error = name(text, "segment.name").unwrap_err();
            assert_eq!(error.violations[0].field, "segment.name");
        }
        assert_eq!(name(&"é".repeat(100), "segment.name").unwrap().text.chars().count(), 100);
    }
}
