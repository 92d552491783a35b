//! The clock of a process.

use std::sync::Arc;

use clientele_kernel::{Clock, SystemClock};

/// The machine's clock. In a build for tests, one that `CLIENTELE_TEST_CLOCK` drives.
pub fn clock() -> Arc<dyn Clock> {
    #[cfg(debug_assertions)]
    if let Some(file) = std::env::var_os(driven::VARIABLE) {
        return Arc::new(driven::DrivenClock::new(file.into()));
    }
    Arc::new(SystemClock)
}

/// Time as tests of whole programs want it. No part of a release: whoever sets the clock decides which tokens have ended.
#[cfg(debug_assertions)]
mod driven {
    use std::path::PathBuf;

    use chrono::{DateTime, TimeDelta, Utc};
    use clientele_kernel::{Clock, SystemClock};

    /// Names a file that says by how many seconds the clock is ahead of the machine's.
    pub(super) const VARIABLE: &str = "CLIENTELE_TEST_CLOCK";

    #[derive(Debug)]
    pub(super) struct DrivenClock(PathBuf);

    impl DrivenClock {
        pub(super) fn new(file: PathBuf) -> Self {
            Self(file)
        }
    }

    impl Clock for DrivenClock {
        fn now(&self) -> DateTime<Utc> {
            let ahead = std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok());
            SystemClock.now() + TimeDelta::seconds(ahead.unwrap_or(0))
        }
    }
}
