//! Adds changes to the sums. Rows are locked in the order of their keys, table by table, so that two transactions never
//! wait for each other in a circle.

use std::collections::BTreeMap;

use clientele_kernel::{Currency, CustomerId, Partition};
use clientele_platform::column;
use sqlx::PgConnection;

use crate::Error;
use crate::domain::Changes;
use crate::domain::change::FigureChange;

/// Adds the changes to all sums; those of the company go to the rows of this partition of the feed, which somebody else
/// hardly writes at the same time.
pub(crate) async fn add(conn: &mut PgConnection, changes: &Changes, partition: Partition) -> Result<(), Error> {
    let buyers = figures(conn, &changes.figures).await?;
    purchase_bounds(conn, &changes.figures).await?;
    months(conn, changes).await?;
    products(conn, changes).await?;
    company_months(conn, changes, partition).await?;
    company_totals(conn, changes, buyers, partition).await
}

/// How the numbers of customers with at least one and at least two orders change.
#[derive(Debug, Default, Clone, Copy)]
struct Buyers {
    paying: i64,
    repeat: i64,
}

async fn figures(
    conn: &mut PgConnection,
    changes: &BTreeMap<(CustomerId, Currency), FigureChange>,
) -> Result<BTreeMap<Currency, Buyers>, Error> {
    let mut buyers: BTreeMap<Currency, Buyers> = BTreeMap::new();
    if changes.is_empty() {
        return Ok(buyers);
    }
    let rows = sqlx::query!(
        "insert into analytics.customer_figure as f
            (customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                              $7::timestamptz[])
         on conflict (customer_id, currency) do update
            set orders = f.orders + excluded.orders,
                gross_minor = f.gross_minor + excluded.gross_minor,
                refund_minor = f.refund_minor + excluded.refund_minor,
                first_purchase_at = least(f.first_purchase_at, excluded.first_purchase_at),
                last_purchase_at = greatest(f.last_purchase_at, excluded.last_purchase_at)
         returning customer_id, currency, orders",
        column!(changes, ((customer, _), _) => customer.uuid()),
        column!(changes, ((_, currency), _) => currency.code().to_owned()),
        column!(changes, (_, change) => change.sums.orders),
        column!(changes, (_, change) => change.sums.gross_minor),
        column!(changes, (_, change) => change.sums.refund_minor),
        column!(changes, (_, change) => change.first) as &[Option<chrono::DateTime<chrono::Utc>>],
        column!(changes, (_, change) => change.last) as &[Option<chrono::DateTime<chrono::Utc>>],
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let currency = super::currency("customer_figure", &row.currency)?;
        let Some(change) = changes.get(&(row.customer_id.into(), currency)) else { continue };
        let before = row.orders - change.sums.orders;
        let crossed = |bound: i64| i64::from(row.orders >= bound) - i64::from(before >= bound);
        let sum = buyers.entry(currency).or_default();
        sum.paying += crossed(1);
        sum.repeat += crossed(2);
    }
    Ok(buyers)
}

