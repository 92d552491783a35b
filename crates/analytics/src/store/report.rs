//! Figures of the whole company, read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::Currency;
use sqlx::PgPool;
use sqlx::types::Json;

use super::currency;
use super::metric::MonthRow;
use crate::Error;
use crate::domain::Figures;
use crate::domain::metric::MonthFigures;
use crate::domain::report::{CurrencySales, SalesSummary};

/// Sales and refunds of all customers together, from the sums and the ends of an index: what it costs
/// does not depend on the number of orders.
pub(crate) async fn sales_summary(pool: &PgPool) -> Result<SalesSummary, Error> {
    // Read before the sums, which may count more than it says but never less.
    let as_of = super::progress::of(pool, crate::ORDERS_CONSUMER).await?.into_values().min();
    let rows = sqlx::query!(
        r#"with side as (
               select currency, known from analytics.company_month
               union
               select currency, known from analytics.company_total)
           select s.currency as "currency!", s.known as "known!",
                  m.months as "months!: Json<Vec<MonthRow>>",
                  t.paying_customers as "paying_customers!", t.repeat_customers as "repeat_customers!",
                  t.adjustment_minor as "adjustment_minor!",
                  (select d.occurred_at from analytics.document d
                   where d.currency = s.currency and (d.customer_id is not null) = s.known and d.counts
                     and d.kind = 'order'
                   order by d.occurred_at limit 1) as first_purchase_at,
                  (select d.occurred_at from analytics.document d
                   where d.currency = s.currency and (d.customer_id is not null) = s.known and d.counts
                     and d.kind = 'order'
                   order by d.occurred_at desc limit 1) as last_purchase_at
           from side s
           cross join lateral (
                select coalesce(json_agg(row_to_json(v) order by v.month), '[]') as months
                from (
                    select month, sum(orders)::bigint as orders, sum(gross_minor)::bigint as gross_minor,
                           sum(refund_minor)::bigint as refund_minor
                    from analytics.company_month
                    where currency = s.currency and known = s.known
                    group by month
                    having sum(orders) <> 0 or sum(refund_minor) <> 0) v) m
           cross join lateral (
                select coalesce(sum(paying_customers), 0)::bigint as paying_customers,
                       coalesce(sum(repeat_customers), 0)::bigint as repeat_customers,
                       coalesce(sum(adjustment_minor), 0)::bigint as adjustment_minor
                from analytics.company_total
                where currency = s.currency and known = s.known) t"#,
    )
    .fetch_all(pool)
    .await?;

    let mut found: BTreeMap<Currency, CurrencySales> = BTreeMap::new();
    for row in rows {
        let currency = currency("company_month", &row.currency)?;
        let sales = found.entry(currency).or_insert_with(|| none(currency));
        let months = row.months.0.into_iter().map(MonthFigures::from).collect::<Vec<_>>();
        let figures = total(currency, &months, row.first_purchase_at, row.last_purchase_at)?;
        sales.paying_customers += row.paying_customers;
        sales.repeat_customers += row.repeat_customers;
        sales.adjustment_minor = sales.adjustment_minor.saturating_add(row.adjustment_minor);
        if row.known {
            sales.known = figures;
            sales.months = months;
        } else {
            sales.anonymous = figures;
        }
    }
    // A currency whose every order was taken back out leaves sums of zero behind.
    found.retain(|currency, sales| *sales != none(*currency));
    Ok(SalesSummary { currencies: found.into_values().collect(), as_of })
}

fn none(currency: Currency) -> CurrencySales {
    CurrencySales {
        known: Figures::none(currency),
        anonymous: Figures::none(currency),
        paying_customers: 0,
        repeat_customers: 0,
        months: Vec::new(),
        adjustment_minor: 0,
    }
}

fn total(
    currency: Currency,
    months: &[MonthFigures],
    first_purchase_at: Option<DateTime<Utc>>,
    last_purchase_at: Option<DateTime<Utc>>,
) -> Result<Figures, Error> {
    let sum = |amount: fn(&MonthFigures) -> i64| {
        let total = months.iter().map(amount).try_fold(0_i64, i64::checked_add);
        total.ok_or_else(|| clientele_kernel::Error::internal(format!("the sales in {currency} leave 64 bits")))
    };
    Ok(Figures {
        currency,
        orders: sum(|month| month.orders)?,
        gross_minor: sum(|month| month.gross_minor)?,
        refund_minor: sum(|month| month.refund_minor)?,
        first_purchase_at,
        last_purchase_at,
    })
}
