//! The captured mailbox.

use chrono::{DateTime, Utc};
use clientele_kernel::{CapturedLetterId, LetterId};
use clientele_platform::column;
use clientele_platform::postgres::Error;
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::email::Place;
use crate::domain::mailbox::Captured;

/// Keeps a letter; nothing happens where it was kept before.
pub(crate) async fn insert(conn: impl PgExecutor<'_>, letter: &Captured) -> Result<(), Error> {
    sqlx::query!(
        "insert into messaging.captured_email
             (id, email_id, customer_id, to_address, from_address, subject, body_text, body_html, source, captured_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (email_id) do nothing",
        letter.id.uuid(),
        letter.letter_id.uuid(),
        letter.customer_id.uuid(),
        letter.to_address,
        letter.from_address,
        letter.subject,
        letter.text,
        letter.html,
        letter.source,
        letter.at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the letters that were kept.
pub(crate) async fn those_of(pool: &PgPool, letters: &[LetterId]) -> Result<Vec<LetterId>, Error> {
    let kept = sqlx::query_scalar!(
        "select email_id from messaging.captured_email where email_id = any($1)",
        column!(letters, letter => letter.uuid())
    );
    Ok(kept.fetch_all(pool).await?.into_iter().map(LetterId::from).collect())
}

/// The place of the newest letter beyond so many newest ones; none where there are no more than these.
pub(crate) async fn place_beyond(pool: &PgPool, newest: u32) -> Result<Option<Place>, Error> {
    let row = sqlx::query!(
        "select captured_at, id from messaging.captured_email order by captured_at desc, id desc offset $1 limit 1",
        i64::from(newest)
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.captured_at, row.id)))
}

/// Deletes letters up to a place, the oldest first, at most `limit` of them; gives their number. A letter stays whose ledger
/// does not say yet what became of it: that is known by its being here.
pub(crate) async fn forget(pool: &PgPool, up_to: Place, limit: i64) -> Result<u64, Error> {
    let (moment, id) = up_to;
    let done = sqlx::query!(
        "delete from messaging.captured_email where id in (
             select c.id from messaging.captured_email c
             join messaging.email e on e.id = c.email_id
             where (c.captured_at, c.id) <= ($1, $2) and e.settled_at is not null
             order by c.captured_at, c.id limit $3
             for update of c skip locked
         )",
        moment,
        id,
        limit
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// One captured letter.
pub(crate) async fn by_id(pool: &PgPool, id: CapturedLetterId) -> Result<Option<Captured>, Error> {
    let row = sqlx::query!(
        r#"select id, email_id, customer_id, to_address, from_address, subject, body_text, body_html, source, captured_at,
                  octet_length(source) as "size!"
           from messaging.captured_email where id = $1"#,
        id.uuid()
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Captured {
        id: row.id.into(),
        letter_id: row.email_id.into(),
        customer_id: row.customer_id.into(),
        to_address: row.to_address,
        from_address: row.from_address,
        subject: row.subject,
        text: row.body_text,
        html: row.body_html,
        source: row.source,
        at: row.captured_at,
        size_bytes: row.size.into(),
    }))
}

/// Captured letters after a place, newest first, without their texts.
pub(crate) async fn list(pool: &PgPool, after: Option<Place>, limit: u32) -> Result<Vec<Captured>, Error> {
    let (moment, id): (DateTime<Utc>, Uuid) = after.unwrap_or_else(super::email::before_all);
    let rows = sqlx::query!(
        r#"select id, email_id, customer_id, to_address, from_address, subject, captured_at,
                  octet_length(source) as "size!"
           from messaging.captured_email where (captured_at, id) < ($1, $2)
           order by captured_at desc, id desc limit $3"#,
        moment,
        id,
        i64::from(limit)
    )
    .fetch_all(pool)
    .await?;
    let letters = rows.into_iter().map(|row| Captured {
        id: row.id.into(),
        letter_id: row.email_id.into(),
        customer_id: row.customer_id.into(),
        to_address: row.to_address,
        from_address: row.from_address,
        subject: row.subject,
        text: String::new(),
        html: String::new(),
        source: String::new(),
        at: row.captured_at,
        size_bytes: row.size.into(),
    });
    Ok(letters.collect())
}
