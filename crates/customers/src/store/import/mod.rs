//! Imports of files by hand.
//!
//! - this module: the imports themselves, and who works on one
//! - [`chunk`]: the bytes of their files
//! - [`line`]: rows sorted by order
//! - [`intent`]: orders about to be sent
//! - [`refusal`]: rows that were refused
//! - [`record`]: what a run has touched
//! - [`contact`]: whose an e-mail or a phone is

pub(crate) mod chunk;
pub(crate) mod contact;
pub(crate) mod intent;
pub(crate) mod line;
pub(crate) mod record;
pub(crate) mod refusal;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Actor, ActorKind, ImportId};
use clientele_platform::postgres::{Error as StorageError, assert_one};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::import::{Import, Kind, Look, State, Work};

/// How long a replica may work on an import without saying that it still does.
pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(60);

struct ImportRow {
    id: Uuid,
    kind: String,
    file_name: String,
    size_bytes: i64,
    state: String,
    actor_kind: String,
    actor_id: String,
    source: String,
    look: Json<Look>,
    work: Json<Work>,
    failure: String,
    file: Option<Uuid>,
    file_expires_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

fn import(row: ImportRow) -> Result<Import, Error> {
    let corrupt = |what: &str| StorageError::corrupt("import", format!("{what} of import {}", row.id));
    Ok(Import {
        id: row.id.into(),
        kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("kind"))?,
        file_name: row.file_name,
        size_bytes: row.size_bytes,
        state: State::parse(&row.state).ok_or_else(|| corrupt("state"))?,
        actor: Actor {
            kind: ActorKind::parse(&row.actor_kind).ok_or_else(|| corrupt("actor_kind"))?,
            id: row.actor_id,
        },
        source: row.source,
        look: row.look.0,
        work: row.work.0,
        failure: row.failure,
        file: row.file,
        file_expires_at: row.file_expires_at,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Writes a new import.
pub(crate) async fn insert(conn: &mut PgConnection, import: &Import) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into customers.import (id, kind, file_name, size_bytes, state, actor_kind, actor_id, source, look, work,
                                       failure, file, file_expires_at, version, epoch, leased_until, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, null, $15, $16)",
        import.id.uuid(),
        import.kind.as_str(),
        import.file_name,
        import.size_bytes,
        import.state.as_str(),
        import.actor.kind.as_str(),
        import.actor.id,
        import.source,
        Json(&import.look) as _,
        Json(&import.work) as _,
        import.failure,
        import.file,
        import.file_expires_at,
        import.version,
        import.created_at,
        import.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Writes an import whose row is locked. Whoever works on it has it no longer: what goes on is claimed anew.
pub(crate) async fn update(conn: &mut PgConnection, import: &Import) -> Result<(), Error> {
    let done = sqlx::query!(
        "update customers.import
         set size_bytes = $2, state = $3, source = $4, look = $5, work = $6, failure = $7, file = $8, file_expires_at = $9,
             version = $10, updated_at = $11, epoch = epoch + 1, leased_until = null
         where id = $1 and version = $12",
        import.id.uuid(),
        import.size_bytes,
        import.state.as_str(),
        import.source,
        Json(&import.look) as _,
        Json(&import.work) as _,
        import.failure,
        import.file,
        import.file_expires_at,
        import.version,
        import.updated_at,
        import.version - 1,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// One import.
pub(crate) async fn get(executor: impl PgExecutor<'_>, id: ImportId) -> Result<Option<Import>, Error> {
    let row = sqlx::query_as!(
        ImportRow,
        r#"select id, kind, file_name, size_bytes, state, actor_kind, actor_id, source, look as "look: Json<Look>",
                  work as "work: Json<Work>", failure, file, file_expires_at, version, created_at, updated_at
           from customers.import where id = $1"#,
        id.uuid(),
    )
    .fetch_optional(executor)
    .await?;
    row.map(import).transpose()
}

/// One import, locked until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: ImportId) -> Result<Option<Import>, Error> {
    sqlx::query!("select id from customers.import where id = $1 for update", id.uuid())
        .fetch_optional(&mut *conn)
        .await?;
    get(conn, id).await
}

/// A page of imports, newest first; of one person, or of all.
pub(crate) async fn list(
    executor: impl PgExecutor<'_>,
    of: Option<&Actor>,
    before: Option<ImportId>,
    limit: u32,
) -> Result<Vec<Import>, Error> {
    let before = before.map_or(Uuid::max(), ImportId::uuid);
    let limit = i64::from(limit);
    let rows = match of {
        Some(actor) => {
            sqlx::query_as!(
                ImportRow,
                r#"select id, kind, file_name, size_bytes, state, actor_kind, actor_id, source, look as "look: Json<Look>",
                          work as "work: Json<Work>", failure, file, file_expires_at, version, created_at, updated_at
                   from customers.import where actor_kind = $1 and actor_id = $2 and id < $3 order by id desc limit $4"#,
                actor.kind.as_str(),
                actor.id,
                before,
                limit,
            )
            .fetch_all(executor)
            .await?
        }
        None => {
            sqlx::query_as!(
                ImportRow,
                r#"select id, kind, file_name, size_bytes, state, actor_kind, actor_id, source, look as "look: Json<Look>",
                          work as "work: Json<Work>", failure, file, file_expires_at, version, created_at, updated_at
                   from customers.import where id < $1 order by id desc limit $2"#,
                before,
                limit,
            )
            .fetch_all(executor)
            .await?
        }
    };
    rows.into_iter().map(import).collect()
}

/// How many files of a person are kept.
pub(crate) async fn files(executor: impl PgExecutor<'_>, of: &Actor) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from customers.import
           where actor_kind = $1 and actor_id = $2 and file_expires_at is not null and state <> 'awaiting_file'"#,
        of.kind.as_str(),
        of.id,
    )
    .fetch_one(executor)
    .await?;
    Ok(count)
}

/// How many imports of a person await their files.
pub(crate) async fn awaiting(executor: impl PgExecutor<'_>, of: &Actor) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from customers.import
           where actor_kind = $1 and actor_id = $2 and file_expires_at is not null and state = 'awaiting_file'"#,
        of.kind.as_str(),
        of.id,
    )
    .fetch_one(executor)
    .await?;
    Ok(count)
}

/// Takes an import on which nobody works and something is to be done; gives it with the epoch in which it was taken.
pub(crate) async fn claim(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Option<(Import, i64)>, Error> {
    let taken = sqlx::query!(
        "update customers.import i set epoch = i.epoch + 1, leased_until = $2
         where i.id = (
             select id from customers.import
             where state in ('checking', 'running', 'undoing') and (leased_until is null or leased_until <= $1)
             order by id limit 1 for update skip locked
         )
         returning i.id, i.epoch",
        now,
        now + LEASE,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(taken) = taken else { return Ok(None) };
    Ok(get(conn, taken.id.into()).await?.map(|import| (import, taken.epoch)))
}

/// Gives an import back, for another to go on with at once.
pub(crate) async fn release(executor: impl PgExecutor<'_>, id: ImportId, epoch: i64) -> Result<(), Error> {
    sqlx::query!("update customers.import set leased_until = null where id = $1 and epoch = $2", id.uuid(), epoch)
        .execute(executor)
        .await?;
    Ok(())
}

/// Notes how far the work has come; false where it has been taken from us, and nothing of this may stay.
pub(crate) async fn note(
    conn: &mut PgConnection,
    id: ImportId,
    epoch: i64,
    work: &Work,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update customers.import set work = $3, leased_until = $4, updated_at = $5 where id = $1 and epoch = $2",
        id.uuid(),
        epoch,
        Json(work) as _,
        now + LEASE,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether we still have it, with its row locked: what follows in this transaction is ours to write.
pub(crate) async fn holds(conn: &mut PgConnection, id: ImportId, epoch: i64) -> Result<bool, Error> {
    let row = sqlx::query!("select epoch from customers.import where id = $1 for update", id.uuid())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some_and(|row| row.epoch == epoch))
}

/// Whether we still have it, as far as can be told without locking its row.
pub(crate) async fn held(executor: impl PgExecutor<'_>, id: ImportId, epoch: i64) -> Result<bool, Error> {
    let row =
        sqlx::query!("select epoch from customers.import where id = $1", id.uuid()).fetch_optional(executor).await?;
    Ok(row.is_some_and(|row| row.epoch == epoch))
}

/// Notes that nothing of a removed file is left.
pub(crate) async fn cleared(executor: impl PgExecutor<'_>, id: ImportId) -> Result<(), Error> {
    sqlx::query!("update customers.import set file_expires_at = null where id = $1 and file is null", id.uuid())
        .execute(executor)
        .await?;
    Ok(())
}

/// Imports whose files are kept no longer, and on which nobody works.
pub(crate) async fn expired(
    executor: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ImportId>, Error> {
    let rows = sqlx::query_scalar!(
        "select id from customers.import
         where file_expires_at <= $1 and state not in ('checking', 'running', 'undoing') order by file_expires_at limit $2",
        now,
        limit,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
