//! Letters, as the worker claims and settles them. Each write of a worker is fenced by the epoch of its claim.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use clientele_kernel::{ConsentEntryId, EmailId, LetterId};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::email::LetterRow;
use crate::domain::email::{Destination, Letter};
use crate::domain::ledger::{Settlement, State};

/// A letter that a worker has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) place: Place,
    pub(crate) postponements: i32,
}

/// Where a claimed letter goes back to, if nothing becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) id: LetterId,
    pub(crate) epoch: i64,
    /// When it was due.
    pub(crate) due: DateTime<Utc>,
}

/// Claims letters that are due, those that have waited longest first.
pub(crate) async fn claim(
    pool: &PgPool,
    owner: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    most: u32,
) -> Result<Vec<Claimed>, Error> {
    let rows = sqlx::query!(
        r#"with due as materialized (
               select id, next_attempt_at from messaging.email
               where state = 'queued' and next_attempt_at <= $3
               order by next_attempt_at, id limit $4
               for update skip locked
           )
           update messaging.email e
           set state = 'claimed', next_attempt_at = null, claimed_by = $1, claimed_until = $2,
               claim_epoch = claim_epoch + 1, handed_over_at = null
           from due where e.id = due.id
           returning e.id, e.claim_epoch, e.postponements, due.next_attempt_at as "due!""#,
        owner,
        until,
        now,
        i64::from(most)
    )
    .fetch_all(pool)
    .await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        place: Place { id: row.id.into(), epoch: row.claim_epoch, due: row.due },
        postponements: row.postponements,
    });
    let mut claimed: Vec<Claimed> = claimed.collect();
    claimed.sort_by_key(|claimed| (claimed.place.due, claimed.place.id));
    Ok(claimed)
}

