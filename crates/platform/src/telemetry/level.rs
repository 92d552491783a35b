//! Levels: what has a value at every moment, and none where nobody knows it. A value that can no longer be read is not
//! shown, rather than shown as it was.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, ObservableGauge};

type Read = Box<dyn Fn() -> f64 + Send + Sync>;

/// A gauge that is read when somebody looks. Cheap to clone.
#[derive(Clone)]
pub struct Level {
    values: Arc<Mutex<HashMap<Vec<KeyValue>, Read>>>,
    /// Ends with the last clone.
    _gauge: ObservableGauge<f64>,
}

impl Level {
    pub(super) fn new(meter: &Meter, name: &'static str, unit: &'static str, description: &'static str) -> Self {
        let values: Arc<Mutex<HashMap<Vec<KeyValue>, Read>>> = Arc::default();
        let seen = values.clone();
        let gauge = meter
            .f64_observable_gauge(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                for (attributes, read) in locked(&seen).iter() {
                    observer.observe(read(), attributes);
                }
            })
            .build();
        Self { values, _gauge: gauge }
    }

    /// It is this from now on.
    pub fn set(&self, attributes: &[KeyValue], value: f64) {
        self.follow(attributes.to_vec(), move || value);
    }

    /// Nobody knows what it is.
    pub fn unset(&self, attributes: &[KeyValue]) {
        locked(&self.values).remove(attributes);
    }

    /// It is what is read whenever somebody looks.
    pub fn follow(&self, attributes: Vec<KeyValue>, read: impl Fn() -> f64 + Send + Sync + 'static) {
        locked(&self.values).insert(attributes, Box::new(read));
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level").finish_non_exhaustive()
    }
}

/// Since when the event is recorded that each worker of a consumer is at, while it is at one.
#[derive(Debug, Default)]
pub(super) struct Behind(Mutex<HashMap<(&'static str, i16), DateTime<Utc>>>);

impl Behind {
    pub(super) fn set(&self, consumer: &'static str, partition: i16, recorded_at: Option<DateTime<Utc>>) {
        let mut places = locked(&self.0);
        match recorded_at {
            Some(moment) => places.insert((consumer, partition), moment),
            None => places.remove(&(consumer, partition)),
        };
    }

    pub(super) fn longest(&self, consumer: &str, now: DateTime<Utc>) -> Duration {
        let places = locked(&self.0);
        let oldest = places.iter().filter(|((name, _), _)| *name == consumer).map(|(_, moment)| *moment).min();
        oldest.and_then(|moment| (now - moment).to_std().ok()).unwrap_or_default()
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
