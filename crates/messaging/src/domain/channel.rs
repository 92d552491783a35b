//! Channels through which customers write, and the pages that may carry their widget.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::text::{self, Name};
use clientele_kernel::{ChannelId, Code, Entropy, Error, StoreId, Violations};
use url::Url;

const LONGEST_NAME: usize = 100;
const LONGEST_GREETING: usize = 500;
const MOST_ORIGINS: usize = 20;
/// Enough that nobody guesses one; it is no secret.
const SITE_KEY_BYTES: usize = 16;

/// The origin of a page, as browsers write it: `https://shop.example`, in lower case, without the port that goes without
/// saying.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageOrigin(String);

impl PageOrigin {
    /// Reads scheme, host and perhaps port; nothing may follow.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not the origin of a page: scheme and host are wanted, for instance `https://shop.example`",
                shorten(raw)
            )
        };
        let url = Url::parse(raw.trim()).map_err(|_| wrong())?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().filter(|host| !host.contains('*'));
        if !matches!(url.scheme(), "http" | "https") || host.is_none() || !bare {
            return Err(wrong());
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// An origin as it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) name: Name,
    pub(crate) site_key: String,
    /// Empty for any page.
    pub(crate) allowed_origins: Vec<PageOrigin>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) greeting: String,
    pub(crate) active: bool,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a caller says of a channel; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChannelStatement<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) allowed_origins: Option<&'a [String]>,
    pub(crate) store_id: Option<&'a str>,
    pub(crate) greeting: Option<&'a str>,
    pub(crate) active: Option<bool>,
}

/// A statement that is right.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChannelChange {
    name: Option<Name>,
    allowed_origins: Option<Vec<PageOrigin>>,
    #[expect(clippy::option_option, reason = "left as it is, taken away, or set")]
    store_id: Option<Option<StoreId>>,
    greeting: Option<String>,
    active: Option<bool>,
}

impl ChannelStatement<'_> {
    /// Reads what was said; the error names every field that is wrong, within the channel.
    pub(crate) fn check(self) -> Result<ChannelChange, Error> {
        let mut violations = Violations::new();
        let name = self.name.and_then(|name| violations.take("name", Name::parse(name, LONGEST_NAME, "name")));
        let allowed_origins = self.allowed_origins.map(|origins| check_origins(origins, &mut violations));
        let store_id = self.store_id.map(|id| {
            let store = StoreId::parse_optional(id, "store_id");
            violations.take("store_id", store).flatten()
        });
        let greeting =
            self.greeting.map(|greeting| violations.or_default(text::prose(greeting, LONGEST_GREETING, "greeting")));
        violations.into_result()?;
        Ok(ChannelChange { name, allowed_origins, store_id, greeting, active: self.active })
    }
}

fn check_origins(origins: &[String], violations: &mut Violations) -> Vec<PageOrigin> {
    let count = origins.len();
    violations.check(count <= MOST_ORIGINS, "allowed_origins", || {
        format!("has {count} entries: at most {MOST_ORIGINS} are allowed")
    });
    let mut seen = BTreeSet::new();
    let mut checked = Vec::new();
    for (index, raw) in origins.iter().take(MOST_ORIGINS).enumerate() {
        match PageOrigin::parse(raw) {
            Ok(origin) if seen.insert(origin.clone()) => checked.push(origin),
            Ok(_the_same_again) => {}
            Err(wrong) => violations.push(format!("allowed_origins[{index}]"), wrong),
        }
    }
    checked
}

