//! Who does the work. An import on which something is to be done is claimed by one replica, which says with every batch
//! that it still works; another takes it over when it does not. All that a batch does is written together with how far the
//! run has come, so that a run that was killed goes on exactly where it was.

use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::{Code, Error as KernelError, Origin};
use clientele_platform::Caller;
use clientele_platform::postgres::UnitOfWork;
use tokio_util::sync::CancellationToken;

use super::Imports;
use crate::domain::import::{Cursor, Import, Kind, Progress, State, Work};
use crate::events::publish;
use crate::{Error, store};

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

/// An import that this replica works on.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) import: Import,
    pub(super) caller: Caller,
    epoch: i64,
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
        Self { import, caller, epoch }
    }

    /// The change of hands by which it is ours.
    pub(super) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether it writes nothing.
    pub(super) fn trial(&self) -> bool {
        self.import.state == State::Checking
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
                Ok(Some(job)) => self.run(job, &stop).await,
                Ok(None) => self.rest(&stop).await,
                Err(error) => {
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
        let ended = loop {
            let before = job.import.work.cursor.clone();
            match self.attempt(&mut job, stop).await {
                Ok(Ended::Done) => break self.settle(&job, Import::end).await,
                Ok(Ended::Lost) => break Ok(()),
                Ok(Ended::Stopped) => break store::import::release(self.db.pool(), id, job.epoch).await,
                Err(error) => {
                    attempt = if job.import.work.cursor == before { attempt + 1 } else { 1 };
                    let again = error.is_race() || is_transient(&error);
                    let error = KernelError::from(error);
                    if !again || attempt >= MOST_ATTEMPTS {
                        tracing::warn!(import = %id, reason = error.reason, cause = ?error.source, "an import cannot go on: {error}");
                        let why = error.message;
                        break self.settle(&job, |import, _| import.fail(&why)).await;
                    }
                    tracing::info!(import = %id, attempt, "a batch of an import is tried again: {error}");
                    let wait = SHORTEST_RETRY.saturating_mul(1 << attempt.min(10)).min(LONGEST_RETRY);
                    tokio::select! {
                        () = stop.cancelled() => break store::import::release(self.db.pool(), id, job.epoch).await,
                        () = tokio::time::sleep(wait) => {}
                    }
                    if let Err(error) = self.reload(&mut job).await {
                        break Err(error);
                    }
                }
            }
        };
        if let Err(error) = ended {
            let error = KernelError::from(error);
            tracing::warn!(import = %id, %error, "what became of an import could not be written: it goes on when its lease ends");
        }
    }

    async fn attempt(&self, job: &mut Job, stop: &CancellationToken) -> Result<Ended, Error> {
        match (job.import.state, job.import.kind) {
            (State::Checking | State::Running, kind) => {
                if job.trial() && !self.begin_trial(job).await? {
                    return Ok(Ended::Lost);
                }
                match kind {
                    Kind::Customers => self.run_customers(job, stop).await,
                    Kind::Orders => self.run_orders(job, stop).await,
                }
            }
            (State::Undoing, _) => self.take_back(job, stop).await,
            _ => Ok(Ended::Lost),
        }
    }

    /// A trial run writes nothing, so one that was broken off begins anew.
    async fn begin_trial(&self, job: &mut Job) -> Result<bool, Error> {
        let mut uow = self.db.begin(&job.caller).await?;
        store::import::refusal::delete(uow.conn(), job.import.id).await?;
        store::import::line::delete(uow.conn(), job.import.id).await?;
        let now = uow.now();
        let trial = Some(Progress::begin(now, job.import.look.total_rows));
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

    async fn reload(&self, job: &mut Job) -> Result<(), Error> {
        if let Some(import) = store::import::get(self.db.pool(), job.import.id).await? {
            job.import = import;
        }
        Ok(())
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
        if matches!(import.state, State::Ready | State::Done | State::Undone) {
            store::import::line::delete(uow.conn(), id).await?;
        }
        if import.state == State::Undone {
            store::import::chunk::delete_others(uow.conn(), id, None).await?;
        }
        store::import::update(uow.conn(), &import).await?;
        uow.record(if was_trial { publish::trial(&import) } else { publish::import(&import) });
        uow.commit().await?;
        Ok(())
    }

    /// Removes files that are kept no longer, until told to stop.
    pub(crate) async fn keep_house(self, stop: CancellationToken) -> Result<(), KernelError> {
        loop {
            if let Err(error) = self.clear_away().await {
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
                import.file = None;
                import.file_expires_at = None;
                import.version += 1;
                import.updated_at = now;
                store::import::chunk::delete_others(uow.conn(), *id, None).await?;
                store::import::line::delete(uow.conn(), *id).await?;
                store::import::refusal::delete(uow.conn(), *id).await?;
                store::import::update(uow.conn(), &import).await?;
                uow.record(publish::import(&import));
                uow.commit().await?;
            }
            if expired.is_empty() {
                break;
            }
        }
        while store::import::chunk::delete_orphans(self.db.pool(), now - LONGEST_UPLOAD, AT_ONCE).await? > 0 {}
        Ok(())
    }
}

/// Whether trying again later may work.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Refused(error) => error.is_transient() && error.code != Code::Aborted,
        Error::Storage(clientele_platform::postgres::Error::Sqlx(
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Protocol(_),
        )) => true,
        _ => false,
    }
}
