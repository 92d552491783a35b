//! The ledger of consents: appended to, never changed.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ActorKind, ContactPointId, CustomerId, Origin};
use clientele_platform::column;
use clientele_platform::postgres::{Error as StorageError, assert_rows};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::consent::{Channel, Entry, Key, Point, PointKind, Purpose, TypedAddress};

/// What stands in the column for every purpose.
const EVERY: &str = "every";

struct EntryRow {
    id: Uuid,
    customer_id: Uuid,
    ordinal: i64,
    channel: String,
    contact_point_id: Option<Uuid>,
    address: String,
    address_key: String,
    purpose: String,
    granted: bool,
    evidence: String,
    actor_kind: String,
    actor_id: String,
    origin: String,
    integration: Option<String>,
    recorded_at: DateTime<Utc>,
    cleared_at: Option<DateTime<Utc>>,
}

/// The newest entry of each key of these customers. Which contact point had an address is no part of the key. Of entries
/// whose addresses were cleared nobody knows which were for the same: a consent among them hides no withdrawal.
pub(crate) async fn newest(
    executor: impl PgExecutor<'_>,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<Entry>>, Error> {
    let mut newest: HashMap<CustomerId, Vec<Entry>> = HashMap::new();
    if customers.is_empty() {
        return Ok(newest);
    }
    let ids: Vec<Uuid> = customers.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        EntryRow,
        "select distinct on (e.customer_id, e.channel, e.contact_point_id is null, e.address_key, e.purpose, k.apart)
                e.id, e.customer_id, e.ordinal, e.channel, e.contact_point_id, e.address, e.address_key, e.purpose,
                e.granted, e.evidence, e.actor_kind, e.actor_id, e.origin, e.integration, e.recorded_at, e.cleared_at
         from customers.consent_entry e,
              lateral (select e.cleared_at is not null and e.contact_point_id is not null and e.granted as apart) as k
         where e.customer_id = any($1)
         order by e.customer_id, e.channel, e.contact_point_id is null, e.address_key, e.purpose, k.apart,
                  e.ordinal desc",
        &ids,
    )
    .fetch_all(executor)
    .await?;
    for row in rows {
        let entry = entry(row)?;
        newest.entry(entry.customer_id).or_default().push(entry);
    }
    Ok(newest)
}

/// A customer's entries before a place, newest first.
pub(crate) async fn before(
    executor: impl PgExecutor<'_>,
    customer: CustomerId,
    ordinal: Option<i64>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let rows = sqlx::query_as!(
        EntryRow,
        "select e.id, e.customer_id, e.ordinal, e.channel, e.contact_point_id, e.address, e.address_key, e.purpose,
                e.granted, e.evidence, e.actor_kind, e.actor_id, e.origin, e.integration, e.recorded_at, e.cleared_at
         from customers.consent_entry e
         where e.customer_id = $1 and e.ordinal < $2
         order by e.ordinal desc
         limit $3",
        customer.uuid(),
        ordinal.unwrap_or(i64::MAX),
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(entry).collect()
}

fn entry(row: EntryRow) -> Result<Entry, Error> {
    let corrupt = |what: &str| StorageError::corrupt("consent_entry", format!("{what} of entry {}", row.id));
    let purpose = match row.purpose.as_str() {
        EVERY => None,
        name => Some(Purpose::parse(name).ok_or_else(|| corrupt("purpose"))?),
    };
    let address = TypedAddress { typed: row.address, key: row.address_key };
    Ok(Entry {
        id: row.id.into(),
        customer_id: row.customer_id.into(),
        ordinal: row.ordinal,
        key: Key {
            channel: Channel::parse(&row.channel).ok_or_else(|| corrupt("channel"))?,
            point: row.contact_point_id.map(|id| (id.into(), address)),
            purpose,
        },
        granted: row.granted,
        evidence: row.evidence,
        actor: Actor {
            kind: ActorKind::parse(&row.actor_kind).ok_or_else(|| corrupt("actor_kind"))?,
            id: row.actor_id,
        },
        origin: Origin::parse(&row.origin).ok_or_else(|| corrupt("origin"))?,
        integration: row.integration,
        recorded_at: row.recorded_at,
        cleared: row.cleared_at.is_some() && row.contact_point_id.is_some(),
    })
}

/// Appends entries. The rows of their customers are locked: places are dense and in the order of commits.
pub(crate) async fn append(conn: &mut PgConnection, entries: &[Entry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let address = |entry: &Entry, part: fn(&TypedAddress) -> &String| {
        entry.key.point.as_ref().map(|(_, address)| part(address).clone()).unwrap_or_default()
    };
    let done = sqlx::query!(
        "insert into customers.consent_entry (id, customer_id, ordinal, channel, contact_point_id, address, address_key,
                                              purpose, granted, evidence, actor_kind, actor_id, origin, integration,
                                              recorded_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[],
                              $8::text[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[],
                              $14::text[], $15::timestamptz[])",
        column!(entries, e => e.id.uuid()),
        column!(entries, e => e.customer_id.uuid()),
        column!(entries, e => e.ordinal),
        column!(entries, e => e.key.channel.as_str().to_owned()),
        column!(entries, e => e.key.point.as_ref().map(|(id, _)| id.uuid())) as &[Option<Uuid>],
        column!(entries, e => address(e, |address| &address.typed)),
        column!(entries, e => address(e, |address| &address.key)),
        column!(entries, e => e.key.purpose.map_or(EVERY, Purpose::as_str).to_owned()),
        column!(entries, e => e.granted),
        column!(entries, e => e.evidence.clone()),
        column!(entries, e => e.actor.kind.as_str().to_owned()),
        column!(entries, e => e.actor.id.clone()),
        column!(entries, e => e.origin.as_str().to_owned()),
        column!(entries, e => e.integration.clone()) as &[Option<String>],
        column!(entries, e => e.recorded_at),
    )
    .execute(conn)
    .await?;
    Ok(assert_rows(done.rows_affected(), entries.len())?)
}

/// Those of the customers who have entries.
pub(crate) async fn recorded(conn: &mut PgConnection, ids: &[CustomerId]) -> Result<HashSet<CustomerId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!(
        r#"select w.id as "id!" from unnest($1::uuid[]) as w(id)
           where exists (select from customers.consent_entry e where e.customer_id = w.id)"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(CustomerId::from).collect())
}

/// What another system brought: for whom, about what, and with which evidence. Contact points are left out, for one that was
/// removed and comes back is a new one, and what was brought for it is old.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Brought {
    pub(crate) customer: CustomerId,
    pub(crate) channel: Channel,
    /// Empty for all.
    pub(crate) address_key: String,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) evidence: String,
}

