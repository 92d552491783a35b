//! What rules may ask of customers. A customer's row is the lock under which its memberships are decided; rows are locked
//! in the order of ids.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId};
use clientele_platform::column;
use clientele_platform::postgres::{Error as StorageError, assert_rows};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::domain::person::{Facts, Figure, Kind, Person};

/// Versions of what is known of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    /// 0 while no facts are known.
    pub(crate) facts: i64,
    pub(crate) figures: i64,
    /// As of when both are known.
    pub(crate) known_at: Option<DateTime<Utc>>,
}

/// Sees to it that the customers have rows.
pub(crate) async fn ensure(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.customer (customer_id, facts_version, figures_version)
         select u.id, 0, 0 from unnest($1::uuid[]) as u(id) order by u.id
         on conflict do nothing",
        &uuids(ids),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the customers until the transaction ends; those without a row are left out.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<BTreeMap<CustomerId, Versions>, Error> {
    let rows = sqlx::query!(
        "select customer_id, facts_version, figures_version, known_at from campaigns.customer
         where customer_id = any($1)
         order by customer_id
         for update",
        &uuids(ids),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let versions = Versions { facts: row.facts_version, figures: row.figures_version, known_at: row.known_at };
            (row.customer_id.into(), versions)
        })
        .collect())
}

/// Locks those of the customers whose facts are known and that nobody else works on at the moment.
pub(crate) async fn lock_free(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
    let locked = sqlx::query_scalar!(
        "select customer_id from campaigns.customer
         where customer_id = any($1) and facts_version > 0
         order by customer_id
         for update skip locked",
        &uuids(ids),
    )
    .fetch_all(conn)
    .await?;
    Ok(locked.into_iter().map(CustomerId::from).collect())
}

/// The customers whose facts are known and whose ids follow, in their order; at most `limit`. They are not locked: one
/// that is deleted while it is waited for would make the page look like the last.
pub(crate) async fn after(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<CustomerId>, Error> {
    let ids = sqlx::query_scalar!(
        "select customer_id from campaigns.customer
         where customer_id > $1 and facts_version > 0
         order by customer_id
         limit $2",
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CustomerId::from).collect())
}

/// About how many customers there are, by the planner's estimate: counting a large base takes longer than a statement may.
pub(crate) async fn estimate(conn: &mut PgConnection) -> Result<i64, Error> {
    let number = sqlx::query_scalar!(
        r#"select greatest(reltuples, 0)::bigint as "number!" from pg_catalog.pg_class
           where oid = 'campaigns.customer'::regclass"#
    )
    .fetch_one(conn)
    .await?;
    Ok(number)
}

struct Row {
    customer_id: Uuid,
    kind: String,
    country: Option<String>,
    store_id: Option<Uuid>,
    manager_id: Option<Uuid>,
    registered_at: DateTime<Utc>,
    has_phone: bool,
    has_email: bool,
}

/// Those of the customers whose facts are known.
pub(crate) async fn get(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<Vec<Person>, Error> {
    let ids = uuids(ids);
    let rows = sqlx::query_as!(
        Row,
        r#"select customer_id, kind as "kind!", country, store_id, manager_id, registered_at as "registered_at!",
                  has_phone as "has_phone!", has_email as "has_email!"
           from campaigns.customer
           where customer_id = any($1) and facts_version > 0
           order by customer_id"#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let figures = sqlx::query!(
        "select customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at
         from campaigns.figure
         where customer_id = any($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let mut by_customer: HashMap<Uuid, BTreeMap<Currency, Figure>> = HashMap::new();
    for row in figures {
        let currency = Currency::from_code(&row.currency)
            .ok_or_else(|| StorageError::corrupt("figure", format!("currency `{}`", row.currency)))?;
        let figure = Figure {
            orders: row.orders,
            gross_minor: row.gross_minor,
            refund_minor: row.refund_minor,
            first_purchase_at: row.first_purchase_at,
            last_purchase_at: row.last_purchase_at,
        };
        by_customer.entry(row.customer_id).or_default().insert(currency, figure);
    }
    rows.into_iter()
        .map(|row| {
            let kind = Kind::parse(&row.kind)
                .ok_or_else(|| StorageError::corrupt("customer", format!("kind `{}`", row.kind)))?;
            let facts = Facts {
                kind,
                country: row.country,
                store: row.store_id.map(Into::into),
                manager: row.manager_id.map(Into::into),
                registered_at: row.registered_at,
                has_phone: row.has_phone,
                has_email: row.has_email,
            };
            let figures = by_customer.remove(&row.customer_id).unwrap_or_default();
            Ok(Person { id: row.customer_id.into(), facts, figures })
        })
        .collect()
}

/// Facts of a customer as of a version of its record.
#[derive(Debug, Clone)]
pub(crate) struct NewFacts {
    pub(crate) customer: CustomerId,
    pub(crate) version: i64,
    pub(crate) facts: Facts,
    /// As of when.
    pub(crate) at: DateTime<Utc>,
}

/// Writes the facts of customers that have rows.
pub(crate) async fn put_facts(conn: &mut PgConnection, new: &[NewFacts]) -> Result<(), Error> {
    let done = sqlx::query!(
        "update campaigns.customer c
         set facts_version = u.version, kind = u.kind, country = u.country, store_id = u.store_id,
             manager_id = u.manager_id, registered_at = u.registered_at, has_phone = u.has_phone,
             has_email = u.has_email, known_at = greatest(c.known_at, u.at)
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                     $8::boolean[], $9::boolean[], $10::timestamptz[])
              as u(id, version, kind, country, store_id, manager_id, registered_at, has_phone, has_email, at)
         where c.customer_id = u.id",
        column!(new, n => n.customer.uuid()),
        column!(new, n => n.version),
        column!(new, n => n.facts.kind.as_str().to_owned()),
        column!(new, n => n.facts.country.clone()) as &[Option<String>],
        column!(new, n => n.facts.store.map(Uuid::from)) as &[Option<Uuid>],
        column!(new, n => n.facts.manager.map(Uuid::from)) as &[Option<Uuid>],
        column!(new, n => n.facts.registered_at),
        column!(new, n => n.facts.has_phone),
        column!(new, n => n.facts.has_email),
        column!(new, n => n.at),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), new.len())?)
}

