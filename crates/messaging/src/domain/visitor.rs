//! Visitors of pages that carry the widget: what they prove themselves by, and how much of them is taken.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{ChannelId, Code, Entropy, Error, Violations, VisitorId, text};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::address::Address;
use super::dialog::VisitingCard;

/// How many messages a visitor may write in [`SPAN`].
pub(crate) const MOST_MESSAGES: usize = 20;
/// How many visitors of a channel may become known in [`SPAN`]: far more than any site has, few enough for the database.
pub(crate) const MOST_VISITS: i32 = 600;
/// The time these are counted over.
pub(crate) const SPAN: TimeDelta = TimeDelta::minutes(1);
/// How long a visitor who never wrote is remembered.
pub(crate) const MEMORY: TimeDelta = TimeDelta::days(30);

const LONGEST_NAME: usize = 100;
const RANDOM_BYTES: usize = 32;
/// Tells people and leak scanners what they have found.
const MARK: &str = "clv_";
const LONGEST_SECRET: usize = MARK.len() + RANDOM_BYTES.div_ceil(3) * 4 - 1;

/// A visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) id: VisitorId,
    pub(crate) channel_id: ChannelId,
    pub(crate) secret_hash: SecretHash,
    pub(crate) created_at: DateTime<Utc>,
}

/// The SHA-256 of a secret. A slow hash would add nothing: 256 random bits cannot be guessed from it. Looking one up by an
/// index tells no timing of use to anybody who cannot choose hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecretHash(pub(crate) [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A new secret: 256 random bits, of which the hash alone is kept.
#[derive(Debug)]
pub(crate) struct Secret {
    text: SecretString,
    pub(crate) hash: SecretHash,
}

impl Secret {
    /// Draws a secret.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut random = zeroize::Zeroizing::new([0; RANDOM_BYTES]);
        entropy.fill(random.as_mut());
        let text = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(random.as_slice()));
        let hash = hash(&text);
        Self { text: text.into(), hash }
    }

    /// The secret itself, to be told once.
    pub(crate) fn reveal(&self) -> String {
        self.text.expose_secret().to_owned()
    }
}

/// The hash to look a presented secret up by; `None` for what cannot be a secret.
pub(crate) fn presented(text: &str) -> Option<SecretHash> {
    let body = text.strip_prefix(MARK)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (text.len() == LONGEST_SECRET && body.bytes().all(plain)).then(|| hash(text))
}

fn hash(text: &str) -> SecretHash {
    SecretHash(Sha256::digest(text.as_bytes()).into())
}

/// Reads what a visitor says of themselves, noting what is wrong. Empty fields say nothing.
pub(crate) fn check_card(name: &str, email: &str, violations: &mut Violations) -> VisitingCard {
    let name = violations.or_default(text::line(name, LONGEST_NAME, "name"));
    let email = if email.trim().is_empty() { None } else { violations.take("email", Address::parse(email, "email")) };
    VisitingCard { name, email: email.map(|address| address.as_str().to_owned()).unwrap_or_default() }
}

/// Fails for one message too many. `recent` holds when the visitor's last messages were written, the newest first, at
/// least [`MOST_MESSAGES`] of them where there are as many.
pub(crate) fn admit_message(recent: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), Error> {
    match recent.get(MOST_MESSAGES - 1) {
        Some(oldest) if *oldest + SPAN > now => Err(Error::exhausted(
            "TOO_MANY_MESSAGES",
            format!("more than {MOST_MESSAGES} messages in a minute are not taken: wait a little"),
            wait(*oldest, now),
        )),
        _ => Ok(()),
    }
}

/// Fails for one new visitor too many: `visits` of a channel since `began_at`, this one included.
pub(crate) fn admit_visit(visits: i32, began_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Error> {
    if visits <= MOST_VISITS {
        return Ok(());
    }
    Err(Error::exhausted(
        "TOO_MANY_VISITS",
        format!("more than {MOST_VISITS} new visitors of this channel came within a minute: try again a little later"),
        wait(began_at, now),
    ))
}

/// How long until the span that began then is over.
fn wait(began_at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (began_at + SPAN - now).to_std().unwrap_or_default()
}

/// A secret that proves nothing here.
pub(crate) fn unknown() -> Error {
    Error::new(Code::Unauthenticated, "VISITOR_UNKNOWN", "this visitor is not known here: start a visit first")
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_drawn_secret_is_found_by_its_hash_and_shows_nowhere_when_printed() {
        let entropy = SeededEntropy::new(1);
        let secret = Secret::draw(&entropy);
        assert_eq!(presented(&secret.reveal()), Some(secret.hash));
        assert_ne!(Secret::draw(&entropy).hash, secret.hash);
        assert!(!format!("{secret:?}").contains(&secret.reveal()));
    }

    #[test]
    fn the_twenty_first_message_waits_until_the_first_is_a_minute_old() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        // One every second, the newest first.
        let recent: Vec<_> = (0..20).map(|seconds| now - TimeDelta::seconds(seconds)).collect();
        assert!(admit_message(&recent[..19], now).is_ok());
        let refused = admit_message(&recent, now).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::ResourceExhausted, Some(Duration::from_secs(41))));
        assert!(admit_message(&recent, now + TimeDelta::seconds(40)).is_err());
        assert!(admit_message(&recent, now + TimeDelta::seconds(41)).is_ok());
    }

    #[test]
    fn a_card_takes_empty_fields_and_refuses_wrong_ones_by_name() {
        let mut violations = Violations::new();
        let card = check_card(" Ана ", " ", &mut violations);
        assert_eq!((card.name.as_str(), card.email.as_str()), ("Ана", ""));
        assert!(violations.is_empty());
        check_card(&"x".repeat(101), "ana@nowhere", &mut violations);
        let fields: Vec<_> = violations.into_inner().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["name", "email"]);
    }

    proptest! {
        #[test]
        fn garbage_is_no_secret(text in "\\PC{0,60}") {
            prop_assume!(text.len() != LONGEST_SECRET);
            prop_assert_eq!(presented(&text), None);
        }

        #[test]
        fn however_messages_come_no_minute_sees_more_than_the_limit(gaps in prop::collection::vec(0_i64..8_000, 1..120)) {
            let mut taken: Vec<DateTime<Utc>> = Vec::new();
            let mut now = DateTime::UNIX_EPOCH;
            for gap in gaps {
                now += TimeDelta::milliseconds(gap);
                let recent: Vec<_> = taken.iter().rev().take(MOST_MESSAGES).copied().collect();
                if admit_message(&recent, now).is_ok() {
                    taken.push(now);
                }
            }
            for at in &taken {
                let within = taken.iter().filter(|other| (*at..*at + SPAN).contains(*other)).count();
                prop_assert!(within <= MOST_MESSAGES, "{within} from {at}");
            }
        }
    }
}
