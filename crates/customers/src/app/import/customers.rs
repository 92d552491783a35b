//! A run over rows that are customers.

use tokio_util::sync::CancellationToken;

use super::run::{Ended, Job};
use super::{Imports, people};
use crate::domain::import::customer::Person;
use crate::domain::import::value::Reader;
use crate::domain::import::{RawRow, Refusal};
use crate::{Error, store};

impl Imports {
    /// Goes through the rows, from where the run was broken off.
    pub(super) async fn run_customers(&self, job: &mut Job, stop: &CancellationToken) -> Result<Ended, Error> {
        let reader = Reader::new(&job.import)?;
        let mut rows = self.rows(&job.import, job.import.work.cursor.rows)?;
        let mut seen = people::Seen::default();
        while let Some(batch) = rows.recv().await {
            if stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            self.require_rights(job).await?;
            if !self.customers_batch(job, &reader, batch?, &mut seen).await? {
                return Ok(Ended::Lost);
            }
        }
        Ok(Ended::Done)
    }

    /// One batch, in one unit of work with the note of how far the run has come; false where the run is not ours any more.
    async fn customers_batch(
        &self,
        job: &mut Job,
        reader: &Reader,
        rows: Vec<RawRow>,
        seen: &mut people::Seen,
    ) -> Result<bool, Error> {
        let count = rows.len();
        let mut kept = Vec::with_capacity(count);
        let mut persons = Vec::with_capacity(count);
        let mut refusals = Vec::new();
        for row in rows {
            match reader.values(&row).and_then(|values| Person::of_row(&values, self.region)) {
                Ok(person) => {
                    persons.push(person);
                    kept.push(row);
                }
                Err(violations) => refusals.push(Refusal { line: row.line, violations, cells: row.cells }),
            }
        }
        let mut uow = self.db.begin(&job.caller).await?;
        let (outcomes, touched) = people::write(&mut uow, self.db.ids(), &persons).await?;
        let mut work = job.import.work.clone();
        let tally = if job.trial() {
            // Nothing of a trial run stays.
            drop(uow);
            uow = self.db.begin(&job.caller).await?;
            seen.count(&touched)
        } else {
            people::note(&mut uow, job.import.id, &touched, &mut work.cursor.seq).await?
        };
        let mut several = 0;
        for (outcome, row) in outcomes.into_iter().zip(kept) {
            match outcome {
                Ok((_, is_several)) => several += i64::from(is_several),
                Err(violations) => refusals.push(Refusal { line: row.line, violations, cells: row.cells }),
            }
        }
        let refused = store::import::refusal::insert(uow.conn(), job.import.id, &refusals).await?;
        work.cursor.rows += count as u64;
        if let Some(progress) = job.progress(&mut work) {
            progress.rows += i64::try_from(count).unwrap_or(i64::MAX);
            progress.refused += i64::try_from(refused).unwrap_or(i64::MAX);
            progress.several += several;
            tally.add_to(progress);
        }
        self.commit(job, uow, work).await
    }
}
