//! Letters that waited when the database was backed up, after it was restored: they may have been sent since. `clientele
//! restored` puts them where no worker claims them; here they become `unknown`, each with an event, and are never sent by
//! themselves. Whoever knows better may release one.

use std::sync::Arc;

use clientele_kernel::{Error, LetterId};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::send::Sending;
use crate::NAME;
use crate::domain::email::Letter;
use crate::domain::ledger::{Settlement, State, reason};
use crate::events::publish;
use crate::store;

const SETTLED_AT_ONCE: i64 = 100;

impl Sending {
    /// Settles letters that a restore held, until it is told to stop.
    pub(crate) async fn settle_held(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match settle_some(&self.db).await {
                Ok(settled) if settled == SETTLED_AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(reason = error.reason, %error, "held letters could not be looked after"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        Ok(())
    }
}

async fn settle_some(db: &Database) -> Result<i64, Error> {
    let mut uow = db.begin(&Caller::service(NAME)).await?;
    let letters = store::ledger::lock_held(uow.conn(), SETTLED_AT_ONCE).await?;
    let count = i64::try_from(letters.len()).unwrap_or(SETTLED_AT_ONCE);
    if count == 0 {
        return Ok(0);
    }
    let now = uow.now();
    let settlement = Settlement {
        state: State::Unknown,
        reason: reason::RESTORED.to_owned(),
        detail: "it waited when the backup was made from which the database was restored: it may have been sent since"
            .to_owned(),
        next_attempt_at: None,
    };
    let settlements = letters.into_iter().map(|letter| (letter, settlement.clone())).collect();
    for settled in store::ledger::settle(uow.conn(), settlements, now).await? {
        uow.record(publish::settled(&settled));
    }
    uow.commit().await?;
    tracing::warn!(count, "letters that waited when the backup was made are not sent by themselves: look at them");
    Ok(count)
}

/// Has a letter sent that a restore held. `FAILED_PRECONDITION` where it is not such a one.
pub(crate) async fn release(db: &Database, wake: &Arc<Notify>, caller: &Caller, id: LetterId) -> Result<Letter, Error> {
    let mut uow = db.begin(caller).await?;
    let letter = store::ledger::lock(uow.conn(), id).await?.ok_or_else(|| Error::not_found("email", id))?;
    if letter.state != State::Unknown || letter.reason != reason::RESTORED {
        return Err(Error::failed_precondition(
            "NOT_HELD",
            format!("only a letter that is unknown with the reason {} can be released", reason::RESTORED),
        ));
    }
    let now = uow.now();
    let settlement =
        Settlement { state: State::Queued, reason: String::new(), detail: String::new(), next_attempt_at: Some(now) };
    let released = store::ledger::settle(uow.conn(), vec![(letter, settlement)], now).await?.remove(0);
    uow.record(publish::settled(&released));
    uow.commit().await?;
    wake.notify_one();
    Ok(released)
}
