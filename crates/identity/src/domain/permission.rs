//! What a caller may do.

use std::collections::BTreeSet;

use clientele_contracts::access;
use clientele_kernel::error::shorten;
use clientele_kernel::{Error, Violations};

/// In a token this one permission stands for all of them, those of later versions included.
pub(crate) const EVERYTHING: &str = "*";

const MOST: usize = 1000;

/// What a caller may do: everything, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Permissions {
    Everything,
    Only(BTreeSet<String>),
}

impl Permissions {
    /// Reads a list that a caller sent. Each must be a permission that some method needs.
    pub(crate) fn parse(names: &[String], field: &str) -> Result<BTreeSet<String>, Error> {
        if names.len() > MOST {
            return Err(Error::invalid(
                field,
                format!("names {} permissions: at most {MOST} are allowed", names.len()),
            ));
        }
        let known = access::permissions();
        let mut violations = Violations::new();
        for (i, name) in names.iter().enumerate() {
            violations.check(known.contains_key(name.as_str()), &format!("{field}[{i}]"), || {
                format!("there is no permission `{}`: `GET /v1/permissions` lists those that exist", shorten(name))
            });
        }
        violations.into_result()?;
        Ok(names.iter().cloned().collect())
    }

    /// What groups give together: everything when administrators are among them, else what they name.
    pub(crate) fn granted(everything: bool, names: impl IntoIterator<Item = String>) -> Self {
        if everything { Self::Everything } else { Self::Only(names.into_iter().collect()) }
    }

    /// Of these scopes, those that are permitted.
    pub(crate) fn narrowed(&self, scopes: BTreeSet<String>) -> Self {
        match self {
            Self::Everything => Self::Only(scopes),
            Self::Only(names) => Self::Only(scopes.into_iter().filter(|scope| names.contains(scope)).collect()),
        }
    }

    /// Reads what a token carries.
    pub(crate) fn of_token(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.contains(EVERYTHING) { Self::Everything } else { Self::Only(names) }
    }

    /// As a token carries it.
    pub(crate) fn to_token(&self) -> Vec<String> {
        match self {
            Self::Everything => vec![EVERYTHING.to_owned()],
            Self::Only(names) => names.iter().cloned().collect(),
        }
    }

    /// The first of the permissions that is not among these.
    pub(crate) fn lacks<'a>(&self, wanted: impl IntoIterator<Item = &'a String>) -> Option<&'a String> {
        match self {
            Self::Everything => None,
            Self::Only(names) => wanted.into_iter().find(|name| !names.contains(*name)),
        }
    }

    /// True when these permit all that the others do.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Everything, _) => true,
            (Self::Only(_), Self::Everything) => false,
            (Self::Only(_), Self::Only(names)) => self.lacks(names).is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(names: &[&str]) -> Permissions {
        Permissions::Only(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn a_permission_that_no_method_needs_is_refused_by_its_place() {
        let names = ["identity.user.read".to_owned(), "identity.user.fly".to_owned()];
        let error = Permissions::parse(&names, "group.permissions").unwrap_err();
        assert_eq!(error.violations[0].field, "group.permissions[1]");
        assert!(Permissions::parse(&["*".to_owned()], "scopes").is_err());
    }

    #[test]
    fn everything_covers_all_and_is_covered_by_itself_alone() {
        let reader = only(&["a.b.read"]);
        let writer = only(&["a.b.read", "a.b.write"]);
        assert!(Permissions::Everything.cover(&writer) && Permissions::Everything.cover(&Permissions::Everything));
        assert!(!writer.cover(&Permissions::Everything));
        assert!(writer.cover(&reader) && !reader.cover(&writer));
    }

    #[test]
    fn scopes_narrow_what_is_permitted_and_add_nothing() {
        let scopes = BTreeSet::from(["a.b.read".to_owned(), "a.b.write".to_owned()]);
        assert_eq!(Permissions::Everything.narrowed(scopes.clone()), only(&["a.b.read", "a.b.write"]));
        assert_eq!(only(&["a.b.read", "c.d.read"]).narrowed(scopes.clone()), only(&["a.b.read"]));
        assert_eq!(only(&[]).narrowed(scopes), only(&[]));
    }

    #[test]
    fn a_token_gives_back_what_it_was_made_of() {
        for permissions in [Permissions::Everything, only(&[]), only(&["a.b.read", "a.b.write"])] {
            assert_eq!(Permissions::of_token(permissions.to_token()), permissions);
        }
    }

    proptest! {
        #[test]
        fn only_permissions_that_exist_are_read(names in prop::collection::vec("\\*|identity\\.user\\.(read|write|fly)|\\PC{0,10}", 0..5)) {
            match Permissions::parse(&names, "scopes") {
                Ok(read) => {
                    prop_assert!(!read.contains(EVERYTHING) && read.iter().all(|name| names.contains(name)));
                    prop_assert!(names.iter().all(|name| read.contains(name)));
                }
                Err(error) => prop_assert!(error.violations.iter().all(|wrong| wrong.field.starts_with("scopes[")), "{:?}", error),
            }
        }
    }
}
