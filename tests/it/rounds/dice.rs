//! Chance that can be had again: the same seed gives the same throws.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Dice of one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a purpose under a seed. What is thrown for one purpose says nothing of another, and moves nothing in it.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mixed = purpose.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(ChaCha8Rng::seed_from_u64(mixed))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a length fits");
        usize::try_from(self.0.next_u64() % end).expect("it is below a length")
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of several.
    pub(crate) fn of<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }

    /// A time between two, short ones as often as long ones: as many below the geometric mean as above it.
    pub(crate) fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
        Duration::from_secs_f64(least * (most / least).powf(self.part()))
    }

    /// From nothing to almost one.
    pub(crate) fn part(&mut self) -> f64 {
        f64::from(self.number() >> 8) / f64::from(1 << 24)
    }

    /// 32 bits.
    pub(crate) fn number(&mut self) -> u32 {
        self.0.next_u32()
    }
}
