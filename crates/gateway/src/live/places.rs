//! How many streams there may be: in all, for each caller, and of visitors, who may be any number.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_kernel::Error;
use clientele_platform::telemetry::Metrics;
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
    /// A quarter stays free of visitors, so that they cannot keep colleagues from their work.
    most_visitors: usize,
    open: UpDownCounter<i64>,
    metrics: Metrics,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    visitors: usize,
    by: HashMap<Holder, usize>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    holder: Holder,
}

impl Places {
    pub(crate) fn new(most: NonZeroU16, metrics: &Metrics) -> Self {
        let open = metrics
            .meter()
            .i64_up_down_counter("clientele.streams.open")
            .with_unit("{stream}")
            .with_description("live streams that are open")
            .build();
        open.add(0, &[]);
        let most = usize::from(most.get());
        Self { most, most_visitors: most - most / 4, open, metrics: metrics.clone(), taken: Arc::default() }
    }

    /// A place for a holder that may have `most`.
    pub(crate) fn take(&self, holder: Holder, most: NonZeroU16) -> Result<Place, Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let visitor = matches!(holder, Holder::Address(_));
        if taken.all >= self.most || (visitor && taken.visitors >= self.most_visitors) {
            self.metrics.shed("streams", 1);
            return Err(Error::unavailable("too many streams are open at once; try again").with_reason("OVERLOADED"));
        }
        let held = taken.by.entry(holder.clone()).or_default();
        if *held >= usize::from(most.get()) {
            let message = format!("you have {held} streams open already; close one of them");
            return Err(Error::exhausted("TOO_MANY_STREAMS", message, RETRY));
        }
        *held += 1;
        taken.all += 1;
        taken.visitors += usize::from(visitor);
        self.open.add(1, &[]);
        Ok(Place { places: self.clone(), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        taken.visitors -= usize::from(matches!(self.holder, Holder::Address(_)));
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
        let places = Places::new(n(3), &Metrics::unread());
        let take = |name: u8| places.take(Holder::Credential([name; 32]), n(2));
        let (first, _second) = (take(1).unwrap(), take(1).unwrap());
        assert_eq!(take(1).unwrap_err().reason, "TOO_MANY_STREAMS");
        let _third = take(2).unwrap();
        assert_eq!(take(3).unwrap_err().reason, "OVERLOADED");
        drop(first);
        assert!(take(1).is_ok());
        assert_eq!(places.taken.lock().unwrap().by.len(), 2);
    }

    #[test]
    fn visitors_leave_a_quarter_of_the_places_to_colleagues() {
        let n = |n| NonZeroU16::new(n).unwrap();
        let places = Places::new(n(8), &Metrics::unread());
        let visit = |last: u8| places.take(Holder::Address(IpAddr::from([192, 0, 2, last])), n(2));
        let mut visits: Vec<_> = (0..6).map(|last| visit(last).unwrap()).collect();
        assert_eq!(visit(6).unwrap_err().reason, "OVERLOADED");
        let colleague = |name: u8| places.take(Holder::Credential([name; 32]), n(2));
        let work: Vec<_> = (0..2).map(|name| colleague(name).unwrap()).collect();
        assert_eq!(colleague(2).unwrap_err().reason, "OVERLOADED");

        // A place that a visitor gives back may be a colleague's, and what colleagues hold is not counted as visitors'.
        visits.pop();
        let _third = colleague(2).unwrap();
        assert_eq!(visit(6).unwrap_err().reason, "OVERLOADED");
        drop(work);
        assert!(visit(6).is_ok());
        assert!(
            Places::new(n(1), &Metrics::unread()).take(Holder::Address(IpAddr::from([192, 0, 2, 1])), n(1)).is_ok()
        );
    }
}
