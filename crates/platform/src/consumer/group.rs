//! What the workers of a consumer have at the same moment, applied in one transaction. A transaction costs more than most
//! events do: where much happens, what has come in for all partitions while the last one ran goes into the next.

use std::collections::HashMap;
use std::sync::Arc;

use clientele_contracts::platform::v1::Event;
use clientele_kernel::Partition;

use super::Consumer;
use super::apply::{self, Batch, Failure, Place};
use crate::postgres::Database;
use crate::together::{Together, together};

/// The events that follow a place, as a worker hands them in.
struct Handed {
    place: Place,
    events: Arc<[Event]>,
}

/// Where workers hand in events.
#[derive(Clone)]
pub(super) struct Group(Together<Handed, Option<Result<(), Failure>>>);

/// Where the workers of a consumer hand in what they have, and what applies it until there are no more of them.
pub(super) fn group(db: Database, consumer: Consumer) -> (Group, impl Future<Output = ()> + Send) {
    let most = Partition::all().count();
    let (group, gathered) = together(most);
    let work = async move {
        let apply = |handed| apply_together(db.clone(), consumer.clone(), handed);
        gathered.work(most, apply).await;
    };
    (Group(group), work)
}

impl Group {
    /// Applies the events that follow the place, with those of others. None where that was tried in vain and the worker is to
    /// try it alone: another's events may have stood in the way.
    pub(super) async fn apply(&self, place: Place, events: Arc<[Event]>) -> Option<Result<(), Failure>> {
        self.0.ask(Handed { place, events }).await.flatten()
    }
}

async fn apply_together(db: Database, consumer: Consumer, handed: Vec<Handed>) -> Vec<Option<Result<(), Failure>>> {
    let batches: Vec<Batch<'_>> =
        handed.iter().map(|Handed { place, events }| Batch { place: *place, events: events.as_ref() }).collect();
    let tried_in_vain = || handed.iter().map(|_| None).collect();
    if apart(&batches) {
        return tried_in_vain();
    }
    match apply::apply(&db, &consumer, &batches).await {
        Ok(()) => handed.iter().map(|_| Some(Ok(()))).collect(),
        Err(failure) if handed.len() == 1 => vec![Some(Err(failure))],
        Err(failure) => {
            tracing::debug!(
                consumer = consumer.name,
                ?failure,
                "events were not applied together: trying each partition's"
            );
            tried_in_vain()
        }
    }
}

/// Whether an aggregate has events in more than one of them: it got its customer late, and which come first is not known. A
/// partition may come twice where its worker has just ended: that is for the cursor to decide.
fn apart(batches: &[Batch<'_>]) -> bool {
    let mut partitions: HashMap<&str, Partition> = HashMap::new();
    let mut seen = Vec::with_capacity(batches.len());
    for Batch { place, events } in batches {
        if seen.contains(&place.partition) {
            return true;
        }
        seen.push(place.partition);
        for event in *events {
            if *partitions.entry(&event.aggregate_id).or_insert(place.partition) != place.partition {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i64) -> Place {
        Place { partition: Partition::try_new(partition).unwrap(), epoch: 1, position: 0, incarnation: None }
    }

    fn event(aggregate: &str) -> Event {
        Event { aggregate_id: aggregate.to_owned(), ..Event::default() }
    }

    #[test]
    fn what_concerns_one_aggregate_in_two_partitions_is_applied_apart() {
        let (one, two) = ([event("a"), event("b"), event("a")], [event("c")]);
        let of = |partition, events| Batch { place: place(partition), events };
        assert!(!apart(&[of(1, &one), of(2, &two)]));
        assert!(apart(&[of(1, &one), of(2, &[event("b")])]));
    }

    #[test]
    fn a_partition_that_comes_twice_is_applied_apart() {
        let (one, two) = ([event("a")], [event("b")]);
        let of = |partition, events| Batch { place: place(partition), events };
        assert!(apart(&[of(1, &one), of(1, &two)]));
    }
}
