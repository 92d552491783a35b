//! Letters, as callers see them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{Actor, ActorKind, ConsentEntryId, CustomerId, EmailId, LetterId, Reference};
use clientele_platform::column;
use clientele_platform::postgres::Error;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::domain::email::{Destination, Letter, Purpose, Sender};
use crate::domain::ledger::State;
use crate::domain::template::Content;

/// A row of the ledger, without what only the worker needs.
#[derive(FromRow)]
pub(super) struct LetterRow {
    pub(super) id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) contact_point_id: Option<Uuid>,
    pub(super) to_address: String,
    pub(super) address_reason: String,
    pub(super) from_address: String,
    pub(super) from_name: String,
    pub(super) reply_to: String,
    pub(super) subject: String,
    pub(super) body_text: String,
    pub(super) body_html: String,
    pub(super) template_id: Option<Uuid>,
    pub(super) purpose: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) consent_entry_ids: Vec<Uuid>,
    pub(super) attempts: i32,
    pub(super) next_attempt_at: Option<DateTime<Utc>>,
    pub(super) claimed_until: Option<DateTime<Utc>>,
    pub(super) message_id: String,
    pub(super) actor_kind: String,
    pub(super) actor_id: String,
    pub(super) source: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) settled_at: Option<DateTime<Utc>>,
}

impl TryFrom<LetterRow> for Letter {
    type Error = Error;

    fn try_from(row: LetterRow) -> Result<Self, Error> {
        let corrupt = |what: &str| Error::corrupt("email", format!("{what} of {}", row.id));
        let kind = ActorKind::parse(&row.actor_kind).ok_or_else(|| corrupt("actor_kind"))?;
        let reference = row.source.zip(row.external_id);
        Ok(Self {
            id: row.id.into(),
            customer_id: row.customer_id.into(),
            purpose: Purpose::parse(&row.purpose).ok_or_else(|| corrupt("purpose"))?,
            state: State::parse(&row.state).ok_or_else(|| corrupt("state"))?,
            destination: Destination {
                contact_point_id: row.contact_point_id.map(EmailId::from),
                address: row.to_address,
                reason: row.address_reason,
            },
            from: Sender { address: row.from_address, name: row.from_name, reply_to: row.reply_to },
            content: Content { subject: row.subject, text: row.body_text, html: row.body_html },
            template_id: row.template_id.map(Into::into),
            reason: row.reason,
            detail: row.detail,
            consent_entry_ids: row.consent_entry_ids.into_iter().map(ConsentEntryId::from).collect(),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            claimed_until: row.claimed_until,
            message_id: row.message_id,
            actor: Actor { kind, id: row.actor_id },
            reference: reference.map(|(source, external_id)| Reference::stored(source, external_id)),
            version: row.version,
            created_at: row.created_at,
            settled_at: row.settled_at,
        })
    }
}

fn letters(rows: Vec<LetterRow>) -> Result<Vec<Letter>, Error> {
    rows.into_iter().map(Letter::try_from).collect()
}

/// One letter, texts included.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, id: LetterId) -> Result<Option<Letter>, Error> {
    let row = sqlx::query_as!(
        LetterRow,
        "select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to,
                subject, body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
                next_attempt_at, claimed_until, message_id, actor_kind, actor_id, source, external_id, version,
                created_at, settled_at
         from messaging.email where id = $1",
        id.uuid()
    )
    .fetch_optional(conn)
    .await?;
    row.map(Letter::try_from).transpose()
}

/// Those of the letters that exist.
pub(crate) async fn by_ids(conn: impl PgExecutor<'_>, ids: &[LetterId]) -> Result<HashMap<LetterId, Letter>, Error> {
    let rows = sqlx::query_as!(
        LetterRow,
        "select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to,
                subject, body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
                next_attempt_at, claimed_until, message_id, actor_kind, actor_id, source, external_id, version,
                created_at, settled_at
         from messaging.email where id = any($1)",
        column!(ids, id => id.uuid())
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Letter::try_from(row).map(|letter| (letter.id, letter))).collect()
}

/// The letter that was asked for by this request id, with the hash of that request.
pub(crate) async fn by_request(
    conn: impl PgExecutor<'_>,
    request_id: &str,
) -> Result<Option<(LetterId, Vec<u8>)>, Error> {
    let row = sqlx::query!(
        r#"select id, request_hash as "request_hash!" from messaging.email where request_id = $1"#,
        request_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.id.into(), row.request_hash)))
}

/// How many letters wait to be sent or are being sent, counted as far as is of interest.
pub(crate) async fn waiting(pool: &PgPool, most: u32) -> Result<u32, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
               (select id from messaging.email where state = 'queued' limit $1)
               union all (select id from messaging.email where state = 'claimed' limit $1)
           ) as waiting"#,
        i64::from(most)
    )
    .fetch_one(pool)
    .await?;
    Ok(u32::try_from(count).unwrap_or(most))
}

/// What has been waiting longest, and what nobody knows the end of.
#[derive(Debug)]
pub(crate) struct Left {
    /// When the oldest letter that waits was accepted.
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// Letters that may have been sent, counted as far as is of interest.
    pub(crate) unknown: u32,
}

