//! Passwords: what makes one, and how it is hashed (Argon2id, parameters after OWASP's password storage cheat sheet).

use std::fmt;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use clientele_kernel::{Entropy, Error};
use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

const SHORTEST: usize = 12;
const LONGEST: usize = 256;
const SALT_BYTES: usize = 16;

/// How much work a hash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashCost {
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// How many times the memory is passed over.
    pub(crate) iterations: u32,
    /// Lanes.
    pub(crate) parallelism: u32,
}

impl HashCost {
    /// The weakest memory OWASP lists, and the work of its weakest combination (7 MiB, five passes).
    const LEAST_MEMORY_KIB: u32 = 7 * 1024;
    const LEAST_WORK: u64 = 5 * 7 * 1024;
    /// One hash must not take the machine.
    const MOST_MEMORY_KIB: u32 = 1024 * 1024;
    const MOST_ITERATIONS: u32 = 50;
    const MOST_PARALLELISM: u32 = 16;

    /// Refuses what is too weak to protect a stolen table, and what would take the machine.
    pub(crate) fn validate(self) -> Result<Self, Error> {
        let Self { memory_kib, iterations, parallelism } = self;
        let in_range = (Self::LEAST_MEMORY_KIB..=Self::MOST_MEMORY_KIB).contains(&memory_kib)
            && (1..=Self::MOST_ITERATIONS).contains(&iterations)
            && (1..=Self::MOST_PARALLELISM).contains(&parallelism);
        let work = u64::from(memory_kib) * u64::from(iterations);
        if in_range && work >= Self::LEAST_WORK {
            return Ok(self);
        }
        Err(Error::invalid(
            "identity.password_memory_kib",
            format!(
                "memory_kib {memory_kib}, iterations {iterations}, parallelism {parallelism} are out of bounds: \
                 {} to {} KiB, 1 to {} iterations, 1 to {} lanes, and memory times iterations at least {}",
                Self::LEAST_MEMORY_KIB,
                Self::MOST_MEMORY_KIB,
                Self::MOST_ITERATIONS,
                Self::MOST_PARALLELISM,
                Self::LEAST_WORK,
            ),
        ))
    }

    fn hasher(self) -> Result<Argon2<'static>, Error> {
        let params = Params::new(self.memory_kib, self.iterations, self.parallelism, None).map_err(Error::internal)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// A password somebody typed. Normalised (NFKC), as the same password typed on another keyboard may come in other code
/// points (NIST SP 800-63B, 3.1.1.2).
#[derive(Clone)]
pub(crate) struct Password(SecretString);

impl Password {
    /// Reads a password to set: 12 to 256 characters.
    pub(crate) fn parse_new(text: &str, field: &str) -> Result<Self, Error> {
        let password = Self::parse(text, field)?;
        let count = password.0.expose_secret().chars().count();
        if (SHORTEST..=LONGEST).contains(&count) {
            return Ok(password);
        }
        Err(Error::invalid(field, format!("has {count} characters: {SHORTEST} to {LONGEST} are wanted")))
    }

    /// Reads a password to compare. Only the length is bounded: a wrong one is to look like any other wrong one.
    pub(crate) fn parse(text: &str, field: &str) -> Result<Self, Error> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(Error::invalid(field, format!("has more than {LONGEST} characters")));
        }
        Ok(Self(text.nfkc().collect::<String>().into()))
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A hash in PHC form; it names the parameters it was made with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash(Phc);

impl PasswordHash {
    /// Hashes a password. Takes tens of milliseconds and as much memory as `cost` says.
    pub(crate) fn make(password: &Password, cost: HashCost, salt: &Salt) -> Result<Self, Error> {
        let hash = cost.hasher()?.hash_password_with_salt(password.bytes(), &salt.0).map_err(Error::internal)?;
        Ok(Self(hash))
    }

    /// Reads a stored hash; `None` for one that is no Argon2 hash in PHC form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Phc::new(text).ok().filter(|hash| Params::try_from(hash).is_ok()).map(Self)
    }

