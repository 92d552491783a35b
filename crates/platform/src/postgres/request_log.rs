//! Idempotency: a command's answer is kept with its request id in the command's own transaction, for 24 hours.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Code, Error as KernelError};
use prost::Message;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use super::{Error, Keyring};

/// How long an answer is kept.
pub(crate) const RETENTION: TimeDelta = TimeDelta::hours(24);
const LONGEST_KEY: usize = 128;

/// A request that carries a request id.
pub(crate) struct RequestKey {
    actor: String,
    method: &'static str,
    request_id: String,
}

impl RequestKey {
    fn purpose(&self) -> String {
        purpose(&self.actor, self.method, &self.request_id)
    }
}

fn purpose(actor: &str, method: &str, request_id: &str) -> String {
    format!("answer {actor} {method} {request_id}")
}

/// What is known of a request.
pub(crate) enum Known<R> {
    /// Seen for the first time; now claimed by this transaction.
    New(RequestKey),
    /// Answered before: this is the answer.
    Answered(R),
}

/// Claims a request id, or finds the answer it got. A request with the same id that is being worked on is waited for.
pub(crate) async fn claim<R: Message + Default>(
    conn: &mut PgConnection,
    keyring: &Keyring,
    actor: String,
    method: &'static str,
    request_id: &str,
    request: &impl Message,
    now: DateTime<Utc>,
) -> Result<Known<R>, Error> {
    check(request_id)?;
    let key = RequestKey { actor, method, request_id: request_id.to_owned() };
    let hash = Sha256::digest(request.encode_to_vec()).to_vec();
    // An answer past its retention is as good as none, whether or not it has been cleared away yet.
    sqlx::query("delete from request_log where actor = $1 and method = $2 and request_id = $3 and created_at < $4")
        .bind(&key.actor)
        .bind(key.method)
        .bind(&key.request_id)
        .bind(now - RETENTION)
        .execute(&mut *conn)
        .await?;
    let claimed = sqlx::query(
        "insert into request_log (actor, method, request_id, request_hash, created_at) values ($1, $2, $3, $4, $5)
         on conflict (actor, method, request_id) do nothing",
    )
    .bind(&key.actor)
    .bind(key.method)
    .bind(&key.request_id)
    .bind(&hash)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Known::New(key));
    }
    let (known_hash, response): (Vec<u8>, Option<Vec<u8>>) = sqlx::query_as(
        "select request_hash, response from request_log where actor = $1 and method = $2 and request_id = $3",
    )
    .bind(&key.actor)
    .bind(key.method)
    .bind(&key.request_id)
    .fetch_one(conn)
    .await?;
    if known_hash != hash {
        return Err(KernelError {
            violations: vec![clientele_kernel::Violation::new(
                "request_id",
                "was used for another request within the last 24 hours: take a new one",
            )],
            ..KernelError::new(
                Code::FailedPrecondition,
                "REQUEST_ID_REUSED",
                "this request id was used for another request",
            )
        }
        .into());
    }
    let sealed = response.ok_or_else(|| Error::corrupt("request_log", "a committed request has no answer"))?;
    let plain = keyring.open_secret(&key.purpose(), &sealed)?;
    let answer = R::decode(plain.as_slice()).map_err(|e| Error::corrupt("request_log", e.to_string()))?;
    Ok(Known::Answered(answer))
}

/// Whether a text can be a request id. An empty one is none, which nobody comes here with.
fn check(request_id: &str) -> Result<(), KernelError> {
    let readable = request_id.bytes().all(|b| b.is_ascii_graphic());
    if request_id.len() <= LONGEST_KEY && readable {
        return Ok(());
    }
    Err(KernelError::invalid(
        "request_id",
        format!("must be at most {LONGEST_KEY} printable ASCII characters without spaces"),
    ))
}

/// Keeps the answer.
pub(crate) async fn answer(
    conn: &mut PgConnection,
    keyring: &Keyring,
    key: &RequestKey,
    response: &impl Message,
) -> Result<(), Error> {
    let sealed = keyring.seal_secret(&key.purpose(), &response.encode_to_vec());
    let done = sqlx::query("update request_log set response = $4 where actor = $1 and method = $2 and request_id = $3")
        .bind(&key.actor)
        .bind(key.method)
        .bind(&key.request_id)
        .bind(sealed)
        .execute(conn)
        .await?;
    super::assert_one(done.rows_affected())
}

/// Clears away answers past their retention, at most `limit` at a time; returns how many.
pub async fn purge(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query(
        "delete from request_log where ctid in (select ctid from request_log where created_at < $1 order by created_at limit $2)",
    )
    .bind(now - RETENTION)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// How many answers are sealed under each master key.
pub(super) async fn by_master_key(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, Error> {
    Ok(sqlx::query_as(
        "select convert_from(substring(response from 2 for get_byte(response, 0)), 'UTF8') as master_key_id, count(*)
         from request_log where octet_length(response) > 0 group by 1",
    )
    .fetch_all(conn)
    .await?)
}

/// A place in the order of the log: actor, method, request id.
#[derive(Debug, Default)]
pub(super) struct Place(String, String, String);

/// Seals the next answers anew under the present master key, where another has sealed them; gives the place of the last one
/// looked at and how many were sealed anew, or nothing at the end.
pub(super) async fn reseal(
    conn: &mut PgConnection,
    keyring: &Keyring,
    after: &Place,
    limit: i64,
) -> Result<Option<(Place, u64)>, Error> {
    let rows: Vec<(String, String, String, Option<Vec<u8>>)> = sqlx::query_as(
        "select actor, method, request_id, response from request_log
         where (actor, method, request_id) > ($1, $2, $3) order by actor, method, request_id limit $4",
    )
    .bind(&after.0)
    .bind(&after.1)
    .bind(&after.2)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut done = 0;
    let Some((actor, method, request_id, _)) = rows.last() else { return Ok(None) };
    let last = Place(actor.clone(), method.clone(), request_id.clone());
    for (actor, method, request_id, response) in rows {
        let Some(sealed) = response else { continue };
        let Some(anew) = keyring.reseal_secret(&purpose(&actor, &method, &request_id), &sealed)? else { continue };
        // One that was cleared away meanwhile is not found.
        let sealed_anew = sqlx::query(
            "update request_log set response = $4
             where actor = $1 and method = $2 and request_id = $3 and response = $5",
        )
        .bind(actor)
        .bind(method)
        .bind(request_id)
        .bind(anew)
        .bind(sealed)
        .execute(&mut *conn)
        .await?;
        done += sealed_anew.rows_affected();
    }
    Ok(Some((last, done)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_request_id_is_of_few_plain_characters_or_refused_by_its_name(text in "[!-~]{0,140}|.{0,140}") {
            match check(&text) {
                Ok(()) => prop_assert!(text.chars().count() <= LONGEST_KEY && !text.contains(char::is_whitespace)),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "request_id"),
            }
        }
    }
}
