//! Letters, as the worker claims and settles them. Each write of a worker is fenced by the epoch of its claim.

use chrono::{DateTime, Utc};
use clientele_kernel::{ConsentEntryId, EmailId, LetterId};
use clientele_platform::postgres::{Error, assert_one};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::email::LetterRow;
use crate::domain::email::Letter;
use crate::domain::ledger::{Settlement, State};

/// A letter that a worker has.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) letter: Letter,
    pub(crate) epoch: i64,
    pub(crate) postponements: i32,
}

/// Claims the letter that has waited longest, if one is due.
pub(crate) async fn claim(
    pool: &PgPool,
    owner: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Claim>, Error> {
    let row = sqlx::query!(
        r#"update messaging.email
           set state = 'claimed', next_attempt_at = null, claimed_by = $1, claimed_until = $2,
               claim_epoch = claim_epoch + 1, handed_over_at = null
           where id = (
               select id from messaging.email
               where state = 'queued' and next_attempt_at <= $3
               order by next_attempt_at, id limit 1
               for update skip locked
           )
           returning id, claim_epoch, postponements"#,
        owner,
        until,
        now
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let letter = super::email::by_id(pool, row.id.into()).await?;
    let letter = letter.ok_or_else(|| Error::corrupt("email", format!("{} is gone while it is claimed", row.id)))?;
    Ok(Some(Claim { letter, epoch: row.claim_epoch, postponements: row.postponements }))
}

/// Notes that a letter may be sent, by which entries and to which address, and that a conversation with the mail server
/// begins. False where the claim has ended.
pub(crate) async fn admit(
    pool: &PgPool,
    letter: &Letter,
    epoch: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Error> {
    let entries: Vec<Uuid> = letter.consent_entry_ids.iter().map(|id| ConsentEntryId::uuid(*id)).collect();
    let done = sqlx::query!(
        "update messaging.email
         set to_address = $3, contact_point_id = $4, consent_entry_ids = $5, attempts = attempts + 1, claimed_until = $7
         where id = $1 and claim_epoch = $2 and state = 'claimed' and claimed_until > $6",
        letter.id.uuid(),
        epoch,
        letter.destination.address,
        letter.destination.contact_point_id.map(EmailId::uuid),
        &entries,
        now,
        until
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that from now on nobody can know whether the mail server has taken the letter. False where the claim has ended:
/// the letter must not be handed over then.
pub(crate) async fn mark_handed_over(
    pool: &PgPool,
    id: LetterId,
    epoch: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update messaging.email set handed_over_at = $3, claimed_until = $4
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

/// Why a letter goes back into the queue without anything having become of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutBack<'a> {
    pub(crate) next_attempt_at: DateTime<Utc>,
    pub(crate) detail: &'a str,
    /// Whether it is a hindrance, after several of which the waits get longer.
    pub(crate) hindered: bool,
    /// Whether an attempt was noted that is not to count.
    pub(crate) attempted: bool,
}

/// Puts a letter back that could not be asked about or handed over. Nothing has become of it, so nobody is told. False where
/// the claim has ended.
pub(crate) async fn put_back(pool: &PgPool, id: LetterId, epoch: i64, back: PutBack<'_>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update messaging.email
         set state = 'queued', next_attempt_at = $3, claimed_by = null, claimed_until = null, detail = $4,
             postponements = postponements + $5, attempts = attempts - $6
         where id = $1 and claim_epoch = $2 and state = 'claimed'",
        id.uuid(),
        epoch,
        back.next_attempt_at,
        back.detail,
        i32::from(back.hindered),
        i32::from(back.attempted)
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The letter of a claim, locked until the transaction ends. Also one whose claim was found to have ended after the
/// letter was handed over: it is not sent again, so that its worker may still say what became of it. None where
/// somebody else has claimed it since.
pub(crate) async fn lock_claimed(conn: &mut PgConnection, id: LetterId, epoch: i64) -> Result<Option<Letter>, Error> {
    let row = sqlx::query_as!(
        LetterRow,
        "select id, customer_id, contact_point_id, to_address, address_reason, from_address, from_name, reply_to,
                subject, body_text, body_html, template_id, purpose, state, reason, detail, consent_entry_ids, attempts,
                next_attempt_at, claimed_until, message_id, actor_kind, actor_id, source, external_id, version,
                created_at, settled_at
         from messaging.email
         where id = $1 and claim_epoch = $2 and state in ('claimed', 'unknown')
         for no key update",
        id.uuid(),
        epoch
    )
    .fetch_optional(conn)
    .await?;
    row.map(Letter::try_from).transpose()
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

/// Writes what became of a letter, locked before, and gives it as it is then.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    letter: Letter,
    settlement: Settlement,
    now: DateTime<Utc>,
) -> Result<Letter, Error> {
    let Settlement { state, reason, detail, next_attempt_at } = settlement;
    let settled_at = (state != State::Queued).then_some(now);
    let version = letter.version + 1;
    let letter = Letter { state, reason, detail, next_attempt_at, claimed_until: None, settled_at, version, ..letter };
    let entries: Vec<Uuid> = letter.consent_entry_ids.iter().map(|id| ConsentEntryId::uuid(*id)).collect();
    let done = sqlx::query!(
        "update messaging.email
         set state = $3, reason = $4, detail = $5, next_attempt_at = $6, settled_at = $7, version = $8,
             consent_entry_ids = $9, claimed_by = null, claimed_until = null, postponements = 0,
             handed_over_at = case when $3 = 'queued' then null else handed_over_at end
         where id = $1 and version = $2",
        letter.id.uuid(),
        letter.version - 1,
        letter.state.as_str(),
        letter.reason,
        letter.detail,
        letter.next_attempt_at,
        letter.settled_at,
        letter.version,
        &entries
    )
    .execute(conn)
    .await?;
    assert_one(done.rows_affected())?;
    Ok(letter)
}
