//! Learning again what others tell, after their journals were restored from backups. Nobody is to leave a segment and
//! enter it again only because it is all told once more: decided is when everything is known.

use clientele_platform::Caller;
use clientele_platform::postgres::UnitOfWork;

use super::App;
use crate::{ANALYTICS_CONSUMER, Error, store};

impl App {
    /// From now on any version of figures is news, and nothing is decided by them until all have been told.
    pub(crate) async fn forget_figures(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        store::segment::lock_rules(work.conn()).await?;
        store::relearn::begin(work.conn(), ANALYTICS_CONSUMER).await
    }

    /// From now on any version of facts is news, and those of all customers are asked for. Whoever turns out not to exist
    /// any more is forgotten then.
    pub(crate) async fn forget_facts(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        store::segment::lock_rules(work.conn()).await?;
        let now = work.now();
        store::relearn::want_all_facts(work.conn(), now).await
    }

    /// Decides by figures that have been told once more, as soon as all have been. True when there was something to do.
    pub(crate) async fn settle_relearned(&self) -> Result<bool, Error> {
        if !store::relearn::is_over(self.db.pool(), ANALYTICS_CONSUMER).await? {
            return Ok(false);
        }
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        store::segment::lock_rules(work.conn()).await?;
        // Asked again with the lock in hand: another replica may have been faster.
        if !store::relearn::end(work.conn(), ANALYTICS_CONSUMER).await? {
            return Ok(false);
        }
        for view in store::segment::active(work.conn()).await? {
            store::segment::start_build(work.conn(), view.segment.id).await?;
        }
        store::segment::raise_rules(work.conn()).await?;
        work.commit().await?;
        tracing::info!("all figures have been told once more: the members of all segments are found anew");
        Ok(true)
    }
}
