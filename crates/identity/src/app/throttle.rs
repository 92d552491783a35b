//! Counting failed sign-ins, in the database so that all replicas count together.

use clientele_platform::postgres::{self, Database};
use clientele_platform::telemetry::{Counter, KeyValue};
use sqlx::PgConnection;

use crate::Error;
use crate::domain::throttle::{Limits, Subject, SubjectKind, Tally};
use crate::store;

/// Admits sign-ins and counts their failures.
#[derive(Debug, Clone)]
pub(crate) struct Throttle {
    db: Database,
    login: Limits,
    address: Limits,
    refused: Counter<u64>,
}

/// A sign-in that was admitted. It counts as a failure until it is taken back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Admission(Vec<(Subject, Tally)>);

impl Throttle {
    pub(crate) fn new(db: Database, login: Limits, address: Limits) -> Self {
        let refused = db.metrics().counter(
            "clientele.sign_in.throttled",
            "{attempt}",
            "sign-ins refused after too many that failed, under one login or from one address",
        );
        for kind in [SubjectKind::Login, SubjectKind::Address] {
            refused.add(0, &[of(kind)]);
        }
        Self { db, login, address, refused }
    }

    /// Admits an attempt under this login from this address, or tells how long to wait. Without an address, the login
    /// alone counts.
    pub(crate) async fn admit(&self, login_key: &str, address: &str) -> Result<Admission, Error> {
        let now = self.db.clock().now();
        let mut subjects = Vec::new();
        // Always in this order, so that two attempts never wait for each other in a circle.
        if !address.is_empty() {
            subjects.push((Subject::of(SubjectKind::Address, address), &self.address));
        }
        subjects.push((Subject::of(SubjectKind::Login, login_key), &self.login));

        let mut tx = self.db.transaction().await?;
        let mut counted = Vec::new();
        for (subject, limits) in subjects {
            let tally = store::throttle::lock(&mut tx, subject, now).await?;
            if let Some(wait) = tally.wait(now) {
                self.refused.add(1, &[of(subject.kind)]);
                return Err(Error::Throttled(wait.to_std().unwrap_or_default()));
            }
            let tally = Tally::failed(Some(tally), limits, now);
            store::throttle::write(&mut tx, subject, &tally).await?;
            counted.push((subject, tally));
        }
        tx.commit().await.map_err(postgres::Error::from)?;
        Ok(Admission(counted))
    }

    /// Takes an attempt back that was not looked at after all.
    pub(crate) async fn withdraw(&self, admission: Admission) -> Result<(), Error> {
        let mut tx = self.db.transaction().await?;
        for (subject, tally) in &admission.0 {
            store::throttle::take_back(&mut tx, *subject, tally).await?;
        }
        tx.commit().await.map_err(postgres::Error::from)?;
        Ok(())
    }
}

impl Admission {
    /// The attempt was right: the login's failures are forgotten. Those of the address are not, or a guesser would
    /// sign in to an account of their own now and then.
    pub(crate) async fn succeed(self, conn: &mut PgConnection) -> Result<(), Error> {
        for (subject, tally) in &self.0 {
            match subject.kind {
                SubjectKind::Login => store::throttle::forget(conn, *subject).await?,
                SubjectKind::Address => store::throttle::take_back(conn, *subject, tally).await?,
            }
        }
        Ok(())
    }
}

fn of(kind: SubjectKind) -> KeyValue {
    KeyValue::new("kind", kind.as_str())
}
