//! Entries of the timeline.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, Money};
use clientele_platform::column;
use clientele_platform::postgres::Error as StorageError;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::currency;
use crate::Error;
use crate::domain::Document;
use crate::domain::timeline::{Entry, Kind, Step};

/// The steps of these records that stand in the timeline.
pub(crate) async fn steps(conn: &mut PgConnection, subjects: &[Uuid]) -> Result<HashMap<Uuid, Vec<Step>>, Error> {
    let rows = sqlx::query!(
        "select subject_id, subject_version, status from analytics.timeline_entry where subject_id = any($1)",
        subjects,
    )
    .fetch_all(conn)
    .await?;
    let mut steps: HashMap<Uuid, Vec<Step>> = HashMap::new();
    for row in rows {
        steps.entry(row.subject_id).or_default().push(Step { version: row.subject_version, status: row.status });
    }
    Ok(steps)
}

/// Adds entries; one whose record and version stand there already is left as it is.
pub(crate) async fn add(conn: &mut PgConnection, source: &str, entries: &[Entry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    // Names of fields hold no comma: they are names of fields of a message.
    sqlx::query!(
        "insert into analytics.timeline_entry
            (subject_id, subject_version, source, event_id, customer_id, kind, occurred_at, event_at, amount_minor,
             currency, actor_kind, actor_id, origin, changed_fields, status, about_id, label)
         select f.subject_id, f.subject_version, $3, f.event_id, f.customer_id, f.kind, f.occurred_at, f.event_at,
                f.amount_minor, f.currency, f.actor_kind, f.actor_id, f.origin, string_to_array(f.changed_fields, ','),
                f.status, f.about_id, f.label
         from unnest($1::uuid[], $2::bigint[], $4::uuid[], $5::uuid[], $6::smallint[], $7::timestamptz[],
                     $8::timestamptz[], $9::bigint[], $10::text[], $11::smallint[], $12::text[], $13::smallint[],
                     $14::text[], $15::text[], $16::uuid[], $17::text[])
              as f(subject_id, subject_version, event_id, customer_id, kind, occurred_at, event_at, amount_minor,
                   currency, actor_kind, actor_id, origin, changed_fields, status, about_id, label)
         order by f.subject_id, f.subject_version
         on conflict (subject_id, subject_version) do nothing",
        column!(entries, e => e.subject),
        column!(entries, e => e.version),
        source,
        column!(entries, e => e.event),
        column!(entries, e => e.customer.map(Uuid::from)) as &[Option<Uuid>],
        column!(entries, e => e.kind.number()),
        column!(entries, e => e.occurred_at),
        column!(entries, e => e.event_at),
        column!(entries, e => e.amount.map(|amount| amount.minor)) as &[Option<i64>],
        column!(entries, e => e.amount.map(|amount| amount.currency.code().to_owned())) as &[Option<String>],
        column!(entries, e => small(e.actor_kind)),
        column!(entries, e => e.actor_id.clone()),
        column!(entries, e => small(e.origin)),
        column!(entries, e => e.changed_fields.join(",")),
        column!(entries, e => e.status.clone()),
        column!(entries, e => e.about) as &[Option<Uuid>],
        column!(entries, e => e.label.clone()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Numbers of enums of the contract are small; one that is not is as good as unknown.
fn small(number: i32) -> i16 {
    i16::try_from(number).unwrap_or(0)
}

/// Takes away entries, by record and version.
pub(crate) async fn remove(conn: &mut PgConnection, entries: &[(Uuid, i64)]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from analytics.timeline_entry e
         using unnest($1::uuid[], $2::bigint[]) as f(subject_id, subject_version)
         where e.subject_id = f.subject_id and e.subject_version = f.subject_version",
        column!(entries, (subject, _) => *subject),
        column!(entries, (_, version) => *version),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away all entries of these records.
pub(crate) async fn forget(conn: &mut PgConnection, subjects: &[Uuid]) -> Result<(), Error> {
    if !subjects.is_empty() {
        sqlx::query!("delete from analytics.timeline_entry where subject_id = any($1)", subjects).execute(conn).await?;
    }
    Ok(())
}

/// Turns entries into ones of these kinds, where they are others. An entry so turned stands at the moment of its event
/// until [`follow`] gives it the document's date.
pub(crate) async fn set_kinds(conn: &mut PgConnection, entries: &[(Uuid, i64, Kind)]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update analytics.timeline_entry e
         set kind = f.kind, occurred_at = e.event_at
         from unnest($1::uuid[], $2::bigint[], $3::smallint[]) as f(subject_id, subject_version, kind)
         where e.subject_id = f.subject_id and e.subject_version = f.subject_version and e.kind <> f.kind",
        column!(entries, (subject, _, _) => *subject),
        column!(entries, (_, version, _) => *version),
        column!(entries, (_, _, kind) => kind.number()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Brings all entries of these documents to their present customer and amount, and the first entry of each to the
/// document's date.
pub(crate) async fn follow(conn: &mut PgConnection, documents: &[&Document]) -> Result<(), Error> {
    if documents.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update analytics.timeline_entry e
         set customer_id = f.customer_id, amount_minor = f.amount_minor, currency = f.currency,
             occurred_at = case when e.kind = any($6) then f.occurred_at else e.occurred_at end
         from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[])
              as f(subject_id, customer_id, amount_minor, currency, occurred_at)
         where e.subject_id = f.subject_id",
        column!(documents, d => d.id),
        column!(documents, d => d.customer.map(Uuid::from)) as &[Option<Uuid>],
        column!(documents, d => d.amount_minor),
        column!(documents, d => d.currency.code().to_owned()),
        column!(documents, d => d.occurred_at),
        &[Kind::OrderPlaced.number(), Kind::CreditNoteIssued.number()],
    )
    .execute(conn)
    .await?;
    Ok(())
}

struct Row {
    subject_id: Uuid,
    subject_version: i64,
    event_id: Uuid,
    customer_id: Option<Uuid>,
    kind: i16,
    occurred_at: DateTime<Utc>,
    event_at: DateTime<Utc>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    actor_kind: i16,
    actor_id: String,
    origin: i16,
    changed_fields: Vec<String>,
    status: String,
    about_id: Option<Uuid>,
    label: String,
}

/// Entries of a customer, newest first: those of these kinds, after the key `before`, at most `limit`. Each kind is read
/// from the index in order, so that a customer's many entries of another kind cost nothing.
pub(crate) async fn list(
    pool: &PgPool,
    customer: CustomerId,
    kinds: &[Kind],
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let (before_at, before_id) = before.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select e.subject_id as "subject_id!", e.subject_version as "subject_version!", e.event_id as "event_id!",
                  e.customer_id, e.kind as "kind!", e.occurred_at as "occurred_at!", e.event_at as "event_at!",
                  e.amount_minor, e.currency, e.actor_kind as "actor_kind!", e.actor_id as "actor_id!",
                  e.origin as "origin!", e.changed_fields as "changed_fields!", e.status as "status!",
                  e.about_id, e.label as "label!"
           from unnest($2::smallint[]) as k(kind)
           cross join lateral (
                select * from analytics.timeline_entry t
                where t.customer_id = $1 and t.kind = k.kind
                  and (t.occurred_at, t.event_id) < (coalesce($3, 'infinity'::timestamptz), coalesce($4, $1))
                order by t.occurred_at desc, t.event_id desc
                limit $5) as e
           order by e.occurred_at desc, e.event_id desc
           limit $5"#,
        customer.uuid(),
        &kinds.iter().map(|kind| kind.number()).collect::<Vec<_>>(),
        before_at,
        before_id,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| row.try_into().map_err(Error::Storage)).collect()
}

impl TryFrom<Row> for Entry {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let corrupt = |what: String| StorageError::corrupt("timeline_entry", format!("{what} of {}", row.event_id));
        let amount = match (row.amount_minor, &row.currency) {
            (Some(minor), Some(code)) => Some(Money::new(minor, currency("timeline_entry", code)?)),
            _ => None,
        };
        Ok(Self {
            subject: row.subject_id,
            version: row.subject_version,
            event: row.event_id,
            customer: row.customer_id.map(Into::into),
            kind: Kind::from_number(row.kind.into()).ok_or_else(|| corrupt(format!("kind {}", row.kind)))?,
            occurred_at: row.occurred_at,
            event_at: row.event_at,
            amount,
            actor_kind: row.actor_kind.into(),
            actor_id: row.actor_id,
            origin: row.origin.into(),
            changed_fields: row.changed_fields,
            status: row.status,
            about: row.about_id,
            label: row.label,
        })
    }
}
