//! Reads customers, writes created and changed ones, many at a time.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Reference};
use clientele_platform::column;
use clientele_platform::postgres::{Error as StorageError, assert_rows};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{contact, reference};
use crate::Error;
use crate::domain::contact::{Address, Email, MOST_PHONES, Phone, PhoneNumber};
use crate::domain::customer::{Customer, Kind};
use crate::domain::duplicate::{MOST_COUNTED, View};
use crate::domain::search;

struct CustomerRow {
    id: Uuid,
    kind: String,
    display_name: String,
    country: String,
    manager_id: Option<Uuid>,
    store_id: Option<Uuid>,
    registered_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    phone_count: i32,
    contact_points: Json<Vec<ContactPointRow>>,
    references: Json<Vec<ReferenceRow>>,
    duplicates: i64,
}

#[derive(Deserialize)]
struct ContactPointRow {
    id: Uuid,
    kind: String,
    typed: String,
    e164: Option<String>,
    label: String,
    duplicates: i64,
}

#[derive(Deserialize)]
struct ReferenceRow {
    source: String,
    external_id: String,
}

/// Those of the customers that exist, in the order asked, with duplicate marks and the first `phones` of their phones.
pub(crate) async fn views(
    executor: impl PgExecutor<'_>,
    ids: &[CustomerId],
    phones: usize,
) -> Result<Vec<View>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        CustomerRow,
        r#"
        select c.id, c.kind, c.display_name, c.country, c.manager_id, c.store_id, c.registered_at, c.created_at,
               c.updated_at, c.version, c.phone_count,
               coalesce((
                   select json_agg(json_build_object('id', p.id, 'kind', p.kind, 'typed', p.typed, 'e164', p.e164,
                                                     'label', p.label, 'duplicates', k.customers - 1)
                                   order by p.kind, p.ordinal)
                   from customers.contact_point p
                   join customers.contact_key k on k.kind = p.kind and k.key = p.key
                   where p.customer_id = c.id and (p.kind = 'email' or p.ordinal < $2)
               ), '[]') as "contact_points!: Json<Vec<ContactPointRow>>",
               coalesce((
                   select json_agg(json_build_object('source', r.source, 'external_id', r.external_id) order by r.ordinal)
                   from customers.reference r
                   where r.customer_id = c.id
               ), '[]') as "references!: Json<Vec<ReferenceRow>>",
               (
                   -- One shared key, the usual case, is answered by its count; several need their customers told apart.
                   select case count(*)
                              when 0 then 0
                              when 1 then least(max(k.customers)::bigint - 1, $3::bigint)
                              else (
                                  select count(*)
                                  from (
                                      select distinct o.customer_id
                                      from customers.contact_point m
                                      cross join lateral (
                                          select other.customer_id
                                          from customers.contact_point other
                                          where other.kind = m.kind and other.key = m.key and other.customer_id <> c.id
                                          limit $3
                                      ) o
                                      where m.customer_id = c.id
                                      limit $3
                                  ) as others
                              )
                          end
                   from customers.contact_point p
                   join customers.contact_key k on k.kind = p.kind and k.key = p.key and k.customers > 1
                   where p.customer_id = c.id
               ) as "duplicates!"
        from unnest($1::uuid[]) with ordinality as wanted(id, place)
        join customers.customer c on c.id = wanted.id
        order by wanted.place
        "#,
        &ids,
        i32::try_from(phones).unwrap_or(i32::MAX),
        MOST_COUNTED,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(view).collect()
}

fn view(row: CustomerRow) -> Result<View, Error> {
    let corrupt =
        |table: &'static str, what: &str| StorageError::corrupt(table, format!("{what} of customer {}", row.id));
    let mut view = View {
        customer: Customer {
            id: row.id.into(),
            kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("customer", "kind"))?,
            display_name: row.display_name,
            phones: Vec::new(),
            emails: Vec::new(),
            country: row.country,
            references: row.references.0.into_iter().map(|r| Reference::stored(r.source, r.external_id)).collect(),
            manager_id: row.manager_id.map(Into::into),
            store_id: row.store_id.map(Into::into),
            registered_at: row.registered_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        },
        hidden_phones: 0,
        duplicates: row.duplicates,
        phone_duplicates: Vec::new(),
        email_duplicates: Vec::new(),
    };
    for point in row.contact_points.0 {
        match point.kind.as_str() {
            contact::PHONE => {
                let number = PhoneNumber::stored(point.typed, point.e164, point.label);
                view.customer.phones.push(Phone { id: point.id.into(), number });
                view.phone_duplicates.push(point.duplicates);
            }
            contact::EMAIL => {
                view.customer.emails.push(Email { id: point.id.into(), address: Address::stored(point.typed) });
                view.email_duplicates.push(point.duplicates);
            }
            _ => return Err(corrupt("contact_point", "kind").into()),
        }
    }
    let phones = usize::try_from(row.phone_count).map_err(|_| corrupt("customer", "phone_count"))?;
    view.hidden_phones =
        phones.checked_sub(view.customer.phones.len()).ok_or_else(|| corrupt("customer", "phone_count"))?;
    Ok(view)
}

/// Whether there is such a customer.
pub(crate) async fn exists(executor: impl PgExecutor<'_>, id: CustomerId) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(r#"select 1 as "one!" from customers.customer where id = $1"#, id.uuid())
        .fetch_optional(executor)
        .await?;
    Ok(found.is_some())
}

