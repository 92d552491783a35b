//! Telling the others how a customer's figures have changed.

use std::collections::BTreeSet;

use clientele_kernel::{CustomerId, Partition};
use clientele_platform::postgres::UnitOfWork;

use crate::Error;
use crate::events::publish;
use crate::store::told;

/// Tells of the customers whose figures are others than was last told. While figures are being built again nothing is
/// told, for what they are on the way would have customers leave segments and enter them again; at the end, whatever
/// has become different is.
pub(crate) async fn tell(
    work: &mut UnitOfWork,
    partition: Partition,
    position: i64,
    changed: BTreeSet<CustomerId>,
) -> Result<(), Error> {
    let customers = match told::rebuilding_until(work.conn(), partition).await? {
        Some(until) if position < until => return Ok(()),
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

const AT_ONCE: usize = 1000;
