//! Keys by which programs prove who they are.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_kernel::text::Name;
use clientele_kernel::{ApiKeyId, Error, UserId, Violations};

use super::permission::Permissions;

const LONGEST_NAME: usize = 100;

/// A key of a program. Its scopes are the most it may do: of them it may do what its creator may do at the time, and it
/// ends with its creator's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKey {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) prefix: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_by: UserId,
}

/// What a new key is made from.
#[derive(Debug, Clone)]
pub(crate) struct NewApiKey {
    pub(crate) name: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl NewApiKey {
    /// Reads what the caller sent; the error names every field that is wrong.
    pub(crate) fn parse(
        name: &str,
        scopes: &[String],
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let name = violations.take("name", Name::parse(name, LONGEST_NAME, "name"));
        violations.check(!scopes.is_empty(), "scopes", || "is empty: name at least one permission".to_owned());
        let scopes = violations.take("scopes", Permissions::parse(scopes, "scopes"));
        violations.check(expires_at.is_none_or(|moment| moment > now), "expires_at", || {
            format!("is not in the future: it is {} now", now.format("%Y-%m-%dT%H:%M:%SZ"))
        });
        violations.into_result()?;
        match (name, scopes) {
            (Some(name), Some(scopes)) => Ok(Self { name: name.text, scopes, expires_at }),
            _ => Err(Error::invalid("name", "is not valid")),
        }
    }
}

impl ApiKey {
    /// The key after its revocation, one version on; `None` when it was revoked before.
    pub(crate) fn revoked(&self, now: DateTime<Utc>) -> Option<Self> {
        self.revoked_at.is_none().then(|| Self { revoked_at: Some(now), version: self.version + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_a_name_a_scope_and_a_future() {
        let now = DateTime::UNIX_EPOCH;
        let error = NewApiKey::parse("", &[], Some(now), now).unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["name", "scopes", "expires_at"]);
        assert!(NewApiKey::parse("till", &["orders.order.read".to_owned()], None, now).is_ok());
    }

    #[test]
    fn a_key_is_revoked_once() {
        let now = DateTime::UNIX_EPOCH;
        let id = uuid::Uuid::nil();
        let key = ApiKey {
            id: id.into(),
            name: "till".to_owned(),
            scopes: BTreeSet::new(),
            prefix: "clk_12345678".to_owned(),
            expires_at: None,
            revoked_at: None,
            version: 1,
            created_at: now,
            created_by: id.into(),
        };
        let revoked = key.revoked(now).unwrap();
        assert_eq!((revoked.version, revoked.revoked_at), (2, Some(now)));
        assert_eq!(revoked.revoked(now), None);
    }
}
