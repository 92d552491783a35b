//! Which replica works on which partition.

use clientele_kernel::{PARTITIONS, Partition};
use uuid::Uuid;

use crate::lease::LEASE;
use crate::postgres::{Database, Error};

/// A partition this replica holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) partition: Partition,
    /// The epoch in which it was got.
    pub(super) epoch: i64,
    /// The position of the last event applied when it was got or last renewed.
    pub(super) position: i64,
    /// The incarnation of the source's journal that the position belongs to.
    pub(super) incarnation: Option<Uuid>,
    /// The journal ended before the position: nothing is applied before it is told what became of it.
    pub(super) halted: bool,
}

type Row = (i16, i64, i64, Option<Uuid>, bool);

/// The partitions of a consumer, as one replica sees them.
#[derive(Debug)]
pub(super) struct Partitions {
    db: Database,
    consumer: &'static str,
    owner: Uuid,
}

impl Partitions {
    pub(super) fn new(db: Database, consumer: &'static str) -> Self {
        let owner = db.ids().next();
        Self { db, consumer, owner }
    }

    /// Makes the cursors of a consumer that runs for the first time.
    pub(super) async fn register(&self) -> Result<(), Error> {
        sqlx::query(
            "insert into cursor (consumer, partition) select $1, p from unnest($2::smallint[]) as p
             on conflict (consumer, partition) do nothing",
        )
        .bind(self.consumer)
        .bind(Partition::all().map(Partition::number).collect::<Vec<_>>())
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Renews what is held, and takes or gives away partitions until this replica has its share. Gives what it is to
    /// work on; what it worked on and is not in the answer is to be stopped and given back.
    pub(super) async fn rebalance(&self) -> Result<Vec<Held>, Error> {
        let now = self.db.clock().now();
        let until = now + LEASE;
        let others: i64 = sqlx::query_scalar(
            "with own as (
                 insert into consumer_member (consumer, owner, alive_until) values ($1, $2, $3)
                 on conflict (consumer, owner) do update set alive_until = $3
             ), gone as (
                 delete from consumer_member where consumer = $1 and owner <> $2 and alive_until < $4
             )
             select count(*) from consumer_member where consumer = $1 and owner <> $2 and alive_until >= $4",
        )
        .bind(self.consumer)
        .bind(self.owner)
        .bind(until)
        .bind(now)
        .fetch_one(self.db.pool())
        .await?;
        let members = others + 1;
        // Each statement is whole in itself, so that this goes on all the time at little cost: whoever counts the others a
        // moment too late takes or gives away at the next turn.
        let share = (i64::from(PARTITIONS) + members - 1) / members;

        let mut held: Vec<Row> = sqlx::query_as(
            // In the order in which workers lock what they apply together.
            "with held as materialized (
                 select partition from cursor where consumer = $1 and owner = $2 order by partition for update
             )
             update cursor c set leased_until = $3 from held where c.consumer = $1 and c.partition = held.partition
             returning c.partition, c.epoch, c.position, c.incarnation, c.halted_at is not null",
        )
        .bind(self.consumer)
        .bind(self.owner)
        .bind(until)
        .fetch_all(self.db.pool())
        .await?;
        let wanted = share - i64::try_from(held.len()).unwrap_or(i64::MAX);
        if wanted > 0 {
            let taken: Vec<Row> = sqlx::query_as(
                "update cursor c set owner = $2, leased_until = $3, epoch = c.epoch + 1
                 from (select partition from cursor
                       where consumer = $1 and (owner is null or leased_until < $4)
                       order by partition limit $5 for update skip locked) as free
                 where c.consumer = $1 and c.partition = free.partition
                 returning c.partition, c.epoch, c.position, c.incarnation, c.halted_at is not null",
            )
            .bind(self.consumer)
            .bind(self.owner)
            .bind(until)
            .bind(now)
            .bind(wanted)
            .fetch_all(self.db.pool())
            .await?;
            held.extend(taken);
        }
        held.sort_unstable();
        // The highest ones go first when there are too many, so that replicas agree on what moves.
        held.truncate(usize::try_from(share).unwrap_or_default());
        held.into_iter()
            .map(|(number, epoch, position, incarnation, halted)| {
                let partition =
                    Partition::try_new(number.into()).ok_or_else(|| Error::corrupt("cursor", number.to_string()))?;
                Ok(Held { partition, epoch, position, incarnation, halted })
            })
            .collect()
    }

    /// Frees partitions whose workers have ended, for whoever wants them.
    pub(super) async fn give_back(&self, partitions: &[(Partition, i64)]) {
        if partitions.is_empty() {
            return;
        }
        let (numbers, epochs): (Vec<i16>, Vec<i64>) = partitions.iter().map(|(p, epoch)| (p.number(), *epoch)).unzip();
        let freed = sqlx::query(
            "with given as materialized (
                 select c.partition
                 from cursor c join unnest($3::smallint[], $4::bigint[]) as g(partition, epoch) using (partition, epoch)
                 where c.consumer = $1 and c.owner = $2
                 order by c.partition for update of c
             )
             update cursor c set owner = null, leased_until = null from given
             where c.consumer = $1 and c.partition = given.partition",
        )
        .bind(self.consumer)
        .bind(self.owner)
        .bind(&numbers)
        .bind(&epochs)
        .execute(self.db.pool())
        .await;
        if let Err(error) = freed {
            tracing::debug!(consumer = self.consumer, %error, "partitions were not given back; their leases end by themselves");
        }
    }

    /// Leaves the group, so that the others need not wait for the lease to end.
    pub(super) async fn leave(&self) {
        let left = sqlx::query("delete from consumer_member where consumer = $1 and owner = $2")
            .bind(self.consumer)
            .bind(self.owner)
            .execute(self.db.pool())
            .await;
        if let Err(error) = left {
            tracing::debug!(consumer = self.consumer, %error, "the group was not left; the membership ends by itself");
        }
    }
}
