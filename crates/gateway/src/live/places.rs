//! How many streams there may be: in all, and for each caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_kernel::Error;
use opentelemetry::global;
use opentelemetry::metrics::UpDownCounter;

use crate::auth::Fingerprint;

/// Whoever finds no place may come back after this.
const RETRY: Duration = Duration::from_secs(10);

/// Whose stream it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// A session or API key, by the fingerprint of its secret.
    Credential(Fingerprint),
    /// A visitor's address.
    Address(IpAddr),
}

/// The places for streams.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    most: usize,
    open: UpDownCounter<i64>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    holder: Holder,
}

impl Places {
    pub(crate) fn new(most: NonZeroU16) -> Self {
        let open = global::meter("clientele")
            .i64_up_down_counter("http.server.streams")
            .with_description("live streams that are open")
            .build();
        Self { most: most.get().into(), open, taken: Arc::default() }
    }

    /// A place for a holder that may have `most`.
    pub(crate) fn take(&self, holder: Holder, most: NonZeroU16) -> Result<Place, Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return Err(Error::unavailable("too many streams are open at once; try again").with_reason("OVERLOADED"));
        }
        let held = taken.by.entry(holder.clone()).or_default();
        if *held >= usize::from(most.get()) {
            let message = format!("you have {held} streams open already; close one of them");
            return Err(Error::exhausted("TOO_MANY_STREAMS", message, RETRY));
        }
        *held += 1;
        taken.all += 1;
        self.open.add(1, &[]);
        Ok(Place { places: self.clone(), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        self.places.open.add(-1, &[]);
        if let Some(held) = taken.by.get_mut(&self.holder) {
            *held -= 1;
            if *held == 0 {
                taken.by.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_each_and_for_all_and_given_back() {
        let n = |n| NonZeroU16::new(n).unwrap();
        let places = Places::new(n(3));
        let take = |name: u8| places.take(Holder::Credential([name; 32]), n(2));
        let (first, _second) = (take(1).unwrap(), take(1).unwrap());
        assert_eq!(take(1).unwrap_err().reason, "TOO_MANY_STREAMS");
        let _third = take(2).unwrap();
        assert_eq!(take(3).unwrap_err().reason, "OVERLOADED");
        drop(first);
        assert!(take(1).is_ok());
        assert_eq!(places.taken.lock().unwrap().by.len(), 2);
    }
}