/// Those of the grants that the ledger has with the same evidence.
pub(crate) async fn known_grants(conn: &mut PgConnection, grants: &[Brought]) -> Result<HashSet<Brought>, Error> {
    if grants.is_empty() {
        return Ok(HashSet::new());
    }
    let places = sqlx::query_scalar!(
        r#"select w.place as "place!"
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                with ordinality as w(customer_id, channel, address_key, purpose, evidence, place)
           where exists (
               select from customers.consent_entry e
               where e.customer_id = w.customer_id and e.channel = w.channel and e.address_key = w.address_key
                 and e.purpose = w.purpose and e.granted and e.evidence = w.evidence
           )"#,
        column!(grants, g => g.customer.uuid()),
        column!(grants, g => g.channel.as_str().to_owned()),
        column!(grants, g => g.address_key.clone()),
        column!(grants, g => g.purpose.map_or(EVERY, Purpose::as_str).to_owned()),
        column!(grants, g => g.evidence.clone()),
    )
    .fetch_all(conn)
    .await?;
    let places: HashSet<i64> = places.into_iter().collect();
    Ok((1..).zip(grants).filter(|(place, _)| places.contains(place)).map(|(_, grant)| grant.clone()).collect())
}

/// Those of the contact points that the customers have, of whichever kind they are.
pub(crate) async fn points(
    executor: impl PgExecutor<'_>,
    points: &[(CustomerId, ContactPointId)],
) -> Result<HashMap<(CustomerId, ContactPointId), Point>, Error> {
    if points.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select p.customer_id, p.id, p.kind, p.typed, p.key
         from unnest($1::uuid[], $2::uuid[]) as w(customer_id, id)
         join customers.contact_point p on p.customer_id = w.customer_id and p.id = w.id",
        column!(points, (customer, _) => customer.uuid()),
        column!(points, (_, point) => point.uuid()),
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id: ContactPointId = row.id.into();
            let kind = [PointKind::Phone, PointKind::Email].into_iter().find(|kind| kind.as_str() == row.kind);
            let kind = kind.ok_or_else(|| StorageError::corrupt("contact_point", format!("kind of {id}")))?;
            let address = TypedAddress { typed: row.typed, key: row.key };
            Ok(((row.customer_id.into(), id), Point { id, kind, address }))
        })
        .collect()
}

/// The contact points that have this key, with their customers; at most `limit`. One of the customer asked about comes first.
pub(crate) async fn holders(
    executor: impl PgExecutor<'_>,
    kind: PointKind,
    key: &str,
    customer: CustomerId,
    limit: usize,
) -> Result<Vec<(CustomerId, Point)>, Error> {
    let rows = sqlx::query!(
        r#"select h.id as "id!", h.customer_id as "customer_id!", h.typed as "typed!"
           from (
               select p.id, p.customer_id, p.typed
               from customers.contact_point p
               where p.kind = $1 and p.key = $2 and p.customer_id = $3
               union all
               (select p.id, p.customer_id, p.typed
                from customers.contact_point p
                where p.kind = $1 and p.key = $2 and p.customer_id <> $3
                limit $4)
           ) as h"#,
        kind.as_str(),
        key,
        customer.uuid(),
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let address = TypedAddress { typed: row.typed, key: key.to_owned() };
            (row.customer_id.into(), Point { id: row.id.into(), kind, address })
        })
        .collect())
}