/// Looks at both by index.
pub(crate) async fn left(pool: &PgPool, most: u32) -> Result<Left, Error> {
    let row = sqlx::query!(
        r#"select (select created_at from messaging.email where state = 'queued' order by created_at, id limit 1) as oldest,
                  (select count(*) from (
                       select id from messaging.email where state = 'unknown' limit $1) as unknown) as "unknown!""#,
        i64::from(most)
    )
    .fetch_one(pool)
    .await?;
    Ok(Left { oldest: row.oldest, unknown: u32::try_from(row.unknown).unwrap_or(most) })
}

/// A place in a list, newest first.
pub(crate) type Place = (DateTime<Utc>, Uuid);

/// Letters after a place, newest first, without their texts: all, or those of a customer and in some states.
pub(crate) async fn list(
    pool: &PgPool,
    customer: Option<CustomerId>,
    states: &[State],
    after: Option<Place>,
    limit: u32,
) -> Result<Vec<Letter>, Error> {
    let (moment, id) = after.unwrap_or_else(before_all);
    let states: Vec<String> = states.iter().map(|state| state.as_str().to_owned()).collect();
    let limit = i64::from(limit);
    let rows = match customer {
        Some(customer) => {
            // A customer's letters are few: their states are looked at one by one.
            sqlx::query_as!(
                LetterRow,
                r#"select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name,
                          reply_to, subject, '' as "body_text!", '' as "body_html!", template_id, purpose, state, reason,
                          detail, consent_entry_ids, attempts, next_attempt_at, claimed_until, message_id, actor_kind,
                          actor_id, source, external_id, version, created_at, settled_at
                   from messaging.email
                   where customer_id = $1 and (cardinality($2::text[]) = 0 or state = any($2))
                     and (created_at, id) < ($3, $4)
                   order by created_at desc, id desc limit $5"#,
                customer.uuid(),
                &states,
                moment,
                id,
                limit
            )
            .fetch_all(pool)
            .await?
        }
        None if states.is_empty() => {
            sqlx::query_as!(
                LetterRow,
                r#"select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name,
                          reply_to, subject, '' as "body_text!", '' as "body_html!", template_id, purpose, state, reason,
                          detail, consent_entry_ids, attempts, next_attempt_at, claimed_until, message_id, actor_kind,
                          actor_id, source, external_id, version, created_at, settled_at
                   from messaging.email
                   where (created_at, id) < ($1, $2)
                   order by created_at desc, id desc limit $3"#,
                moment,
                id,
                limit
            )
            .fetch_all(pool)
            .await?
        }
        // Each state along its own index: a rare one beside a common one must not make the search run through all.
        None => {
            sqlx::query_as!(
                LetterRow,
                r#"select e.id as "id!", e.customer_id as "customer_id!", e.contact_point_id,
                          e.to_address as "to_address!", e.address_reason as "address_reason!",
                          e.from_address as "from_address!", e.from_name as "from_name!", e.reply_to as "reply_to!",
                          e.subject as "subject!", '' as "body_text!", '' as "body_html!", e.template_id,
                          e.purpose as "purpose!", e.state as "state!", e.reason as "reason!", e.detail as "detail!",
                          e.consent_entry_ids as "consent_entry_ids!", e.attempts as "attempts!", e.next_attempt_at,
                          e.claimed_until, e.message_id as "message_id!", e.actor_kind as "actor_kind!", e.actor_id as "actor_id!",
                          e.source, e.external_id, e.version as "version!", e.created_at as "created_at!", e.settled_at
                   from unnest($1::text[]) as s(state)
                   cross join lateral (
                       select * from messaging.email
                       where email.state = s.state and (created_at, id) < ($2, $3)
                       order by created_at desc, id desc limit $4
                   ) as e
                   order by e.created_at desc, e.id desc limit $4"#,
                &states,
                moment,
                id,
                limit
            )
            .fetch_all(pool)
            .await?
        }
    };
    letters(rows)
}

/// Before every place there is: no letter is of the end of the year 9999.
pub(super) fn before_all() -> Place {
    const LAST: i64 = 253_402_300_799;
    (DateTime::from_timestamp(LAST, 0).expect("the year 9999 has an end"), Uuid::max())
}

/// How many letters a list has, at most `most`.
pub(crate) async fn count(
    pool: &PgPool,
    customer: Option<CustomerId>,
    states: &[State],
    most: i64,
) -> Result<i64, Error> {
    let states: Vec<String> = states.iter().map(|state| state.as_str().to_owned()).collect();
    let count = match customer {
        Some(customer) => {
            sqlx::query_scalar!(
                r#"select count(*) as "count!" from (
                       select 1 from messaging.email
                       where customer_id = $1 and (cardinality($2::text[]) = 0 or state = any($2)) limit $3
                   ) as counted"#,
                customer.uuid(),
                &states,
                most
            )
            .fetch_one(pool)
            .await?
        }
        None if states.is_empty() => {
            sqlx::query_scalar!(
                r#"select count(*) as "count!" from (select 1 from messaging.email limit $1) as counted"#,
                most
            )
            .fetch_one(pool)
            .await?
        }
        // Each state along its own index, as in the list.
        None => {
            sqlx::query_scalar!(
                r#"select count(*) as "count!" from (
                       select 1 from unnest($1::text[]) as s(state)
                       cross join lateral (select 1 from messaging.email where email.state = s.state limit $2) as e
                       limit $2
                   ) as counted"#,
                &states,
                most
            )
            .fetch_one(pool)
            .await?
        }
    };
    Ok(count)
}

