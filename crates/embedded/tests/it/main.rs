//! The supervisor against the real programs: PostgreSQL and nats-server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod backup;
mod nats;
mod postgres;

use std::time::Duration;

use tempfile::TempDir;

/// How long a condition may take to come true before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn scratch() -> TempDir {
    clientele_embedded::scratch_dir().unwrap()
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "still not after {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
