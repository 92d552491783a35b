//! Time, injected: what reads the present moment takes a [`Clock`], so that a test can drive it.

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the present moment.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment, cut to microseconds: what PostgreSQL keeps, so that a moment read back equals the one written.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
