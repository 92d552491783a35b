//! Secrets that programs and browsers carry: 256 random bits, of which we keep the hash alone.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_kernel::Entropy;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const RANDOM_BYTES: usize = 32;
const MARK_LENGTH: usize = 4;
const TEXT_LENGTH: usize = MARK_LENGTH + RANDOM_BYTES.div_ceil(3) * 4 - 1;
const SHOWN: usize = 12;

/// What a secret proves. The mark at its beginning tells people and leak scanners what they have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretKind {
    Session,
    ApiKey,
}

impl SecretKind {
    const fn mark(self) -> &'static str {
        match self {
            Self::Session => "cls_",
            Self::ApiKey => "clk_",
        }
    }
}

/// The SHA-256 of a secret. A slow hash would add nothing: 256 random bits cannot be guessed from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecretHash(pub(crate) [u8; 32]);

impl SecretHash {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A new secret.
#[derive(Debug)]
pub(crate) struct Secret {
    text: SecretString,
    pub(crate) hash: SecretHash,
}

impl Secret {
    /// Draws a secret.
    pub(crate) fn draw(kind: SecretKind, entropy: &dyn Entropy) -> Self {
        let mut random = zeroize::Zeroizing::new([0; RANDOM_BYTES]);
        entropy.fill(random.as_mut());
        let text = format!("{}{}", kind.mark(), URL_SAFE_NO_PAD.encode(random.as_slice()));
        let hash = hash(&text);
        Self { text: text.into(), hash }
    }

    /// The secret itself, to be told once.
    pub(crate) fn reveal(&self) -> String {
        self.text.expose_secret().to_owned()
    }

    /// Its first characters, to tell secrets apart.
    pub(crate) fn prefix(&self) -> String {
        self.text.expose_secret().chars().take(SHOWN).collect()
    }
}

/// The hash to look a presented secret up by; `None` for what cannot be a secret of this kind.
pub(crate) fn presented(text: &str, kind: SecretKind) -> Option<SecretHash> {
    let body = text.strip_prefix(kind.mark())?;
    let well_formed =
        text.len() == TEXT_LENGTH && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    well_formed.then(|| hash(text))
}

fn hash(text: &str) -> SecretHash {
    SecretHash(Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_drawn_secret_is_found_by_its_hash_and_only_as_its_kind() {
        let entropy = SeededEntropy::new(1);
        let secret = Secret::draw(SecretKind::ApiKey, &entropy);
        assert_eq!(presented(&secret.reveal(), SecretKind::ApiKey), Some(secret.hash));
        assert_eq!(presented(&secret.reveal(), SecretKind::Session), None);
        assert!(secret.reveal().starts_with(&secret.prefix()));
        assert_eq!(secret.prefix().len(), 12);
        assert_ne!(Secret::draw(SecretKind::ApiKey, &entropy).hash, secret.hash);
    }

    #[test]
    fn a_secret_shows_nowhere_when_printed() {
        let secret = Secret::draw(SecretKind::Session, &SeededEntropy::new(2));
        assert!(!format!("{secret:?}").contains(&secret.reveal()));
    }

    proptest! {
        #[test]
        fn garbage_is_no_secret(text in "\\PC{0,60}") {
            prop_assume!(text.len() != TEXT_LENGTH);
            prop_assert_eq!(presented(&text, SecretKind::Session), None);
        }
    }
}
