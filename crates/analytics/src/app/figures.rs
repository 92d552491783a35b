//! Telling the others how a customer's figures have changed.

use std::collections::{BTreeMap, BTreeSet};

use clientele_kernel::{CustomerId, Partition};
use clientele_platform::postgres::UnitOfWork;

use crate::Error;
use crate::events::publish;
use crate::store::told;

/// Tells of the customers whose figures are others than was last told. While figures are being built again nothing is
/// told, for what they are on the way would have customers leave segments and enter them again; at the end, whatever
/// has become different is. A customer of whom nothing was ever told is noted on the way: at the end they would not be
/// found otherwise.
pub(crate) async fn tell(
    work: &mut UnitOfWork,
    reached: &BTreeMap<Partition, i64>,
    changed: BTreeSet<CustomerId>,
) -> Result<(), Error> {
    // A customer's own partition counts: an order that goes over to another customer is told of in that one's.
    let mut changed: BTreeMap<CustomerId, Partition> =
        changed.into_iter().map(|customer| (customer, Partition::of(customer.uuid()))).collect();
    let partitions: BTreeSet<Partition> = reached.keys().chain(changed.values()).copied().collect();
    let partitions: Vec<Partition> = partitions.into_iter().collect();
    for (partition, until) in told::rebuilding_until(work.conn(), &partitions).await? {
        if reached.get(&partition).is_none_or(|position| *position < until) {
            let waiting: Vec<CustomerId> =
                changed.extract_if(.., |_, of| *of == partition).map(|(customer, _)| customer).collect();
            told::await_end(work.conn(), partition, &waiting).await?;
        } else {
            told::rebuilt(work.conn(), partition).await?;
            let all = told::of_partition(work.conn(), partition).await?;
            changed.extend(all.into_iter().map(|customer| (customer, partition)));
        }
    }
    let changed: Vec<(CustomerId, Partition)> = changed.into_iter().collect();
    // A rebuilt partition may hold a good part of the base.
    for part in changed.chunks(AT_ONCE) {
        let customers: Vec<CustomerId> = part.iter().map(|(customer, _)| *customer).collect();
        let figures = told::figures(work.conn(), &customers).await?;
        let states = part
            .iter()
            .map(|(customer, partition)| (*partition, publish::figures(*customer, figures.get(customer))))
            .collect();
        for (state, version) in told::note(work.conn(), states).await? {
            work.record(publish::entry(&state, version));
        }
    }
    Ok(())
}

/// Tells what has become different of one partition whose rebuild is over although no event says so: the last ones are
/// parked. Gives the partition; none when there is no such one.
pub(crate) async fn tell_rebuilt(work: &mut UnitOfWork, consumer: &str) -> Result<Option<Partition>, Error> {
    let Some((partition, position)) = told::lock_rebuilt(work.conn(), consumer).await? else { return Ok(None) };
    tell(work, &BTreeMap::from([(partition, position)]), BTreeSet::new()).await?;
    Ok(Some(partition))
}

const AT_ONCE: usize = 1000;
