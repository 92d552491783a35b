//! Chance that can be repeated: every part of the company has a sequence of its own, so that a change to one leaves the others
//! as they are.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// From which all follows.
const SEED: u64 = 0x71_10_7A_12;

/// A sequence of chance.
pub(super) struct Dice(ChaCha20Rng);

impl Dice {
    /// The sequence of a part.
    pub(super) fn of(part: &str) -> Self {
        let seed = part.bytes().fold(SEED, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: no number is favoured by more than one part in 2^64 / bound.
        u64::try_from((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low.saturating_add_unsigned(self.below(high.saturating_sub(low).unsigned_abs().saturating_add(1)))
    }

    /// True so many times out of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the entries; the default where there are none.
    pub(super) fn pick<T: Copy + Default>(&mut self, entries: &[T]) -> T {
        self.place(entries.len()).and_then(|place| entries.get(place)).copied().unwrap_or_default()
    }

    /// A place in a list of this length; `None` where it is empty.
    pub(super) fn place(&mut self, length: usize) -> Option<usize> {
        (length > 0).then(|| usize::try_from(self.below(length as u64)).unwrap_or(0))
    }

    /// One of the entries, each as likely as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, entries: &[(T, u64)]) -> Option<T> {
        let mut left = self.below(entries.iter().map(|(_, weight)| weight).sum());
        entries.iter().find_map(|(entry, weight)| {
            if left < *weight {
                return Some(*entry);
            }
            left -= weight;
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_throws_the_same_again_and_another_part_something_else() {
        let throws = |part| {
            let mut dice = Dice::of(part);
            (0..50).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throws("sales"), throws("sales"));
        assert_ne!(throws("sales"), throws("people"));
    }

    #[test]
    fn throws_stay_within_their_bounds_and_reach_them() {
        let mut dice = Dice::of("test");
        let throws: Vec<i64> = (0..1000).map(|_| dice.between(-2, 3)).collect();
        assert_eq!((throws.iter().min(), throws.iter().max()), (Some(&-2), Some(&3)));
        let names: Vec<_> =
            (0..1000).filter_map(|_| dice.weighted(&[("often", 9), ("seldom", 1), ("never", 0)])).collect();
        let count = |name| names.iter().filter(|found| **found == name).count();
        assert_eq!((names.len(), count("never")), (1000, 0));
        assert!(count("often") > 800 && count("seldom") > 40);
        assert_eq!((dice.below(0), dice.place(0), dice.weighted::<u8>(&[])), (0, None, None));
    }
}
