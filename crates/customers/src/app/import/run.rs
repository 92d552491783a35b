//! Who does the work. An import on which something is to be done is claimed by one replica, which says with every batch
//! that it still works; another takes it over when it does not. All that a batch does is written together with how far the
//! run has come, so that a run that was killed goes on exactly where it was.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::{Error as KernelError, ImportId, Origin};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{Backoff, Caller};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::Imports;
use super::orders::MOST_ORDERS;
use super::rights::Allowed;
use crate::domain::import::{Cursor, Import, Kind, Progress, State, Work};
use crate::events::publish;
use crate::{Error, store};

/// Their names among the tasks of the service.
pub(crate) const TASK: &str = "imports";
pub(crate) const HOUSEKEEPING_TASK: &str = "imports-housekeeping";
/// How often work is looked for that another replica has left, or somebody has begun elsewhere.
const POLL: Duration = Duration::from_secs(1);
/// How often a batch is tried again when something it needs is away, before the run fails.
const MOST_ATTEMPTS: u32 = 8;
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// How often files that are kept no longer are looked for.
const HOUSEKEEPING: Duration = Duration::from_mins(10);
/// After how long an upload that has not ended is taken to be broken off.
const LONGEST_UPLOAD: TimeDelta = TimeDelta::hours(3);

/// How many rows, and parts of a file, one statement deletes.
const ROWS_AT_ONCE: i64 = 5000;
const PARTS_AT_ONCE: i64 = 64;

/// An import that this replica works on.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) import: Import,
    pub(super) caller: Caller,
    epoch: i64,
    /// What identity said of who began it.
    pub(super) allowed: Allowed,
    /// How many orders are sent at once.
    pub(super) orders_at_once: usize,
}

/// How the work on an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is done.
    Done,
    /// It is not ours any more: somebody stopped it, or another replica has it.
    Lost,
    /// This process ends.
    Stopped,
}

impl Job {
    fn new(import: Import, epoch: i64) -> Self {
        // In the name of the person who began it: the history of a customer tells who brought a change in.
        let caller = Caller { actor: import.actor.clone(), origin: Origin::Import, ..Caller::service("customers") };
        Self { import, caller, epoch, allowed: Allowed::default(), orders_at_once: MOST_ORDERS }
    }

    /// The change of hands by which it is ours.
    pub(super) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether it writes nothing.
    pub(super) fn trial(&self) -> bool {
        self.import.state == State::Checking
    }

    /// Fails where the run has come to the end of the rows, and has not gone through as many as the file has.
    fn require_all_rows(&self) -> Result<(), Error> {
        let progress = if self.trial() { &self.import.work.trial } else { &self.import.work.progress };
        match progress {
            // Zero: they are counted by this very run. A part of the file that is missing fails it all the same.
            Some(progress) if progress.rows != progress.total_rows && progress.total_rows != 0 => {
                let message = format!(
                    "{} of {} rows were found: parts of the file are missing",
                    progress.rows, progress.total_rows
                );
                Err(KernelError::failed_precondition("FILE_INCOMPLETE", message).into())
            }
            _ => Ok(()),
        }
    }

    /// The figures of the run that goes on.
    pub(super) fn progress<'a>(&self, work: &'a mut Work) -> Option<&'a mut Progress> {
        if self.trial() { work.trial.as_mut() } else { work.progress.as_mut() }
    }
}