/// Those of the customers that exist.
pub(crate) async fn existing(executor: impl PgExecutor<'_>, ids: &[CustomerId]) -> Result<HashSet<CustomerId>, Error> {
    let found =
        sqlx::query_scalar!("select id from customers.customer where id = any($1)", column!(ids, id => id.uuid()));
    Ok(found.fetch_all(executor).await?.into_iter().map(CustomerId::from).collect())
}

/// The customers whole, locked until the transaction ends; those that do not exist are left out.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<Vec<Customer>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let uuids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    // A statement of its own: one that waits for a lock sees the other tables as they were before it waited.
    sqlx::query!(r#"select id from customers.customer where id = any($1) order by id for update"#, &uuids)
        .fetch_all(&mut *conn)
        .await?;
    Ok(views(conn, ids, MOST_PHONES).await?.into_iter().map(|view| view.customer).collect())
}

/// A customer to be written: as it was, if it was, and as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) before: Option<&'a Customer>,
    pub(crate) after: &'a Customer,
}

/// Writes created and changed customers; in few statements, however many they are.
pub(crate) async fn save(conn: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), Error> {
    let (known, new): (Vec<&Change<'_>>, Vec<&Change<'_>>) = changes.iter().partition(|c| c.before.is_some());
    insert(conn, &new.iter().map(|c| c.after).collect::<Vec<_>>()).await?;
    update(conn, &known.iter().map(|c| c.after).collect::<Vec<_>>()).await?;
    reference::save(conn, changes).await?;
    contact::save(conn, changes).await
}

/// Removes customers, locked before, with all that is theirs: their keys are counted down, their references are free again.
pub(crate) async fn delete(conn: &mut PgConnection, customers: &[Customer]) -> Result<(), Error> {
    let bare = |customer: &Customer| Customer {
        phones: Vec::new(),
        emails: Vec::new(),
        references: Vec::new(),
        ..customer.clone()
    };
    let emptied: Vec<Customer> = customers.iter().map(bare).collect();
    let changes: Vec<Change<'_>> =
        customers.iter().zip(&emptied).map(|(before, after)| Change { before: Some(before), after }).collect();
    reference::save(conn, &changes).await?;
    contact::save(conn, &changes).await?;
    let ids: Vec<Uuid> = customers.iter().map(|customer| customer.id.uuid()).collect();
    let done = sqlx::query!("delete from customers.customer where id = any($1)", &ids).execute(conn).await?;
    Ok(assert_rows(done.rows_affected(), customers.len())?)
}

async fn insert(conn: &mut PgConnection, customers: &[&Customer]) -> Result<(), Error> {
    if customers.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "insert into customers.customer (id, kind, display_name, country, manager_id, store_id, registered_at, created_at,
                                         updated_at, version, sort_name, search_text, phone_count, has_phone, has_email)
         select u.id, u.kind, u.display_name, u.country, u.manager_id, u.store_id, u.registered_at, u.created_at,
                u.updated_at, u.version, u.sort_name, u.search_text, u.phone_count, u.phone_count > 0, u.has_email
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                     $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::text[], $12::text[], $13::integer[],
                     $14::boolean[])
              as u(id, kind, display_name, country, manager_id, store_id, registered_at, created_at, updated_at, version,
                   sort_name, search_text, phone_count, has_email)",
        column!(customers, c => c.id.uuid()),
        column!(customers, c => c.kind.as_str().to_owned()),
        column!(customers, c => c.display_name.clone()),
        column!(customers, c => c.country.clone()),
        column!(customers, c => c.manager_id.map(Uuid::from)) as &[Option<Uuid>],
        column!(customers, c => c.store_id.map(Uuid::from)) as &[Option<Uuid>],
        column!(customers, c => c.registered_at),
        column!(customers, c => c.created_at),
        column!(customers, c => c.updated_at),
        column!(customers, c => c.version),
        column!(customers, c => search::sort_name(&c.display_name)),
        column!(customers, c => search::search_text(c)),
        column!(customers, c => phone_count(c)),
        column!(customers, c => !c.emails.is_empty()),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), customers.len())?)
}

async fn update(conn: &mut PgConnection, customers: &[&Customer]) -> Result<(), Error> {
    if customers.is_empty() {
        return Ok(());
    }
    // The version before is asked for although the row is locked: a write that would skip one must not happen.
    let done = sqlx::query!(
        "update customers.customer c
         set display_name = u.display_name, country = u.country, manager_id = u.manager_id,
             registered_at = u.registered_at, updated_at = u.updated_at, version = u.version, sort_name = u.sort_name,
             search_text = u.search_text, phone_count = u.phone_count, has_phone = u.phone_count > 0,
             has_email = u.has_email
         from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
                     $8::text[], $9::text[], $10::integer[], $11::boolean[])
              as u(id, display_name, country, manager_id, registered_at, updated_at, version, sort_name, search_text,
                   phone_count, has_email)
         where c.id = u.id and c.version = u.version - 1",
        column!(customers, c => c.id.uuid()),
        column!(customers, c => c.display_name.clone()),
        column!(customers, c => c.country.clone()),
        column!(customers, c => c.manager_id.map(Uuid::from)) as &[Option<Uuid>],
        column!(customers, c => c.registered_at),
        column!(customers, c => c.updated_at),
        column!(customers, c => c.version),
        column!(customers, c => search::sort_name(&c.display_name)),
        column!(customers, c => search::search_text(c)),
        column!(customers, c => phone_count(c)),
        column!(customers, c => !c.emails.is_empty()),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), customers.len())?)
}

fn phone_count(customer: &Customer) -> i32 {
    i32::try_from(customer.phones.len()).unwrap_or(i32::MAX)
}
