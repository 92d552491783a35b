//! Phones, e-mail addresses and the keys they are compared by.

use std::collections::{BTreeMap, HashSet};

use clientele_platform::column;
use clientele_platform::postgres::assert_rows;
use sqlx::PgConnection;
use uuid::Uuid;

use super::customer::Change;
use crate::Error;
use crate::domain::contact::{Email, Phone};
use crate::domain::customer::Customer;

/// The two kinds of contact points.
pub(crate) const PHONE: &str = "phone";
pub(crate) const EMAIL: &str = "email";

/// What two contact points are compared by.
type Key = (&'static str, String);

struct Point<'a> {
    id: Uuid,
    customer_id: Uuid,
    kind: &'static str,
    ordinal: i32,
    typed: &'a str,
    key: String,
    e164: Option<&'a str>,
    label: &'a str,
}

fn points(customer: &Customer) -> impl Iterator<Item = Point<'_>> {
    let customer_id = customer.id.uuid();
    let phones = customer.phones.iter().zip(0..).map(move |(Phone { id, number }, ordinal)| Point {
        id: id.uuid(),
        customer_id,
        kind: PHONE,
        ordinal,
        typed: number.typed(),
        key: number.key(),
        e164: number.e164(),
        label: number.label(),
    });
    let emails = customer.emails.iter().zip(0..).map(move |(Email { id, address }, ordinal)| Point {
        id: id.uuid(),
        customer_id,
        kind: EMAIL,
        ordinal,
        typed: address.typed(),
        key: address.key(),
        e164: None,
        label: "",
    });
    phones.chain(emails)
}

fn keys(customer: &Customer) -> HashSet<Key> {
    points(customer).map(|point| (point.kind, point.key)).collect()
}

/// Writes the contact points of the customers whose contact points changed, and counts their keys anew.
pub(super) async fn save(conn: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), Error> {
    let affected: Vec<&Change<'_>> = changes
        .iter()
        .filter(|c| c.before.is_none_or(|before| before.phones != c.after.phones || before.emails != c.after.emails))
        .collect();
    count_keys(conn, &affected).await?;
    let known: Vec<Uuid> = affected.iter().filter(|c| c.before.is_some()).map(|c| c.after.id.uuid()).collect();
    if !known.is_empty() {
        sqlx::query!("delete from customers.contact_point where customer_id = any($1)", &known)
            .execute(&mut *conn)
            .await?;
    }
    insert(conn, affected.iter().flat_map(|c| points(c.after)).collect()).await
}

async fn insert(conn: &mut PgConnection, points: Vec<Point<'_>>) -> Result<(), Error> {
    if points.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "insert into customers.contact_point (id, customer_id, kind, ordinal, typed, key, e164, label)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[])",
        column!(points, p => p.id),
        column!(points, p => p.customer_id),
        column!(points, p => p.kind.to_owned()),
        column!(points, p => p.ordinal),
        column!(points, p => p.typed.to_owned()),
        column!(points, p => p.key.clone()),
        column!(points, p => p.e164.map(str::to_owned)) as &[Option<String>],
        column!(points, p => p.label.to_owned()),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), points.len())?)
}

/// Raises and lowers how many customers have each key.
async fn count_keys(conn: &mut PgConnection, changes: &[&Change<'_>]) -> Result<(), Error> {
    let mut differences: BTreeMap<Key, i32> = BTreeMap::new();
    for change in changes {
        for key in keys(change.after) {
            *differences.entry(key).or_default() += 1;
        }
        for key in change.before.map(keys).unwrap_or_default() {
            *differences.entry(key).or_default() -= 1;
        }
    }
    differences.retain(|_, difference| *difference != 0);
    if differences.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = differences.keys().map(|(kind, _)| (*kind).to_owned()).collect();
    let keys: Vec<String> = differences.keys().map(|(_, key)| key.clone()).collect();
    let raises: Vec<i32> = differences.values().map(|difference| (*difference).max(0)).collect();
    // All rows are locked here, those to be lowered included, in the order of the map: the same for every writer.
    let done = sqlx::query!(
        "insert into customers.contact_key (kind, key, customers)
         select * from unnest($1::text[], $2::text[], $3::integer[])
         on conflict (kind, key) do update set customers = contact_key.customers + excluded.customers",
        &kinds,
        &keys,
        &raises,
    )
    .execute(&mut *conn)
    .await?;
    assert_rows(done.rows_affected(), differences.len())?;

    differences.retain(|_, difference| *difference < 0);
    if differences.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = differences.keys().map(|(kind, _)| (*kind).to_owned()).collect();
    let keys: Vec<String> = differences.keys().map(|(_, key)| key.clone()).collect();
    let falls: Vec<i32> = differences.values().copied().collect();
    let done = sqlx::query!(
        "update customers.contact_key k set customers = k.customers + d.difference
         from unnest($1::text[], $2::text[], $3::integer[]) as d(kind, key, difference)
         where k.kind = d.kind and k.key = d.key",
        &kinds,
        &keys,
        &falls,
    )
    .execute(&mut *conn)
    .await?;
    assert_rows(done.rows_affected(), differences.len())?;
    sqlx::query!(
        "delete from customers.contact_key k using unnest($1::text[], $2::text[]) as d(kind, key)
         where k.kind = d.kind and k.key = d.key and k.customers = 0",
        &kinds,
        &keys,
    )
    .execute(conn)
    .await?;
    Ok(())
}
