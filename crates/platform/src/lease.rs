//! Leases: work that one replica at a time does. The epoch rises with every change of hands, so that what a former
//! holder still does can be told from what the present one does.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::postgres::{Database, Error};

/// How long a lease lasts unless it is renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(10);

/// A lease that this replica holds or wants to hold.
#[derive(Debug)]
pub struct Lease {
    db: Database,
    name: &'static str,
    owner: Uuid,
    epoch: i64,
    until: Option<DateTime<Utc>>,
}

impl Lease {
    /// A lease on `name`, wanted by `owner`.
    pub fn new(db: Database, name: &'static str, owner: Uuid) -> Self {
        Self { db, name, owner, epoch: 0, until: None }
    }

    /// What it is on.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Who holds it, if it is held.
    pub fn owner(&self) -> Uuid {
        self.owner
    }

    /// The epoch in which this replica got it.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Takes the lease or renews it; true when this replica holds it. Asks the database only when a third of the
    /// lease has passed.
    pub async fn hold(&mut self) -> Result<bool, Error> {
        let now = self.db.clock().now();
        if self.until.is_some_and(|until| now < until - LEASE * 2 / 3) {
            return Ok(true);
        }
        let until = now + LEASE;
        let epoch: Option<i64> = sqlx::query_scalar(
            "insert into lease (name, owner, epoch, leased_until) values ($1, $2, 1, $3)
             on conflict (name) do update
                 set owner = $2, leased_until = $3,
                     epoch = lease.epoch + case when lease.owner = $2 then 0 else 1 end
                 where lease.owner = $2 or lease.leased_until < $4
             returning epoch",
        )
        .bind(self.name)
        .bind(self.owner)
        .bind(until)
        .bind(now)
        .fetch_optional(self.db.pool())
        .await?;
        if epoch.is_none() && self.until.take().is_some() {
            self.db.metrics().lease_lost(self.db.context(), self.name, 1);
            tracing::info!(context = self.db.context(), lease = self.name, "another replica has taken the lease over");
        }
        self.until = epoch.map(|_| until);
        self.epoch = epoch.unwrap_or(self.epoch);
        Ok(epoch.is_some())
    }

    /// Gives the lease up, so that another replica need not wait for its end.
    pub async fn release(&mut self) {
        self.until = None;
        let given_up = sqlx::query("update lease set leased_until = $3 where name = $1 and owner = $2")
            .bind(self.name)
            .bind(self.owner)
            .bind(DateTime::<Utc>::UNIX_EPOCH)
            .execute(self.db.pool())
            .await;
        if let Err(error) = given_up {
            tracing::debug!(name = self.name, %error, "a lease was not given up; it ends by itself");
        }
    }
}
