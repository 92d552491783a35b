//! Building projections again from the first event.

use std::time::Duration;

use chrono_tz::Tz;
use clientele_kernel::Error as KernelError;
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Backoff, Caller};
use tokio_util::sync::CancellationToken;

use super::figures;
use crate::store::{rebuild, told};
use crate::{CAMPAIGNS, CAMPAIGNS_CONSUMER, CUSTOMERS, CUSTOMERS_CONSUMER, MESSAGING, MESSAGING_CONSUMER};
use crate::{Error, ORDERS_CONSUMER};

/// The names of what goes on in the background.
pub(crate) const ZONE_TASK: &str = "report zone";
pub(crate) const REBUILT_TASK: &str = "rebuilt figures";
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Rebuilds that are over are looked for this often: at most one row for each partition is read.
const LOOK: Duration = Duration::from_secs(2);

/// Clears what the consumer has built and has it begin again at the first event. Reads go on: they see what was there
/// until this commits, and then figures that grow with the events, with the moment they are of.
pub(crate) async fn rebuild(db: &Database, caller: &Caller, consumer: &str) -> Result<(), Error> {
    let mut work = db.begin(caller).await?;
    clear(&mut work, consumer).await?;
    work.commit().await?;
    tracing::info!(consumer, "a projection is built again from the first event");
    Ok(())
}

async fn clear(work: &mut UnitOfWork, consumer: &str) -> Result<(), Error> {
    match consumer {
        ORDERS_CONSUMER => {
            rebuild::lock(work.conn(), consumer).await?;
            told::rebuild(work.conn(), consumer).await?;
            rebuild::reset(work.conn(), consumer).await?;
            rebuild::clear_orders(work.conn()).await
        }
        CUSTOMERS_CONSUMER => clear_timeline(work, consumer, CUSTOMERS).await,
        MESSAGING_CONSUMER => clear_timeline(work, consumer, MESSAGING).await,
        CAMPAIGNS_CONSUMER => clear_timeline(work, consumer, CAMPAIGNS).await,
        other => {
            let shown = clientele_kernel::error::shorten(other);
            let names = format!(
                "`{shown}` does not exist: there are {ORDERS_CONSUMER}, {CUSTOMERS_CONSUMER}, {MESSAGING_CONSUMER}, \
                 {CAMPAIGNS_CONSUMER}"
            );
            Err(KernelError::invalid("consumer", names).into())
        }
    }
}

async fn clear_timeline(work: &mut UnitOfWork, consumer: &str, source: &str) -> Result<(), Error> {
    rebuild::lock(work.conn(), consumer).await?;
    rebuild::reset(work.conn(), consumer).await?;
    rebuild::clear_timeline(work.conn(), source).await
}

/// Clears what was built of the journal of orders, which was restored from a backup and is about to be read again. What is
/// different at its end is told then.
pub(crate) async fn forget_orders(work: &mut UnitOfWork) -> Result<(), Error> {
    told::rebuild_anew(work.conn(), ORDERS_CONSUMER).await?;
    rebuild::clear_orders(work.conn()).await
}

/// Clears what a source has told the timeline, for its journal was restored and is about to be read again.
pub(crate) async fn forget_timeline(work: &mut UnitOfWork, source: &str) -> Result<(), Error> {
    rebuild::clear_timeline(work.conn(), source).await
}

/// Sees to it that months are counted in the zone: what was counted in another is thrown away and built again. What is
/// applied meanwhile goes the same way, so it need not wait for this.
pub(crate) async fn settle_zone(db: &Database, zone: Tz) -> Result<(), Error> {
    let mut work = db.begin(&Caller::service(crate::NAME)).await?;
    let before = rebuild::swap_zone(work.conn(), zone.name()).await?;
    let stale = match &before {
        Some(before) => before != zone.name(),
        // The first start: only an earlier one that ended before it came to this can have left anything.
        None => rebuild::has_counted(work.conn()).await?,
    };
    // Figures kept since before anybody was told of them are counted again, and told.
    let untold = told::never(work.conn()).await?;
    if untold {
        rebuild::lock(work.conn(), ORDERS_CONSUMER).await?;
        rebuild::reset(work.conn(), ORDERS_CONSUMER).await?;
        rebuild::clear_orders(work.conn()).await?;
        tracing::info!("nobody has been told of the figures yet: they are built again");
    } else if stale {
        clear(&mut work, ORDERS_CONSUMER).await?;
        tracing::info!(before, now = zone.name(), "months are counted in another time zone: figures are built again");
    }
    work.commit().await?;
    Ok(())
}

/// Settles the zone as soon as the database is there.
pub(crate) async fn keep_zone(db: Database, zone: Tz, stop: CancellationToken) -> Result<(), KernelError> {
    let mut backoff = Backoff::new(SHORTEST_RETRY, LONGEST_RETRY);
    while let Err(error) = settle_zone(&db, zone).await {
        db.metrics().task_failed(db.context(), ZONE_TASK);
        tracing::warn!(%error, "the reports' time zone could not be settled; trying again");
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = backoff.pause() => {}
        }
    }
    Ok(())
}

/// Brings rebuilds to their end that no event brings there: where the last events of a partition are parked, nothing else
/// may come for days, and the figures would be told to nobody until then.
pub(crate) async fn keep_rebuilt(db: Database, stop: CancellationToken) -> Result<(), KernelError> {
    loop {
        match settle_rebuilt(&db).await {
            // There may be another one.
            Ok(true) if !stop.is_cancelled() => continue,
            Ok(_) => {}
            Err(error) => {
                db.metrics().task_failed(db.context(), REBUILT_TASK);
                tracing::warn!(%error, "rebuilt figures could not be told; trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Whether there was a rebuild to bring to its end.
async fn settle_rebuilt(db: &Database) -> Result<bool, Error> {
    let mut work = db.begin(&Caller::service(crate::NAME)).await?;
    let Some(partition) = figures::tell_rebuilt(&mut work, ORDERS_CONSUMER).await? else { return Ok(false) };
    work.commit().await?;
    tracing::info!(partition = partition.number(), "figures are built again although events at the end are parked");
    Ok(true)
}
