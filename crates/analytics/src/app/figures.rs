//! Telling the others how a customer's figures have changed.

use std::collections::BTreeSet;

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
    partition: Partition,
    position: i64,
    changed: BTreeSet<CustomerId>,
) -> Result<(), Error> {
    let customers = match told::rebuilding_until(work.conn(), partition).await? {
        Some(until) if position < until => {
            let changed: Vec<CustomerId> = changed.into_iter().collect();
            return told::await_end(work.conn(), partition, &changed).await;
        }
        Some(_) => {
            told::rebuilt(work.conn(), partition).await?;
            let mut all = changed;
            all.extend(told::of_partition(work.conn(), partition).await?);
            all
        }
        None => changed,
    };
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    // A rebuilt partition may hold a good part of the base.
    for part in customers.chunks(AT_ONCE) {
        let figures = told::figures(work.conn(), part).await?;
        let states = part.iter().map(|customer| publish::figures(*customer, figures.get(customer))).collect::<Vec<_>>();
        for (state, version) in told::note(work.conn(), partition, states).await? {
            work.record(publish::entry(&state, version));
        }
    }
    Ok(())
}

/// Tells what has become different of one partition whose rebuild is over although no event says so: the last ones are
/// parked. Gives the partition; none when there is no such one.
pub(crate) async fn tell_rebuilt(work: &mut UnitOfWork, consumer: &str) -> Result<Option<Partition>, Error> {
    let Some((partition, position)) = told::lock_rebuilt(work.conn(), consumer).await? else { return Ok(None) };
    tell(work, partition, position, BTreeSet::new()).await?;
    Ok(Some(partition))
}

const AT_ONCE: usize = 1000;