/// By what a request is known when it comes again.
#[derive(Debug, Clone)]
pub(crate) struct RequestKey {
    pub(crate) request_id: String,
    pub(crate) hash: Vec<u8>,
}

/// Adds a letter that was asked for; false where its request id is there already.
pub(crate) async fn insert(conn: &mut PgConnection, letter: &Letter, key: &RequestKey) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into messaging.email
             (id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to, subject,
              body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
              postponements, next_attempt_at, message_id, claim_epoch, actor_kind, actor_id, request_id, request_hash,
              version, created_at, settled_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', '', '{}', 0, 0, $15, $16, 0, $17, $18,
                 $19, $20, $21, $22, $23)
         on conflict (request_id) do nothing",
        letter.id.uuid(),
        letter.customer_id.uuid(),
        letter.destination.contact_point_id.map(EmailId::uuid),
        letter.destination.address,
        letter.destination.reason,
        letter.from.address,
        letter.from.name,
        letter.from.reply_to,
        letter.content.subject,
        letter.content.text,
        letter.content.html,
        letter.template_id.map(clientele_kernel::TemplateId::uuid),
        letter.purpose.as_str(),
        letter.state.as_str(),
        letter.next_attempt_at,
        letter.message_id,
        letter.actor.kind.as_str(),
        letter.actor.id,
        key.request_id,
        key.hash,
        letter.version,
        letter.created_at,
        letter.settled_at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Adds letters that another system sent, and tells which were added: the others were there already. Give them in the
/// order of their references.
pub(crate) async fn insert_recorded(conn: &mut PgConnection, letters: &[Letter]) -> Result<Vec<LetterId>, Error> {
    let of = |letter: &Letter| {
        letter.reference.as_ref().map(|r| (r.source().to_owned(), r.external_id().to_owned())).unzip()
    };
    let (sources, external_ids): (Vec<Option<String>>, Vec<Option<String>>) = letters.iter().map(of).unzip();
    let added = sqlx::query_scalar!(
        "insert into messaging.email
             (id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to, subject,
              body_text, body_html, purpose, state, reason, detail, consent_entry_ids, attempts, postponements,
              message_id, claim_epoch, actor_kind, actor_id, source, external_id, version, created_at, settled_at)
         select n.id, n.customer_id, n.contact_point_id, n.to_address, '', n.from_address, '', '', n.subject,
                n.body_text, '', n.purpose, 'sent', '', '', '{}', 0, 0,
                '', 0, n.actor_kind, n.actor_id, n.source, n.external_id, 1, n.sent_at, n.sent_at
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
              as n(id, customer_id, contact_point_id, to_address, from_address, subject, body_text, purpose,
                   actor_kind, actor_id, source, external_id, sent_at)
         on conflict (source, external_id) do nothing
         returning id",
        column!(letters, l => l.id.uuid()),
        column!(letters, l => l.customer_id.uuid()),
        column!(letters, l => l.destination.contact_point_id.map(EmailId::uuid)) as &[Option<Uuid>],
        column!(letters, l => l.destination.address.clone()),
        column!(letters, l => l.from.address.clone()),
        column!(letters, l => l.content.subject.clone()),
        column!(letters, l => l.content.text.clone()),
        column!(letters, l => l.purpose.as_str().to_owned()),
        column!(letters, l => l.actor.kind.as_str().to_owned()),
        column!(letters, l => l.actor.id.clone()),
        &sources as &[Option<String>],
        &external_ids as &[Option<String>],
        column!(letters, l => l.created_at)
    )
    .fetch_all(conn)
    .await?;
    Ok(added.into_iter().map(LetterId::from).collect())
}

/// Letters known by these references, texts included.
pub(crate) async fn by_reference(conn: &mut PgConnection, references: &[Reference]) -> Result<Vec<Letter>, Error> {
    let rows = sqlx::query_as!(
        LetterRow,
        "select e.id, e.customer_id, e.contact_point_id, e.to_address, e.address_reason, e.from_address, e.from_name,
                e.reply_to, e.subject, e.body_text, e.body_html, e.template_id, e.purpose, e.state, e.reason, e.detail,
                e.consent_entry_ids, e.attempts, e.next_attempt_at, e.claimed_until, e.message_id, e.actor_kind, e.actor_id,
                e.source, e.external_id, e.version, e.created_at, e.settled_at
         from unnest($1::text[], $2::text[]) as k(source, external_id)
         join messaging.email e on e.source = k.source and e.external_id = k.external_id",
        column!(references, r => r.source().to_owned()),
        column!(references, r => r.external_id().to_owned())
    )
    .fetch_all(conn)
    .await?;
    letters(rows)
}
