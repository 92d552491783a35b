//! Learning again what others tell, after their journals were restored from backups. Nobody is to leave a segment and
//! enter it again only because it is all told once more: decided is when everything is known.

use clientele_platform::Caller;
use clientele_platform::postgres::UnitOfWork;

use super::App;
use crate::{ANALYTICS_CONSUMER, Error, store};

/// How many customers are looked at in one unit of work.
const BATCH: i64 = 1000;

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

    /// Decides by figures that have been told once more, as soon as all have been: first those that were not told again are
    /// taken away, some at a time, for they are no longer so. True when there was something to do.
    pub(crate) async fn settle_relearned(&self) -> Result<bool, Error> {
        if !store::relearn::is_over(self.db.pool(), ANALYTICS_CONSUMER).await? {
            return Ok(false);
        }
        if self.clear_untold().await? {
            return Ok(true);
        }
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        store::segment::lock_rules(work.conn()).await?;
        let place = store::relearn::lock_place(work.conn()).await?;
        // Asked again with the locks in hand: another replica may have been faster, or it has all begun anew.
        if !store::relearn::is_over(work.conn(), ANALYTICS_CONSUMER).await?
            || !store::relearn::with_figures(work.conn(), place, 1).await?.is_empty()
        {
            return Ok(true);
        }
        store::relearn::end(work.conn()).await?;
        for view in store::segment::active(work.conn()).await? {
            store::segment::start_build(work.conn(), view.segment.id).await?;
        }
        store::segment::raise_rules(work.conn()).await?;
        work.commit().await?;
        tracing::info!("all figures have been told once more: the members of all segments are found anew");
        Ok(true)
    }

    /// Looks at some of those of whom there are figures, and takes away figures that were not told again. False when
    /// everybody has been looked at.
    async fn clear_untold(&self) -> Result<bool, Error> {
        let mut work = self.db.begin(&Caller::service(crate::NAME)).await?;
        let place = store::relearn::lock_place(work.conn()).await?;
        if !store::relearn::is_over(work.conn(), ANALYTICS_CONSUMER).await? {
            return Ok(false);
        }
        let some = store::relearn::with_figures(work.conn(), place, BATCH).await?;
        let Some(last) = some.last().copied() else { return Ok(false) };
        let known = store::person::lock(work.conn(), &some).await?;
        let untold: Vec<_> = known.iter().filter(|(_, versions)| versions.figures == 0).map(|(id, _)| *id).collect();
        store::relearn::clear(work.conn(), &untold).await?;
        store::relearn::put_place(work.conn(), last).await?;
        work.commit().await?;
        Ok(true)
    }
}