/// Puts letters back to where they were in the queue; those whose claims have ended are left alone.
pub(crate) async fn put_back_all(pool: &PgPool, places: &[Place]) -> Result<(), Error> {
    if places.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update messaging.email e
         set state = 'queued', next_attempt_at = w.due, claimed_by = null, claimed_until = null
         from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as w(id, epoch, due)
         where e.id = w.id and e.claim_epoch = w.epoch and e.state = 'claimed' and e.handed_over_at is null",
        column!(places, p => p.id.uuid()),
        column!(places, p => p.epoch),
        column!(places, p => p.due)
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Has a claim last longer. False where it has ended.
pub(crate) async fn extend(
    pool: &PgPool,
    id: LetterId,
    epoch: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update messaging.email set claimed_until = $4
         where id = $1 and claim_epoch = $2 and state = 'claimed' and claimed_until > $3",
        id.uuid(),
        epoch,
        now,
        until
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A letter that is about to be handed over: to which address, and by which entries.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub(crate) id: LetterId,
    pub(crate) epoch: i64,
    pub(crate) destination: Destination,
    pub(crate) consent_entry_ids: Vec<ConsentEntryId>,
}

/// Notes that from now on nobody can know whether the mail server has taken the letters, each of which is an attempt. Gives
/// those it is noted of: the claims of the others have ended, and they must not be handed over.
pub(crate) async fn mark_handed_over(
    pool: &PgPool,
    letters: &[HandedOver],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<HashSet<(LetterId, i64)>, Error> {
    let noted = sqlx::query!(
        "update messaging.email e
         set handed_over_at = $6, claimed_until = $7, to_address = w.to_address, contact_point_id = w.contact_point_id,
             consent_entry_ids = string_to_array(w.consent_entry_ids, ',')::uuid[], attempts = e.attempts + 1
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::text[])
              as w(id, epoch, to_address, contact_point_id, consent_entry_ids)
         where e.id = w.id and e.claim_epoch = w.epoch and e.state = 'claimed' and e.claimed_until > $6
         returning e.id, e.claim_epoch",
        column!(letters, l => l.id.uuid()),
        column!(letters, l => l.epoch),
        column!(letters, l => l.destination.address.clone()),
        column!(letters, l => l.destination.contact_point_id.map(EmailId::uuid)) as &[Option<Uuid>],
        column!(letters, l => joined(&l.consent_entry_ids)),
        now,
        until
    )
    .fetch_all(pool)
    .await?;
    Ok(noted.into_iter().map(|row| (row.id.into(), row.claim_epoch)).collect())
}

/// Ids as a statement takes them where each row has several: PostgreSQL has no arrays of arrays of different lengths.
fn joined(ids: &[ConsentEntryId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Why a letter goes back into the queue without anything having become of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutBack<'a> {
    pub(crate) next_attempt_at: DateTime<Utc>,
    pub(crate) detail: &'a str,
    /// Whether it is a hindrance, after several of which the waits get longer.
    pub(crate) hindered: bool,
}

/// Puts a letter back that could not be asked about or handed over. Nothing has become of it, so nobody is told. False where
/// the claim has ended.
pub(crate) async fn put_back(pool: &PgPool, id: LetterId, epoch: i64, back: PutBack<'_>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update messaging.email
         set state = 'queued', next_attempt_at = $3, claimed_by = null, claimed_until = null, detail = $4,
             postponements = postponements + $5
         where id = $1 and claim_epoch = $2 and state = 'claimed'",
        id.uuid(),
        epoch,
        back.next_attempt_at,
        back.detail,
        i32::from(back.hindered)
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The letters of claims, locked until the transaction ends. Also those whose claim was found to have ended after the
/// letter was handed over: they are not sent again, so that their worker may still say what became of them. Those that
/// somebody else has claimed since are left out.
pub(crate) async fn lock_claimed(conn: &mut PgConnection, claims: &[(LetterId, i64)]) -> Result<Vec<Letter>, Error> {
    let rows = sqlx::query_as!(
        LetterRow,
        "select e.id, e.customer_id, e.contact_point_id, e.to_address, e.address_reason, e.from_address, e.from_name,
                e.reply_to, e.subject, e.body_text, e.body_html, e.template_id, e.purpose, e.state, e.reason, e.detail,
                e.consent_entry_ids, e.attempts, e.next_attempt_at, e.claimed_until, e.message_id, e.actor_kind,
                e.actor_id, e.source, e.external_id, e.version, e.created_at, e.settled_at
         from messaging.email e join unnest($1::uuid[], $2::bigint[]) as w(id, epoch) on e.id = w.id
         where e.claim_epoch = w.epoch and e.state in ('claimed', 'unknown')
         order by e.id
         for no key update of e",
        column!(claims, (id, _) => id.uuid()),
        column!(claims, (_, epoch) => *epoch)
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Letter::try_from).collect()
}

/// A letter, locked until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: LetterId) -> Result<Option<Letter>, Error> {
    let row = sqlx::query_as!(
        LetterRow,
        "select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to,
                subject, body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
                next_attempt_at, claimed_until, message_id, actor_kind, actor_id, source, external_id, version,
                created_at, settled_at
         from messaging.email
         where id = $1
         for no key update",
        id.uuid()
    )
    .fetch_optional(conn)
    .await?;
    row.map(Letter::try_from).transpose()
}

/// Letters that a restore held, locked until the transaction ends, passing over those somebody else works on.
pub(crate) async fn lock_held(conn: &mut PgConnection, limit: i64) -> Result<Vec<Letter>, Error> {
    let rows = sqlx::query_as!(
        LetterRow,
        "select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to,
                subject, body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
                next_attempt_at, claimed_until, message_id, actor_kind, actor_id, source, external_id, version,
                created_at, settled_at
         from messaging.email
         where state = 'queued' and next_attempt_at >= timestamptz '9999-01-01 00:00:00+00'
         order by next_attempt_at, id limit $1
         for no key update skip locked",
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Letter::try_from).collect()
}

/// A letter whose claim has ended without being settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lapsed {
    pub(crate) id: LetterId,
    pub(crate) epoch: i64,
    /// Whether it had begun to be handed over.
    pub(crate) handed_over: bool,
}

/// Letters whose claims have ended, locked until the transaction ends, passing over those somebody else works on.
pub(crate) async fn lock_lapsed(conn: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<Lapsed>, Error> {
    let rows = sqlx::query!(
        r#"select id, claim_epoch, handed_over_at is not null as "handed_over!" from messaging.email
           where state = 'claimed' and claimed_until < $1
           order by claimed_until limit $2
           for no key update skip locked"#,
        now,
        limit
    )
    .fetch_all(conn)
    .await?;
    let lapsed =
        rows.into_iter().map(|row| Lapsed { id: row.id.into(), epoch: row.claim_epoch, handed_over: row.handed_over });
    Ok(lapsed.collect())
}

/// Writes what became of letters, locked before, and gives them as they are then.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    settlements: Vec<(Letter, Settlement)>,
    now: DateTime<Utc>,
) -> Result<Vec<Letter>, Error> {
    let letters: Vec<Letter> = settlements
        .into_iter()
        .map(|(letter, Settlement { state, reason, detail, next_attempt_at })| {
            let settled_at = (state != State::Queued).then_some(now);
            let version = letter.version + 1;
            Letter { state, reason, detail, next_attempt_at, claimed_until: None, settled_at, version, ..letter }
        })
        .collect();
    if letters.is_empty() {
        return Ok(letters);
    }
    let done = sqlx::query!(
        "update messaging.email e
         set state = w.state, reason = w.reason, detail = w.detail, next_attempt_at = w.next_attempt_at,
             settled_at = w.settled_at, version = w.version, attempts = w.attempts, to_address = w.to_address,
             contact_point_id = w.contact_point_id,
             consent_entry_ids = string_to_array(w.consent_entry_ids, ',')::uuid[], claimed_by = null,
             claimed_until = null, postponements = 0,
             handed_over_at = case when w.state = 'queued' then null else e.handed_over_at end
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                     $7::timestamptz[], $8::integer[], $9::text[], $10::uuid[], $11::text[])
              as w(id, version, state, reason, detail, next_attempt_at, settled_at, attempts, to_address,
                   contact_point_id, consent_entry_ids)
         where e.id = w.id and e.version = w.version - 1",
        column!(letters, l => l.id.uuid()),
        column!(letters, l => l.version),
        column!(letters, l => l.state.as_str().to_owned()),
        column!(letters, l => l.reason.clone()),
        column!(letters, l => l.detail.clone()),
        column!(letters, l => l.next_attempt_at) as &[Option<DateTime<Utc>>],
        column!(letters, l => l.settled_at) as &[Option<DateTime<Utc>>],
        column!(letters, l => l.attempts),
        column!(letters, l => l.destination.address.clone()),
        column!(letters, l => l.destination.contact_point_id.map(EmailId::uuid)) as &[Option<Uuid>],
        column!(letters, l => joined(&l.consent_entry_ids))
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), letters.len())?;
    Ok(letters)
}