/// Looks up first and last purchase where one was taken off. A statement of its own: it must see what others have
/// committed before the lock on the figures was ours.
async fn purchase_bounds(
    conn: &mut PgConnection,
    changes: &BTreeMap<(CustomerId, Currency), FigureChange>,
) -> Result<(), Error> {
    let lost: Vec<_> = changes.iter().filter(|(_, change)| change.purchase_lost).map(|(key, _)| *key).collect();
    if lost.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update analytics.customer_figure f
         set first_purchase_at = (
                select d.occurred_at from analytics.document d
                where d.customer_id = f.customer_id and d.currency = f.currency and d.counts and d.kind = 'order'
                order by d.occurred_at limit 1),
             last_purchase_at = (
                select d.occurred_at from analytics.document d
                where d.customer_id = f.customer_id and d.currency = f.currency and d.counts and d.kind = 'order'
                order by d.occurred_at desc limit 1)
         from unnest($1::uuid[], $2::text[]) as k(customer_id, currency)
         where f.customer_id = k.customer_id and f.currency = k.currency",
        column!(lost, (customer, _) => customer.uuid()),
        column!(lost, (_, currency) => currency.code().to_owned()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn months(conn: &mut PgConnection, changes: &Changes) -> Result<(), Error> {
    if changes.months.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into analytics.customer_month as m (customer_id, currency, month, orders, gross_minor, refund_minor)
         select * from unnest($1::uuid[], $2::text[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[])
         on conflict (customer_id, currency, month) do update
            set orders = m.orders + excluded.orders,
                gross_minor = m.gross_minor + excluded.gross_minor,
                refund_minor = m.refund_minor + excluded.refund_minor",
        column!(changes.months, ((customer, _, _), _) => customer.uuid()),
        column!(changes.months, ((_, currency, _), _) => currency.code().to_owned()),
        column!(changes.months, ((_, _, month), _) => month.first_day()),
        column!(changes.months, (_, sums) => sums.orders),
        column!(changes.months, (_, sums) => sums.gross_minor),
        column!(changes.months, (_, sums) => sums.refund_minor),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn products(conn: &mut PgConnection, changes: &Changes) -> Result<(), Error> {
    if changes.products.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into analytics.customer_product as p (customer_id, currency, product_id, unit_milli, amount_minor)
         select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[])
         on conflict (customer_id, currency, product_id) do update
            set unit_milli = p.unit_milli + excluded.unit_milli,
                amount_minor = p.amount_minor + excluded.amount_minor",
        column!(changes.products, ((customer, _, _), _) => customer.uuid()),
        column!(changes.products, ((_, currency, _), _) => currency.code().to_owned()),
        column!(changes.products, ((_, _, product), _) => product.uuid()),
        column!(changes.products, (_, sums) => sums.unit_milli),
        column!(changes.products, (_, sums) => sums.amount_minor),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn company_months(conn: &mut PgConnection, changes: &Changes, partition: Partition) -> Result<(), Error> {
    if changes.company_months.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into analytics.company_month as m
            (currency, known, month, partition, orders, gross_minor, refund_minor)
         select f.currency, f.known, f.month, $4, f.orders, f.gross_minor, f.refund_minor
         from unnest($1::text[], $2::boolean[], $3::date[], $5::bigint[], $6::bigint[], $7::bigint[])
              as f(currency, known, month, orders, gross_minor, refund_minor)
         on conflict (currency, known, month, partition) do update
            set orders = m.orders + excluded.orders,
                gross_minor = m.gross_minor + excluded.gross_minor,
                refund_minor = m.refund_minor + excluded.refund_minor",
        column!(changes.company_months, ((currency, _, _), _) => currency.code().to_owned()),
        column!(changes.company_months, ((_, known, _), _) => *known),
        column!(changes.company_months, ((_, _, month), _) => month.first_day()),
        partition.number(),
        column!(changes.company_months, (_, sums) => sums.orders),
        column!(changes.company_months, (_, sums) => sums.gross_minor),
        column!(changes.company_months, (_, sums) => sums.refund_minor),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn company_totals(
    conn: &mut PgConnection,
    changes: &Changes,
    buyers: BTreeMap<Currency, Buyers>,
    partition: Partition,
) -> Result<(), Error> {
    let mut totals: BTreeMap<(Currency, bool), (Buyers, i64)> = BTreeMap::new();
    for (currency, buyers) in buyers {
        totals.entry((currency, true)).or_default().0 = buyers;
    }
    for (key, minor) in &changes.adjustments {
        totals.entry(*key).or_default().1 = *minor;
    }
    totals.retain(|_, (buyers, adjustment)| buyers.paying != 0 || buyers.repeat != 0 || *adjustment != 0);
    if totals.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into analytics.company_total as t
            (currency, known, partition, paying_customers, repeat_customers, adjustment_minor)
         select f.currency, f.known, $3, f.paying_customers, f.repeat_customers, f.adjustment_minor
         from unnest($1::text[], $2::boolean[], $4::bigint[], $5::bigint[], $6::bigint[])
              as f(currency, known, paying_customers, repeat_customers, adjustment_minor)
         on conflict (currency, known, partition) do update
            set paying_customers = t.paying_customers + excluded.paying_customers,
                repeat_customers = t.repeat_customers + excluded.repeat_customers,
                adjustment_minor = t.adjustment_minor + excluded.adjustment_minor",
        column!(totals, ((currency, _), _) => currency.code().to_owned()),
        column!(totals, ((_, known), _) => *known),
        partition.number(),
        column!(totals, (_, (buyers, _)) => buyers.paying),
        column!(totals, (_, (buyers, _)) => buyers.repeat),
        column!(totals, (_, (_, adjustment)) => *adjustment),
    )
    .execute(conn)
    .await?;
    Ok(())
}