/// All figures of a customer as of a version of them.
#[derive(Debug, Clone)]
pub(crate) struct NewFigures {
    pub(crate) customer: CustomerId,
    pub(crate) version: i64,
    pub(crate) figures: BTreeMap<Currency, Figure>,
    /// As of when.
    pub(crate) at: DateTime<Utc>,
}

/// Writes the figures of customers that have rows, in the place of those there are.
pub(crate) async fn put_figures(conn: &mut PgConnection, new: &[NewFigures]) -> Result<(), Error> {
    let customers: Vec<Uuid> = new.iter().map(|n| n.customer.uuid()).collect();
    let done = sqlx::query!(
        "update campaigns.customer c set figures_version = u.version, known_at = greatest(c.known_at, u.at)
         from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as u(id, version, at)
         where c.customer_id = u.id",
        &customers,
        column!(new, n => n.version),
        column!(new, n => n.at),
    )
    .execute(&mut *conn)
    .await?;
    assert_rows(done.rows_affected(), new.len())?;

    let rows: Vec<(Uuid, Currency, Figure)> =
        new.iter().flat_map(|n| n.figures.iter().map(|(currency, f)| (n.customer.uuid(), *currency, *f))).collect();
    sqlx::query!(
        "delete from campaigns.figure f
         where f.customer_id = any($1)
           and not exists (select from unnest($2::uuid[], $3::text[]) as u(id, currency)
                           where u.id = f.customer_id and u.currency = f.currency)",
        &customers,
        column!(rows, (customer, ..) => *customer),
        column!(rows, (_, currency, _) => currency.code().to_owned()),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into campaigns.figure
            (customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                              $7::timestamptz[])
         on conflict (customer_id, currency) do update
            set orders = excluded.orders, gross_minor = excluded.gross_minor, refund_minor = excluded.refund_minor,
                first_purchase_at = excluded.first_purchase_at, last_purchase_at = excluded.last_purchase_at",
        column!(rows, (customer, ..) => *customer),
        column!(rows, (_, currency, _) => currency.code().to_owned()),
        column!(rows, (.., figure) => figure.orders),
        column!(rows, (.., figure) => figure.gross_minor),
        column!(rows, (.., figure) => figure.refund_minor),
        column!(rows, (.., figure) => figure.first_purchase_at) as &[Option<DateTime<Utc>>],
        column!(rows, (.., figure) => figure.last_purchase_at) as &[Option<DateTime<Utc>>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets all that is known of the customers, and to which segments they ever belonged.
pub(crate) async fn forget(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<(), Error> {
    let ids = uuids(ids);
    sqlx::query!("delete from campaigns.membership where customer_id = any($1)", &ids).execute(&mut *conn).await?;
    sqlx::query!("delete from campaigns.customer where customer_id = any($1)", &ids).execute(conn).await?;
    Ok(())
}

/// Notes that the customers were deleted, so that nothing told later brings them back.
pub(crate) async fn bury(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.customer_gone (customer_id)
         select u.id from unnest($1::uuid[]) as u(id) order by u.id
         on conflict do nothing",
        &uuids(ids),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the customers who were deleted.
pub(crate) async fn gone(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
    let gone = sqlx::query_scalar!(
        "select customer_id from campaigns.customer_gone where customer_id = any($1)",
        &uuids(ids),
    )
    .fetch_all(conn)
    .await?;
    Ok(gone.into_iter().map(CustomerId::from).collect())
}

/// Ids as the database takes them.
pub(super) fn uuids(ids: &[CustomerId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}
