//! Background work: signing keys rotate in time, and what has ended is cleared away.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::{Entropy, Error as KernelError};
use clientele_platform::postgres::Database;
use tokio_util::sync::CancellationToken;

use super::token::SigningKeys;
use crate::bootstrap::bootstrap_from_configuration;
use crate::{Config, Error, store};

/// Its name among the tasks of the service.
pub(crate) const TASK: &str = "housekeeping";
const PERIOD: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_secs(2);
const BATCH: i64 = 1000;

/// Looks after signing keys and what has ended. None of it needs one replica alone.
pub(crate) struct Housekeeping {
    db: Database,
    entropy: Arc<dyn Entropy>,
    keys: Arc<SigningKeys>,
    rotation: TimeDelta,
    config: Config,
    begun: bool,
}

impl Housekeeping {
    pub(crate) fn new(
        db: Database,
        entropy: Arc<dyn Entropy>,
        keys: Arc<SigningKeys>,
        rotation: TimeDelta,
        config: Config,
    ) -> Self {
        Self { db, entropy, keys, rotation, config, begun: false }
    }

    /// Does what must be done once, as far as the database is there; what cannot be mended by waiting is an error.
    pub(crate) async fn begin(&mut self) -> Result<(), KernelError> {
        match self.round().await.map_err(KernelError::from) {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the database is not there yet; trying again");
                Ok(())
            }
            other => other,
        }
    }

    /// Works until told to stop. A failure is logged and tried again in a moment.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), KernelError> {
        let mut pause = if self.begun { PERIOD } else { RETRY };
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.round().await {
                Ok(()) => PERIOD,
                Err(error) => {
                    self.db.metrics().task_failed(self.db.context(), TASK);
                    tracing::warn!(%error, "keys and sessions could not be looked after; trying again");
                    RETRY
                }
            };
        }
    }

    async fn round(&mut self) -> Result<(), Error> {
        if !self.begun {
            bootstrap_from_configuration(&self.db, self.entropy.as_ref(), &self.config).await?;
        }
        self.keys.rotate_if_due(self.rotation).await?;
        self.begun = true;
        clear(&self.db).await
    }
}

/// Clears away ended sessions and forgotten failures, batch by batch.
async fn clear(db: &Database) -> Result<(), Error> {
    let now = db.clock().now();
    while store::session::delete_ended(db.pool(), now, BATCH).await? == BATCH.unsigned_abs() {}
    while store::throttle::delete_forgotten(db.pool(), now, BATCH).await? == BATCH.unsigned_abs() {}
    Ok(())
}