impl Channel {
    /// A new channel, switched on.
    pub(crate) fn create(
        id: ChannelId,
        said: ChannelChange,
        entropy: &dyn Entropy,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let name = said.name.ok_or_else(|| Error::invalid("name", "is missing: 1 to 100 characters are wanted"))?;
        let mut key = [0; SITE_KEY_BYTES];
        entropy.fill(&mut key);
        Ok(Self {
            id,
            name,
            site_key: URL_SAFE_NO_PAD.encode(key),
            allowed_origins: said.allowed_origins.unwrap_or_default(),
            store_id: said.store_id.flatten(),
            greeting: said.greeting.unwrap_or_default(),
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The channel after the change, one version on; `None` when the change changes nothing.
    pub(crate) fn changed(&self, change: ChannelChange, now: DateTime<Utc>) -> Option<Self> {
        let after = Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            allowed_origins: change.allowed_origins.unwrap_or_else(|| self.allowed_origins.clone()),
            store_id: change.store_id.unwrap_or(self.store_id),
            greeting: change.greeting.unwrap_or_else(|| self.greeting.clone()),
            active: change.active.unwrap_or(self.active),
            ..self.clone()
        };
        (after != *self).then(|| Self { version: self.version + 1, updated_at: now, ..after })
    }

    /// Fails unless a page of this origin may carry the widget. A page that does not say its origin may only where any may.
    pub(crate) fn admit(&self, page_origin: &str) -> Result<(), Error> {
        let listed = || {
            let origin = PageOrigin::parse(page_origin);
            origin.is_ok_and(|origin| self.allowed_origins.contains(&origin))
        };
        if self.allowed_origins.is_empty() || listed() {
            return Ok(());
        }
        let shown = if page_origin.is_empty() { "none".to_owned() } else { format!("`{}`", shorten(page_origin)) };
        Err(Error::new(
            Code::PermissionDenied,
            "ORIGIN_NOT_ALLOWED",
            format!("the page's origin is {shown}: this channel is for pages of other origins"),
        ))
    }
}

/// True for what may be the key of a channel: everything else need not be looked for.
pub(crate) fn is_site_key(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|key| key.len() == SITE_KEY_BYTES)
}

/// What a visitor hears of a channel that is not there, or is switched off.
pub(crate) fn not_found(site_key: &str) -> Error {
    Error::not_found("channel with the site key", site_key)
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    fn channel(origins: &[&str]) -> Channel {
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let said = ChannelStatement { name: Some("Site"), allowed_origins: Some(&origins), ..Default::default() };
        let said = said.check().unwrap();
        Channel::create(uuid::Uuid::nil().into(), said, &SeededEntropy::new(1), DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_key_that_was_drawn_is_told_from_what_is_none() {
        assert!(is_site_key(&channel(&[]).site_key));
        for wrong in ["", "nonsense", "\u{0}", "a+b/cdefghijklmnopqrst", &"x".repeat(10_000)] {
            assert!(!is_site_key(wrong), "{wrong:.30}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host_as_browsers_write_them() {
        for (raw, written) in [
            ("https://shop.example", "https://shop.example"),
            (" HTTPS://Shop.Example:443/ ", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(PageOrigin::parse(raw).unwrap().as_str(), written, "{raw}");
        }
        assert!(PageOrigin::parse("https://магазин.example").unwrap().as_str().starts_with("https://xn--"));
        for wrong in [
            "",
            "shop.example",
            "//shop.example",
            "https://",
            "https://shop.example/path",
            "https://shop.example?q",
            "https://shop.example#f",
            "https://user@shop.example",
            "https://*.shop.example",
            "ftp://shop.example",
            "javascript:alert(1)",
            "null",
            "https://shop example",
        ] {
            assert!(PageOrigin::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_pages_of_the_origins_listed_are_admitted_where_some_are() {
        let listed = channel(&["https://shop.example", "https://shop.example/"]);
        assert_eq!(listed.allowed_origins.len(), 1, "the same twice is once");
        assert!(listed.admit("https://shop.example").is_ok());
        for foreign in
            ["", "null", "http://shop.example", "https://shop.example.evil.example", "https://shop.example:8443"]
        {
            assert_eq!(listed.admit(foreign).unwrap_err().reason, "ORIGIN_NOT_ALLOWED", "{foreign}");
        }
        for any in ["", "null", "https://anything.example"] {
            assert!(channel(&[]).admit(any).is_ok(), "{any}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let origins = vec!["https://ok.example".to_owned(), "nonsense".to_owned()];
        let said = ChannelStatement {
            name: Some(" "),
            allowed_origins: Some(&origins),
            store_id: Some("42"),
            greeting: Some("\u{0}"),
            active: None,
        };
        let fields: Vec<_> = said.check().unwrap_err().violations.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["name", "allowed_origins[1]", "store_id", "greeting"]);
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_the_version() {
        let before = channel(&[]);
        let off = ChannelStatement { active: Some(false), ..Default::default() };
        let after = before.changed(off.clone().check().unwrap(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((after.active, after.version), (false, 2));
        assert_eq!(after.changed(off.check().unwrap(), DateTime::UNIX_EPOCH), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_origin_or_an_error_and_an_origin_reads_as_itself(raw in any::<String>()) {
            if let Ok(origin) = PageOrigin::parse(&raw) {
                prop_assert_eq!(PageOrigin::parse(origin.as_str()), Ok(origin));
            }
        }
    }
}
