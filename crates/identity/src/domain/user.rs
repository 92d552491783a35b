//! People who may sign in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_kernel::text::{self, Name};
use clientele_kernel::{Error, GroupId, UserId, Violations};
use email_address::EmailAddress;

const LONGEST_LOGIN: usize = 254;
const LONGEST_NAME: usize = 200;
const MOST_GROUPS: usize = 100;

/// What a user signs in with: an e-mail address as typed, and the key by which it is compared.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login(Name);

impl Login {
    /// Reads a login. An address of one label, `admin@localhost`, is one: installations without mail have such users.
    pub(crate) fn parse(text: &str, field: &str) -> Result<Self, Error> {
        let name = Name::parse(text, LONGEST_LOGIN, field)?;
        // The address itself is left out of the error: it is personal, and errors are logged.
        let address: Result<EmailAddress, _> = name.text.parse();
        match address {
            Ok(address) if address.as_str() == address.email() => Ok(Self(name)),
            _ => Err(Error::invalid(field, "is not an e-mail address such as `anna@example.org`")),
        }
    }

    /// A login as it was stored.
    pub(crate) fn stored(text: String, key: String) -> Self {
        Self(Name { text, key })
    }

    /// As it was typed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// As it is compared.
    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

/// The key under which somebody who signs in is looked for; whatever is not a login is found nowhere.
pub(crate) fn sign_in_key(login: &str) -> Result<String, Error> {
    if login.chars().count() > LONGEST_LOGIN {
        return Err(Error::invalid("login", format!("has more than {LONGEST_LOGIN} characters")));
    }
    // PostgreSQL takes no NUL in a text.
    Ok(text::key(login).replace('\0', "\u{fffd}"))
}

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserState {
    Active,
    Disabled,
}

impl UserState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) login: Login,
    pub(crate) display_name: String,
    /// Sorted, each once.
    pub(crate) group_ids: Vec<GroupId>,
    pub(crate) state: UserState,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a new user is made from.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    pub(crate) login: Login,
    pub(crate) display_name: String,
    pub(crate) group_ids: Vec<GroupId>,
}

impl NewUser {
    /// Reads what the caller sent; the error names every field that is wrong.
    pub(crate) fn parse(login: &str, display_name: &str, group_ids: &[String]) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let login = violations.take("user.login", Login::parse(login, "user.login"));
        let display_name = violations.take("user.display_name", parse_display_name(display_name));
        let group_ids = violations.take("user.group_ids", parse_group_ids(group_ids));
        violations.into_result()?;
        match (login, display_name, group_ids) {
            (Some(login), Some(display_name), Some(group_ids)) => Ok(Self { login, display_name, group_ids }),
            _ => Err(Error::invalid("user", "is not valid")),
        }
    }

    /// The user, active from now on.
    pub(crate) fn into_user(self, id: UserId, now: DateTime<Utc>) -> User {
        User {
            id,
            login: self.login,
            display_name: self.display_name,
            group_ids: self.group_ids,
            state: UserState::Active,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The fields of a user to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserChange {
    pub(crate) display_name: Option<String>,
    pub(crate) group_ids: Option<Vec<GroupId>>,
    pub(crate) state: Option<UserState>,
}

impl User {
    /// The user after the change, one version on; `None` when the change changes nothing.
    pub(crate) fn changed(&self, change: UserChange, now: DateTime<Utc>) -> Option<Self> {
        let after = Self {
            display_name: change.display_name.unwrap_or_else(|| self.display_name.clone()),
            group_ids: change.group_ids.unwrap_or_else(|| self.group_ids.clone()),
            state: change.state.unwrap_or(self.state),
            ..self.clone()
        };
        (after != *self).then(|| after.touched(now))
    }

    /// The same user one version on: something that is not shown has changed.
    pub(crate) fn touched(self, now: DateTime<Utc>) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self }
    }

    /// True when the change takes away the user's right to sign in.
    pub(crate) fn is_disabled_by(&self, after: &Self) -> bool {
        self.state == UserState::Active && after.state == UserState::Disabled
    }
}

/// Reads a display name.
pub(crate) fn parse_display_name(text: &str) -> Result<String, Error> {
    Name::parse(text, LONGEST_NAME, "user.display_name").map(|name| name.text)
}

/// Reads the groups of a user: sorted, each once.
pub(crate) fn parse_group_ids(ids: &[String]) -> Result<Vec<GroupId>, Error> {
    if ids.len() > MOST_GROUPS {
        return Err(Error::invalid(
            "user.group_ids",
            format!("names {} groups: at most {MOST_GROUPS} are allowed", ids.len()),
        ));
    }
    let mut violations = Violations::new();
    let mut found = BTreeSet::new();
    for (i, id) in ids.iter().enumerate() {
        let field = format!("user.group_ids[{i}]");
        found.extend(violations.take(&field, GroupId::parse(id, &field)));
    }
    violations.into_result()?;
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_login_is_an_address_compared_without_case() {
        let login = Login::parse("  Anna.Núñez@Example.ORG ", "login").unwrap();
        assert_eq!(login.as_str(), "Anna.Núñez@Example.ORG");
        assert_eq!(login.key(), "anna.núñez@example.org");
        assert_eq!(sign_in_key(" ANNA.NÚÑEZ@example.org").unwrap(), login.key());
        assert!(Login::parse("admin@localhost", "login").is_ok());
    }

    #[test]
    fn what_is_not_an_address_is_refused_without_repeating_it() {
        for text in ["boris", "boris@", "@localhost", "a b@localhost", "Boris <boris@localhost>"] {
            let error = Login::parse(text, "user.login").unwrap_err();
            assert_eq!(error.violations[0].field, "user.login", "{text}");
            assert!(!error.message.contains(text), "{}", error.message);
        }
    }

    #[test]
    fn every_wrong_field_of_a_new_user_is_named_at_once() {
        let error = NewUser::parse("nobody", "", &["x".to_owned()]).unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["user.login", "user.display_name", "user.group_ids[0]"]);
    }

    #[test]
    fn a_change_to_the_same_values_is_no_change() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let user =
            NewUser::parse("a@example.org", "Anna", &[]).unwrap().into_user(UserId::from(uuid::Uuid::nil()), now);
        assert_eq!(
            user.changed(UserChange { display_name: Some("Anna".to_owned()), ..UserChange::default() }, now),
            None
        );
        let disabled =
            user.changed(UserChange { state: Some(UserState::Disabled), ..UserChange::default() }, now).unwrap();
        assert_eq!(disabled.version, 2);
        assert!(user.is_disabled_by(&disabled));
    }

    proptest! {
        #[test]
        fn any_login_is_refused_by_its_field_or_found_again_by_its_key(text in "\\PC{0,12}@?\\PC{0,12}|[a-zA-Z.+]{1,8}@[a-z]{1,8}(\\.[a-z]{2,3})?|.{250,260}") {
            let key = sign_in_key(&text);
            match Login::parse(&text, "user.login") {
                Ok(login) => {
                    prop_assert_eq!(key.unwrap(), login.key());
                    let again = Login::parse(login.as_str(), "user.login").unwrap();
                    prop_assert_eq!((again.as_str(), again.key()), (login.as_str(), login.key()));
                }
                Err(error) => prop_assert_eq!(&error.violations[0].field, "user.login"),
            }
        }
    }
}