impl Imports {
    /// Works on imports until told to stop.
    pub(crate) async fn work(self, stop: CancellationToken) -> Result<(), KernelError> {
        while !stop.is_cancelled() {
            match self.claim().await {
                Ok(Some(job)) => {
                    self.running.fetch_add(1, Ordering::Relaxed);
                    self.run(job, &stop).await;
                    self.running.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(None) => self.rest(&stop).await,
                Err(error) => {
                    self.db.metrics().task_failed(self.db.context(), TASK);
                    let error = KernelError::from(error);
                    tracing::warn!(%error, "imports to work on could not be looked for");
                    self.rest(&stop).await;
                }
            }
        }
        Ok(())
    }

    async fn rest(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }

    async fn claim(&self) -> Result<Option<Job>, Error> {
        let mut uow = self.db.begin(&Caller::service("customers")).await?;
        let now = uow.now();
        let claimed = store::import::claim(uow.conn(), now).await?;
        uow.commit().await?;
        Ok(claimed.map(|(import, epoch)| Job::new(import, epoch)))
    }

    async fn run(&self, mut job: Job, stop: &CancellationToken) {
        let id = job.import.id;
        let mut attempt = 0;
        let mut backoff = Backoff::new(SHORTEST_RETRY, LONGEST_RETRY);
        let ended = loop {
            let before = job.import.work.cursor.clone();
            match self.attempt(&mut job, stop).await {
                Ok(Ended::Done) => break self.end(&mut job).await,
                Ok(Ended::Lost) => break Ok(()),
                Ok(Ended::Stopped) => break store::import::release(self.db.pool(), id, job.epoch).await,
                Err(error) => {
                    let moved = job.import.work.cursor != before;
                    if moved {
                        backoff.reset();
                    }
                    attempt = attempts(attempt, moved, job.allowed.is_unknown);
                    let race = error.is_race();
                    let error = KernelError::from(error);
                    if !(race || error.is_transient()) || attempt >= MOST_ATTEMPTS {
                        tracing::warn!(import = %id, reason = error.reason, cause = error.source.as_ref().map(tracing::field::display), "an import cannot go on: {error}");
                        break self.settle(&job, |import, _| import.fail(&error)).await;
                    }
                    tracing::info!(import = %id, attempt, "a batch of an import is tried again: {error}");
                    tokio::select! {
                        () = stop.cancelled() => break store::import::release(self.db.pool(), id, job.epoch).await,
                        () = backoff.pause() => {}
                    }
                    match self.reload(&mut job).await {
                        Ok(true) => {}
                        Ok(false) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        if let Err(error) = ended {
            self.db.metrics().task_failed(self.db.context(), TASK);
            let error = KernelError::from(error);
            tracing::warn!(import = %id, %error, "what became of an import could not be written: it goes on when its lease ends");
        }
    }

    async fn attempt(&self, job: &mut Job, stop: &CancellationToken) -> Result<Ended, Error> {
        self.require_rights(job).await?;
        match (job.import.state, job.import.kind) {
            (State::Checking | State::Running, kind) => {
                if !self.begin(job).await? {
                    return Ok(Ended::Lost);
                }
                let ended = match kind {
                    Kind::Customers => self.run_customers(job, stop).await?,
                    Kind::Orders => self.run_orders(job, stop).await?,
                };
                if ended == Ended::Done {
                    job.require_all_rows()?;
                }
                Ok(ended)
            }
            (State::Undoing, _) if job.import.work.cursor.sent && !self.settle_sent(job).await? => Ok(Ended::Lost),
            (State::Undoing, _) => self.take_back(job, stop).await,
            _ => Ok(Ended::Lost),
        }
    }

    /// Fails where who began the import may not do so any more. Asked before each batch; identity is, now and then.
    pub(super) async fn require_rights(&self, job: &mut Job) -> Result<(), Error> {
        let now = self.db.clock().now();
        Ok(self.rights.require(job, now).await?)
    }

    /// What an earlier run left goes before anything is gone through. A trial run writes nothing, so one that was broken off
    /// begins anew.
    async fn begin(&self, job: &mut Job) -> Result<bool, Error> {
        if !job.trial() && job.import.work.cursor != Cursor::default() {
            return Ok(true);
        }
        let cleared = self.clear(job, Kept::Refusals).await? && self.clear(job, Kept::Lines).await?;
        if !cleared || !job.trial() {
            return Ok(cleared);
        }
        let uow = self.db.begin(&job.caller).await?;
        let now = uow.now();
        let trial = Some(Progress::begin(now, &job.import.look));
        let work = Work { trial, cursor: Cursor::default(), ..job.import.work.clone() };
        self.commit(job, uow, work).await
    }

    /// Commits a batch with the note of how far the work has come; false, and nothing written, where it is not ours.
    pub(super) async fn commit(&self, job: &mut Job, mut uow: UnitOfWork, work: Work) -> Result<bool, Error> {
        let now = uow.now();
        if !store::import::note(uow.conn(), job.import.id, job.epoch, &work, now).await? {
            return Ok(false);
        }
        uow.commit().await?;
        job.import.work = work;
        Ok(true)
    }

    /// Deletes what is kept of an import, in slices, each as long as it is ours; false where it is not any more.
    async fn clear(&self, job: &mut Job, what: Kept) -> Result<bool, Error> {
        loop {
            let mut uow = self.db.begin(&job.caller).await?;
            let left = what.delete(uow.conn(), job.import.id).await?;
            let work = job.import.work.clone();
            if !self.commit(job, uow, work).await? {
                return Ok(false);
            }
            if !left {
                return Ok(true);
            }
        }
    }

    /// What nobody needs after the end goes; then it is one.
    async fn end(&self, job: &mut Job) -> Result<(), Error> {
        let superfluous: &[Kept] = match job.import.state {
            State::Undoing => &[Kept::Lines, Kept::Refusals, Kept::Parts],
            _ => &[Kept::Lines],
        };
        for what in superfluous {
            if !self.clear(job, *what).await? {
                return Ok(());
            }
        }
        self.settle(job, Import::end).await
    }

    /// Reads anew what stands in the database; false where it is not ours any more.
    async fn reload(&self, job: &mut Job) -> Result<bool, Error> {
        let mut uow = self.db.begin(&job.caller).await?;
        if !store::import::holds(uow.conn(), job.import.id, job.epoch).await? {
            return Ok(false);
        }
        let import = store::import::get(uow.conn(), job.import.id).await?;
        Ok(import.map(|import| job.import = import).is_some())
    }

    /// Writes what became of the work, and tells of it.
    async fn settle(
        &self,
        job: &Job,
        change: impl FnOnce(&mut Import, chrono::DateTime<chrono::Utc>),
    ) -> Result<(), Error> {
        let id = job.import.id;
        let mut uow = self.db.begin(&job.caller).await?;
        if !store::import::holds(uow.conn(), id, job.epoch).await? {
            return Ok(());
        }
        let Some(mut import) = store::import::get(uow.conn(), id).await? else { return Ok(()) };
        let now = uow.now();
        let was_trial = import.state == State::Checking;
        change(&mut import, now);
        import.version += 1;
        import.updated_at = now;
        store::import::update(uow.conn(), &import).await?;
        uow.record(if was_trial { publish::trial(&import) } else { publish::import(&import) });
        uow.commit().await?;
        Ok(())
    }

    /// Removes files that are kept no longer, until told to stop.
    pub(crate) async fn keep_house(self, stop: CancellationToken) -> Result<(), KernelError> {
        loop {
            if let Err(error) = self.clear_away().await {
                self.db.metrics().task_failed(self.db.context(), HOUSEKEEPING_TASK);
                let error = KernelError::from(error);
                tracing::warn!(%error, "files of imports could not be cleared away");
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(HOUSEKEEPING) => {}
            }
        }
    }

    async fn clear_away(&self) -> Result<(), Error> {
        const AT_ONCE: i64 = 20;
        let now = self.db.clock().now();
        loop {
            let expired = store::import::expired(self.db.pool(), now, AT_ONCE).await?;
            for id in &expired {
                let mut uow = self.db.begin(&Caller::service("customers")).await?;
                let Some(mut import) = store::import::lock(uow.conn(), *id).await? else { continue };
                if import.file_expires_at.is_none_or(|until| until > now)
                    || matches!(import.state, State::Checking | State::Running | State::Undoing)
                {
                    continue;
                }
                // Without its file it runs no more. Should this process end before all is deleted, its date brings it here
                // again.
                if import.file.is_some() || import.state == State::AwaitingFile {
                    import.expire();
                    super::write(uow, import).await?;
                } else {
                    drop(uow);
                }
                for what in [Kept::Lines, Kept::Refusals, Kept::Parts] {
                    while what.delete(&mut *self.db.pool().acquire().await?, *id).await? {}
                }
                store::import::cleared(self.db.pool(), *id).await?;
            }
            if expired.is_empty() {
                break;
            }
        }
        while store::import::chunk::delete_orphans(self.db.pool(), now - LONGEST_UPLOAD, AT_ONCE).await? > 0 {}
        Ok(())
    }
}

/// How often a batch has been tried, after one more time that it failed. That nobody can say whether the import may go on is
/// no fault of the batch: it waits.
fn attempts(before: u32, moved: bool, allowed_is_unknown: bool) -> u32 {
    match (moved, allowed_is_unknown) {
        (true, _) => 1,
        (false, true) => before,
        (false, false) => before + 1,
    }
}

/// What is kept of an import's file beside the import itself.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// Rows sorted by order.
    Lines,
    /// Rows that were refused.
    Refusals,
    /// The bytes.
    Parts,
}

impl Kept {
    /// Deletes a slice of it; true where there may be more. All of it at once takes longer than a statement may.
    async fn delete(self, conn: &mut PgConnection, id: ImportId) -> Result<bool, Error> {
        let (deleted, limit) = match self {
            Self::Lines => (store::import::line::delete(conn, id, ROWS_AT_ONCE).await?, ROWS_AT_ONCE),
            Self::Refusals => (store::import::refusal::delete(conn, id, ROWS_AT_ONCE).await?, ROWS_AT_ONCE),
            Self::Parts => (store::import::chunk::delete_others(conn, id, None, PARTS_AT_ONCE).await?, PARTS_AT_ONCE),
        };
        Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted == limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_given_up_after_some_attempts_but_not_because_identity_cannot_be_asked() {
        let tried = (0..MOST_ATTEMPTS).fold(0, |attempt, _| attempts(attempt, false, false));
        assert_eq!(tried, MOST_ATTEMPTS);
        assert_eq!((0..1000).fold(3, |attempt, _| attempts(attempt, false, true)), 3);
        assert_eq!(attempts(7, true, false), 1, "it has come on meanwhile");
    }
}
