//! How long to wait before something that failed is tried again: twice as long each time, up to a limit, and never quite
//! as long as somebody else waits, so that what failed together does not come back together.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The pauses between the attempts at one thing, for `backon::Retryable`: doubling from the shortest to the longest,
/// without end, and each anything between its half and its whole.
pub fn pauses(shortest: Duration, longest: Duration) -> ExponentialBuilder {
    // What is drawn for a pause comes on top of it, and is at most as long again.
    ExponentialBuilder::default()
        .with_min_delay(shortest / 2)
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
}

/// The pauses of work that goes on and on: they grow while it fails, and begin anew when it does not.
#[derive(Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    pauses: ExponentialBackoff,
}

impl Backoff {
    /// Pauses from the shortest to the longest.
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, pauses: pauses(shortest, longest).build() }
    }

    /// How long to wait after one more failure.
    pub fn grow(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.longest)
    }

    /// Waits after one more failure.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.grow()).await;
    }

    /// It went well: the next failure is a first one.
    pub fn reset(&mut self) {
        self.pauses = pauses(self.shortest, self.longest).build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    #[test]
    fn pauses_double_up_to_the_longest_and_never_end() {
        let mut backoff = Backoff::new(SHORTEST, LONGEST);
        for whole in [100, 200, 400, 800, 1600, 2000, 2000].map(Duration::from_millis) {
            let pause = backoff.grow();
            assert!((whole / 2..=whole).contains(&pause), "{pause:?} is not about {whole:?}");
        }
        for _ in 0..1000 {
            assert!((LONGEST / 2..=LONGEST).contains(&backoff.grow()));
        }
    }

    #[test]
    fn after_a_success_the_shortest_pause_comes_again() {
        let mut backoff = Backoff::new(SHORTEST, LONGEST);
        for _ in 0..5 {
            backoff.grow();
        }
        backoff.reset();
        assert!(backoff.grow() <= SHORTEST);
    }

    #[test]
    fn those_who_fail_together_do_not_come_back_together() {
        let (mut one, mut other) = (Backoff::new(SHORTEST, LONGEST), Backoff::new(SHORTEST, LONGEST));
        let pauses = |backoff: &mut Backoff| (0..20).map(|_| backoff.grow()).collect::<Vec<_>>();
        assert_ne!(pauses(&mut one), pauses(&mut other));
    }
}
