//! Partitions of a journal: what belongs to one customer is in one of them, in order.

use uuid::Uuid;

/// How many partitions every journal has. Fixed: cursors and subjects are made of it.
pub const PARTITIONS: i16 = 32;

/// A partition of a journal, 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(i16);

impl Partition {
    /// The partition of a customer, or of an aggregate that belongs to none. FNV-1a over the sixteen bytes: stable for
    /// ever, and even although the ids begin with the time.
    pub fn of(id: Uuid) -> Self {
        let hash = id
            .as_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let folded = (hash ^ (hash >> 32)) % u64::from(PARTITIONS.unsigned_abs());
        Self(i16::try_from(folded).expect("a remainder of 32 fits"))
    }

    /// The partition of this number; `None` outside 0 to 31.
    pub fn try_new(number: i64) -> Option<Self> {
        i16::try_from(number).ok().filter(|n| (0..PARTITIONS).contains(n)).map(Self)
    }

    /// All partitions.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// Its number.
    pub const fn number(self) -> i16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Ids, SeededEntropy, SystemClock};

    #[test]
    fn ids_made_one_after_the_other_spread_evenly() {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SeededEntropy::new(7)));
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..32_000 {
            *counts.entry(Partition::of(ids.next()).number()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 32);
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_partition_of_an_id_never_changes() {
        let id = Uuid::from_u128(0x0193_a1f0_1234_7abc_8def_0123_4567_89ab);
        assert_eq!(Partition::of(id), Partition::of(id));
        assert_eq!(Partition::of(Uuid::from_u128(0)).number(), 28);
    }
}
