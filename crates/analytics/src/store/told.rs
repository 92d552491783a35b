//! What was last told of customers' figures.

use std::collections::{BTreeSet, HashMap};

use clientele_kernel::{CustomerId, Partition};
use clientele_platform::postgres::Error as StorageError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::currency;
use crate::Error;
use crate::domain::Figures;
use crate::events::publish::Told;

/// Those of the partitions that are being built again, each with the position up to which it is.
pub(crate) async fn rebuilding_until(
    conn: &mut PgConnection,
    partitions: &[Partition],
) -> Result<Vec<(Partition, i64)>, Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    let rows = sqlx::query!(
        "select partition, until_position from analytics.rebuilding where partition = any($1) order by partition",
        &numbers
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((partition(row.partition)?, row.until_position))).collect()
}

fn partition(number: i16) -> Result<Partition, Error> {
    let found = Partition::try_new(i64::from(number));
    Ok(found.ok_or_else(|| StorageError::corrupt("cursor", format!("there is no partition {number}")))?)
}

/// The partition is built again.
pub(crate) async fn rebuilt(conn: &mut PgConnection, partition: Partition) -> Result<(), Error> {
    sqlx::query!("delete from analytics.rebuilding where partition = $1", partition.number()).execute(conn).await?;
    Ok(())
}

/// Locks the cursor of a partition that has come to the end of its rebuild and still counts as being built again. Gives
/// the partition and how far it has come; a partition that somebody works on sees to it by itself.
pub(crate) async fn lock_rebuilt(conn: &mut PgConnection, consumer: &str) -> Result<Option<(Partition, i64)>, Error> {
    let found = sqlx::query!(
        "select c.partition, c.position
         from analytics.rebuilding r
         join analytics.cursor c on c.partition = r.partition and c.position >= r.until_position
         where c.consumer = $1
         order by c.partition
         limit 1
         for update of c skip locked",
        consumer
    )
    .fetch_optional(conn)
    .await?;
    found.map(|row| Ok((partition(row.partition)?, row.position))).transpose()
}

/// Notes customers of whom nothing was told yet, so that something is at the end of the rebuild.
pub(crate) async fn await_end(
    conn: &mut PgConnection,
    partition: Partition,
    customers: &[CustomerId],
) -> Result<(), Error> {
    if customers.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = customers.iter().map(|id| id.uuid()).collect();
    sqlx::query!(
        r"insert into analytics.customer_told (customer_id, partition, version, figures)
          select f.customer_id, $2, 0, '\x'::bytea
          from unnest($1::uuid[]) as f(customer_id)
          order by f.customer_id
          on conflict (customer_id) do nothing",
        &ids,
        partition.number(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// From now on the partitions are being built again, up to where the consumer has come: to be called before its cursors are
/// put back. A rebuild that had not come to its end goes on to that end.
pub(crate) async fn rebuild(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    sqlx::query!(
        "insert into analytics.rebuilding as r (partition, until_position)
         select partition, position from analytics.cursor where consumer = $1 and position > 0
         on conflict (partition) do update set until_position = greatest(r.until_position, excluded.until_position)",
        consumer
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Like [`rebuild`], for a journal that may have become shorter: the end of a rebuild under way may never come, and of a
/// partition that has nothing left everything told is to be taken back.
pub(crate) async fn rebuild_anew(conn: &mut PgConnection, consumer: &str) -> Result<(), Error> {
    sqlx::query!(
        "insert into analytics.rebuilding as r (partition, until_position)
         select partition, position from analytics.cursor where consumer = $1
         on conflict (partition) do update set until_position = excluded.until_position",
        consumer
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether figures were kept before anything was told of them.
pub(crate) async fn never(conn: &mut PgConnection) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"select exists(select from analytics.customer_figure)
              and not exists(select from analytics.customer_told)
              and not exists(select from analytics.rebuilding) as "found!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// The customers of a partition of whom something was told or is to be.
pub(crate) async fn of_partition(conn: &mut PgConnection, partition: Partition) -> Result<BTreeSet<CustomerId>, Error> {
    let found =
        sqlx::query_scalar!("select customer_id from analytics.customer_told where partition = $1", partition.number())
            .fetch_all(conn)
            .await?;
    Ok(found.into_iter().map(CustomerId::from).collect())
}

/// The figures of these customers, by currency code.
pub(crate) async fn figures(
    conn: &mut PgConnection,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<Figures>>, Error> {
    let ids: Vec<Uuid> = customers.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"select customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at
           from analytics.customer_figure where customer_id = any($1)
           order by customer_id, currency collate "C""#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    let mut figures: HashMap<CustomerId, Vec<Figures>> = HashMap::new();
    for row in rows {
        figures.entry(row.customer_id.into()).or_default().push(Figures {
            currency: currency("customer_figure", &row.currency)?,
            orders: row.orders,
            gross_minor: row.gross_minor,
            refund_minor: row.refund_minor,
            first_purchase_at: row.first_purchase_at,
            last_purchase_at: row.last_purchase_at,
        });
    }
    Ok(figures)
}

/// Notes what is being told, and gives those states that are others than before, with their versions.
pub(crate) async fn note(conn: &mut PgConnection, states: Vec<(Partition, Told)>) -> Result<Vec<(Told, i64)>, Error> {
    let rows = sqlx::query!(
        "insert into analytics.customer_told as t (customer_id, partition, version, figures)
         select f.customer_id, f.partition, 1, f.figures
         from unnest($1::uuid[], $2::smallint[], $3::bytea[]) as f(customer_id, partition, figures)
         order by f.customer_id
         on conflict (customer_id) do update set version = t.version + 1, figures = excluded.figures
            where t.figures <> excluded.figures
         returning customer_id, version",
        &states.iter().map(|(_, told)| told.customer.uuid()).collect::<Vec<_>>(),
        &states.iter().map(|(partition, _)| partition.number()).collect::<Vec<_>>(),
        &states.iter().map(|(_, told)| told.bytes()).collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await?;
    let versions: HashMap<Uuid, i64> = rows.into_iter().map(|row| (row.customer_id, row.version)).collect();
    let version = |told: &Told| versions.get(&told.customer.uuid()).copied();
    Ok(states.into_iter().filter_map(|(_, told)| version(&told).map(|version| (told, version))).collect())
}
