//! Figures of customers, read.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use clientele_kernel::{Currency, CustomerId, Partition};
use clientele_platform::postgres::Error as StorageError;
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::currency;
use crate::Error;
use crate::domain::metric::{CurrencyMetrics, CustomerFigures, CustomerMetrics, Favourite, FigureKey, MonthFigures};
use crate::domain::{Figures, Month};

/// A month of sums, as the database puts it into JSON.
#[derive(Debug, Deserialize)]
pub(super) struct MonthRow {
    month: NaiveDate,
    orders: i64,
    gross_minor: i64,
    refund_minor: i64,
}

#[derive(Debug, Deserialize)]
struct FavouriteRow {
    name: String,
    product_id: Option<Uuid>,
    unit_milli: i64,
    amount_minor: i64,
}

/// The figures of a customer in each currency, largest gross first, in one statement. Months are those with sales or
/// refunds among the twelve that end with `present` or with the last such month, whichever is earlier, and any later.
pub(crate) async fn get(pool: &PgPool, customer: CustomerId, present: Month) -> Result<CustomerMetrics, Error> {
    let rows = sqlx::query!(
        r#"select a.as_of as "as_of?", f.currency as "currency?", f.orders as "orders?",
                  f.gross_minor as "gross_minor?", f.refund_minor as "refund_minor?",
                  f.first_purchase_at as "first_purchase_at?", f.last_purchase_at as "last_purchase_at?",
                  m.months as "months: Json<Vec<MonthRow>>", p.favourites as "favourites: Json<Vec<FavouriteRow>>"
           from (select max(recorded_at) as as_of from analytics.cursor where consumer = $3 and partition = $4) a
           left join analytics.customer_figure f on f.customer_id = $1 and (f.orders <> 0 or f.refund_minor <> 0)
           left join lateral (
                select coalesce(json_agg(row_to_json(m) order by m.month), '[]') as months
                from analytics.customer_month m
                where m.customer_id = f.customer_id and m.currency = f.currency
                  and (m.orders <> 0 or m.refund_minor <> 0)
                  and m.month > least($2::date, (
                        select max(l.month) from analytics.customer_month l
                        where l.customer_id = f.customer_id and l.currency = f.currency
                          and (l.orders <> 0 or l.refund_minor <> 0))) - interval '12 months') m on true
           left join lateral (
                with bought as (
                    select b.product_id, b.unit_milli, b.amount_minor, coalesce(p.category, '') as category,
                           coalesce(nullif(p.name, ''), p.sku, '') as name
                    from analytics.customer_product b
                    left join analytics.product p on p.product_id = b.product_id
                    where b.customer_id = f.customer_id and b.currency = f.currency
                      and (b.unit_milli <> 0 or b.amount_minor <> 0)),
                favourite as (
                    select category as name, null::uuid as product_id, sum(unit_milli)::bigint as unit_milli,
                           sum(amount_minor)::bigint as amount_minor
                    from bought where category <> '' group by category
                    union all
                    select name, product_id, unit_milli, amount_minor
                    from bought where not exists (select from bought where category <> ''))
                select coalesce(json_agg(row_to_json(v)
                                order by v.unit_milli desc, v.amount_minor desc, v.name collate "C", v.product_id), '[]')
                       as favourites
                from (
                    select * from favourite where unit_milli > 0
                    order by unit_milli desc, amount_minor desc, name collate "C", product_id
                    limit 7) v) p on true
           order by f.gross_minor desc, f.currency collate "C""#,
        customer.uuid(),
        present.first_day(),
        crate::ORDERS_CONSUMER,
        Partition::of(customer.uuid()).number(),
    )
    .fetch_all(pool)
    .await?;
    let as_of = rows.first().and_then(|row| row.as_of);
    let mut currencies = Vec::with_capacity(rows.len());
    for row in rows {
        // Without figures there is one row, which brings the moment alone.
        let (Some(code), Some(orders), Some(gross_minor), Some(refund_minor)) =
            (row.currency, row.orders, row.gross_minor, row.refund_minor)
        else {
            continue;
        };
        let figures = Figures {
            currency: currency("customer_figure", &code)?,
            orders,
            gross_minor,
            refund_minor,
            first_purchase_at: row.first_purchase_at,
            last_purchase_at: row.last_purchase_at,
        };
        let months = row.months.map(|rows| rows.0).unwrap_or_default().into_iter().map(MonthFigures::from).collect();
        let favourites =
            row.favourites.map(|rows| rows.0).unwrap_or_default().into_iter().map(Favourite::from).collect();
        currencies.push(CurrencyMetrics { figures, months, favourites });
    }
    Ok(CustomerMetrics { customer, currencies, as_of })
}