    /// Whether the password is the one that was hashed. Takes as long as making the hash took.
    pub(crate) fn matches(&self, password: &Password) -> bool {
        Argon2::default().verify_password(password.bytes(), &self.0).is_ok()
    }

    /// True when the hash was made with other parameters than those wanted now.
    pub(crate) fn is_outdated(&self, cost: HashCost) -> bool {
        Params::try_from(&self.0).map_or(true, |params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) != (cost.memory_kib, cost.iterations, cost.parallelism)
        })
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Random bytes that make equal passwords hash differently.
pub(crate) struct Salt([u8; SALT_BYTES]);

impl Salt {
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt);
        Self(salt)
    }

    /// The salt that follows from a digest: for hashes that must be equal for equal passwords.
    pub(crate) fn derived(digest: &[u8]) -> Self {
        let mut salt = [0; SALT_BYTES];
        salt.iter_mut().zip(digest).for_each(|(byte, from)| *byte = *from);
        Self(salt)
    }
}

/// Draws a password for people to type: 24 of 32 characters that are not mistaken for one another, 120 bits.
pub(crate) fn draw(entropy: &dyn Entropy) -> SecretString {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = zeroize::Zeroizing::new([0; 24]);
    entropy.fill(random.as_mut());
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    const COST: HashCost = HashCost { memory_kib: 7168, iterations: 5, parallelism: 1 };

    fn hash(text: &str) -> PasswordHash {
        let password = Password::parse_new(text, "password").unwrap();
        PasswordHash::make(&password, COST, &Salt::draw(&SeededEntropy::new(1))).unwrap()
    }

    #[test]
    fn a_password_matches_its_own_hash_alone() {
        let hash = PasswordHash::parse(&hash("correct horse battery").to_string()).unwrap();
        assert!(hash.matches(&Password::parse("correct horse battery", "p").unwrap()));
        assert!(!hash.matches(&Password::parse("correct horse batterY", "p").unwrap()));
        assert!(!hash.matches(&Password::parse("", "p").unwrap()));
    }

    #[test]
    fn the_same_password_typed_in_other_code_points_matches() {
        let hash = hash("contrase\u{f1}a segura");
        assert!(hash.matches(&Password::parse("contrasen\u{303}a segura", "p").unwrap()));
    }

    #[test]
    fn a_new_password_has_twelve_to_two_hundred_and_fifty_six_characters() {
        for (length, accepted) in [(0, false), (11, false), (12, true), (256, true), (257, false)] {
            assert_eq!(Password::parse_new(&"ñ".repeat(length), "password").is_ok(), accepted, "{length}");
        }
    }

    #[test]
    fn a_hash_is_outdated_when_the_cost_changes() {
        let hash = hash("correct horse battery");
        assert!(!hash.is_outdated(COST));
        assert!(hash.is_outdated(HashCost { iterations: 6, ..COST }));
    }

    #[test]
    fn a_cost_below_the_floor_or_beyond_the_machine_is_refused() {
        assert!(COST.validate().is_ok());
        assert!(HashCost { memory_kib: 19_456, iterations: 2, parallelism: 1 }.validate().is_ok());
        for (memory_kib, iterations, parallelism) in
            [(7168, 4, 1), (1024, 50, 1), (0, 0, 0), (u32::MAX, 1, 1), (19_456, u32::MAX, 1), (19_456, 2, 0)]
        {
            assert!(HashCost { memory_kib, iterations, parallelism }.validate().is_err(), "{memory_kib} {iterations}");
        }
    }

    #[test]
    fn a_drawn_password_is_one_that_may_be_set() {
        let drawn = draw(&SeededEntropy::new(3));
        assert!(Password::parse_new(drawn.expose_secret(), "password").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_read_as_a_stored_hash_is_a_panic(text in "\\PC{0,200}") {
            prop_assert!(PasswordHash::parse(&text).is_none());
        }
    }
}
