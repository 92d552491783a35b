//! Hashing of passwords: off the threads that serve requests, so many at once and no more, and the same work for a login
//! that exists and one that does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clientele_kernel::{Entropy, Error as KernelError};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::Error;
use crate::domain::password::{self, HashCost, Password, PasswordHash, Salt};

/// Hashes and compares passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    cost: HashCost,
    entropy: Arc<dyn Entropy>,
    /// Hashes that run now.
    running: Arc<Semaphore>,
    /// Hashes that run now or wait for their turn.
    admitted: Arc<Semaphore>,
    /// What a password is compared with when there is no such login. Nobody knows the password it was made from.
    decoy: PasswordHash,
    performed: AtomicU64,
}

impl Passwords {
    /// Makes ready to hash: `concurrency` at once, `queue` more waiting.
    pub(crate) async fn init(
        cost: HashCost,
        concurrency: usize,
        queue: usize,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let unknown = Password::parse_new(password::draw(entropy.as_ref()).expose_secret(), "password")?;
        let salt = Salt::draw(entropy.as_ref());
        let decoy = blocking(move || PasswordHash::make(&unknown, cost, &salt)).await??;
        Ok(Self {
            cost,
            entropy,
            running: Arc::new(Semaphore::new(concurrency)),
            admitted: Arc::new(Semaphore::new(concurrency + queue)),
            decoy,
            performed: AtomicU64::new(0),
        })
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        let (cost, salt) = (self.cost, Salt::draw(self.entropy.as_ref()));
        Ok(self.perform(move || PasswordHash::make(&password, cost, &salt)).await??)
    }

    /// Whether the password is the one that was hashed. Without a hash it never is, and finding that out takes as long.
    pub(crate) async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        Ok(self.perform(move || hash.matches(&password)).await? && known)
    }

    /// What stands for a password where a request is remembered: equal for equal passwords of one request id, and as hard
    /// to guess the password from as its stored hash.
    pub(crate) async fn fingerprint(&self, password: Password, request_id: &str) -> Result<String, Error> {
        let (cost, salt) = (self.cost, Salt::derived(&Sha256::digest(request_id.as_bytes())));
        let hash = self.perform(move || PasswordHash::make(&password, cost, &salt)).await??;
        Ok(hash.to_string())
    }

    /// True when the hash should be made anew with the present parameters.
    pub(crate) fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.is_outdated(self.cost)
    }

    /// How many hashes have been computed.
    #[cfg(test)]
    pub(crate) fn performed(&self) -> u64 {
        self.performed.load(Ordering::Relaxed)
    }

    async fn perform<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        self.performed.fetch_add(1, Ordering::Relaxed);
        // The permits go with the work: a caller who hangs up does not make room before the work has ended.
        blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| KernelError::internal(error).into())
}

#[cfg(test)]
mod tests {
    use clientele_kernel::SeededEntropy;

    use super::*;

    const COST: HashCost = HashCost { memory_kib: 7168, iterations: 5, parallelism: 1 };

    async fn passwords(concurrency: usize, queue: usize) -> Passwords {
        Passwords::init(COST, concurrency, queue, Arc::new(SeededEntropy::new(1))).await.unwrap()
    }

    fn typed(text: &str) -> Password {
        Password::parse(text, "password").unwrap()
    }

    #[tokio::test]
    async fn a_login_that_does_not_exist_costs_one_hash_as_one_that_does() {
        let passwords = passwords(2, 8).await;
        let hash = passwords.hash(typed("correct horse battery")).await.unwrap();
        let before = passwords.performed();
        assert!(passwords.verify(typed("correct horse battery"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(typed("wrong horse battery"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(typed("correct horse battery"), None).await.unwrap());
        assert_eq!(passwords.performed(), before + 3);
    }

    #[tokio::test]
    async fn beyond_the_queue_a_sign_in_is_refused_at_once() {
        let passwords = Arc::new(passwords(1, 1).await);
        let _running = passwords.admitted.clone().acquire_many_owned(2).await.unwrap();
        assert!(matches!(passwords.hash(typed("correct horse battery")).await, Err(Error::Busy)));
    }

    #[tokio::test]
    async fn a_fingerprint_is_equal_for_equal_requests_alone() {
        let passwords = passwords(2, 8).await;
        let first = passwords.fingerprint(typed("correct horse battery"), "r1").await.unwrap();
        assert_eq!(first, passwords.fingerprint(typed("correct horse battery"), "r1").await.unwrap());
        assert_ne!(first, passwords.fingerprint(typed("correct horse batterz"), "r1").await.unwrap());
        assert_ne!(first, passwords.fingerprint(typed("correct horse battery"), "r2").await.unwrap());
    }
}