impl From<MonthRow> for MonthFigures {
    fn from(row: MonthRow) -> Self {
        Self {
            month: Month::containing(row.month),
            orders: row.orders,
            gross_minor: row.gross_minor,
            refund_minor: row.refund_minor,
        }
    }
}

impl From<FavouriteRow> for Favourite {
    fn from(row: FavouriteRow) -> Self {
        Self {
            name: row.name,
            product: row.product_id.map(Into::into),
            unit_milli: row.unit_milli,
            amount_minor: row.amount_minor,
        }
    }
}

struct FigureRow {
    customer_id: Uuid,
    currency: String,
    orders: i64,
    gross_minor: i64,
    refund_minor: i64,
    first_purchase_at: Option<DateTime<Utc>>,
    last_purchase_at: Option<DateTime<Utc>>,
}

impl TryFrom<FigureRow> for CustomerFigures {
    type Error = StorageError;

    fn try_from(row: FigureRow) -> Result<Self, StorageError> {
        let figures = Figures {
            currency: currency("customer_figure", &row.currency)?,
            orders: row.orders,
            gross_minor: row.gross_minor,
            refund_minor: row.refund_minor,
            first_purchase_at: row.first_purchase_at,
            last_purchase_at: row.last_purchase_at,
        };
        Ok(Self { customer: row.customer_id.into(), figures })
    }
}

/// The figures of several customers, without months and favourites, one entry for each id, in the order asked.
pub(crate) async fn batch_get(pool: &PgPool, customers: &[CustomerId]) -> Result<Vec<CustomerMetrics>, Error> {
    // Read before the figures, which may count more than it says but never less.
    let progress = super::progress::of(pool, crate::ORDERS_CONSUMER).await?;
    let ids: Vec<Uuid> = customers.iter().map(|customer| customer.uuid()).collect();
    let rows = sqlx::query_as!(
        FigureRow,
        r#"select customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at
           from analytics.customer_figure
           where customer_id = any($1) and (orders <> 0 or refund_minor <> 0)
           order by customer_id, gross_minor desc, currency collate "C""#,
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let mut found: HashMap<CustomerId, Vec<CurrencyMetrics>> = HashMap::new();
    for row in rows {
        let CustomerFigures { customer, figures } = row.try_into()?;
        let metrics = CurrencyMetrics { figures, months: Vec::new(), favourites: Vec::new() };
        found.entry(customer).or_default().push(metrics);
    }
    let metrics = |customer: &CustomerId| CustomerMetrics {
        customer: *customer,
        currencies: found.get(customer).cloned().unwrap_or_default(),
        as_of: progress.get(&Partition::of(customer.uuid())).copied(),
    };
    Ok(customers.iter().map(metrics).collect())
}

/// Customers with their figures in one currency, by gross falling; those of equal gross by id falling.
pub(crate) async fn list_by_gross(
    pool: &PgPool,
    currency: Currency,
    after: Option<FigureKey>,
    limit: u32,
) -> Result<Vec<CustomerFigures>, Error> {
    let (gross_minor, customer) = after.map_or((i64::MAX, Uuid::max()), |key| (key.gross_minor, key.customer));
    let rows = sqlx::query_as!(
        FigureRow,
        "select customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at
         from analytics.customer_figure
         where currency = $1 and (orders <> 0 or refund_minor <> 0) and (gross_minor, customer_id) < ($2, $3)
         order by gross_minor desc, customer_id desc
         limit $4",
        currency.code(),
        gross_minor,
        customer,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| row.try_into().map_err(Error::Storage)).collect()
}

/// Customers with their figures, by id, then currency; of one currency or of all.
pub(crate) async fn list_by_customer(
    pool: &PgPool,
    currency: Option<Currency>,
    after: Option<FigureKey>,
    limit: u32,
) -> Result<Vec<CustomerFigures>, Error> {
    let (customer, after_currency) = after.map_or((Uuid::nil(), String::new()), |key| (key.customer, key.currency));
    let rows = sqlx::query_as!(
        FigureRow,
        "select customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at
         from analytics.customer_figure
         where (customer_id, currency) > ($2, $3) and ($1::text is null or currency = $1)
           and (orders <> 0 or refund_minor <> 0)
         order by customer_id, currency
         limit $4",
        currency.map(Currency::code),
        customer,
        after_currency,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| row.try_into().map_err(Error::Storage)).collect()
}
