//! Master keys and their replacement.
//!
//! The schema remembers which master keys have wrapped something in it, each with a value by which another key under the same
//! name is told ([`check`]). So neither a wrong key nor one that is missing does harm: the service does not start. To
//! replace a master key, all replicas first learn the new one beside the old, then wrap with it, then what the old one has
//! wrapped is wrapped anew ([`rewrap`]), and once nothing is left under it ([`found`]) it is retired ([`retire`]).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_kernel::{Code, Error as KernelError};
use opentelemetry::KeyValue;
use sqlx::{PgConnection, PgExecutor, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Database, Error, Keyring, MasterKey, request_log};

/// How often a running service looks whether its master keys still fit.
const LOOK: Duration = Duration::from_mins(1);
/// The same while the database is away.
const RETRY: Duration = Duration::from_secs(2);
/// How often what was met in vain is counted.
const COUNT: Duration = Duration::from_secs(1);
/// How many are wrapped anew in one statement: each holds locks for a moment only.
const BATCH: i64 = 500;

/// Looks whether the master keys of the configuration are those that the schema knows, and notes that the present one wraps.
/// [`Error::MasterKey`] where a key is not the one that its name stands for, or one that still wraps something is not
/// configured.
pub(super) async fn check(db: &Database) -> Result<(), Error> {
    let keyring = &db.keyring;
    let mut tried = false;
    loop {
        let known = look(db).await?;
        let present = keyring.present();
        match known.get(&present.id) {
            Some((_, false)) => return Ok(()),
            Some((_, true)) => {
                sqlx::query("update master_key set retired_at = null where id = $1")
                    .bind(&present.id)
                    .execute(&db.pool)
                    .await?;
                return Ok(());
            }
            // Another replica may be the first, with another key: looked at once more.
            None if tried => return Ok(()),
            None => note(&db.pool, present, db.clock.now()).await?,
        }
        tried = true;
    }
}

/// The same without noting anything. Gives what the schema knows.
pub(super) async fn look(db: &Database) -> Result<BTreeMap<String, (Vec<u8>, bool)>, Error> {
    let (keyring, context) = (&db.keyring, db.context);
    let known = known(&db.pool).await?;
    for master in keyring.masters() {
        match known.get(&master.id) {
            Some((value, _)) if value.as_slice() == master.check_value() => {}
            Some(_) => return Err(other_key(&master.id, context)),
            // From before there was a place to note it: later on, what wraps is noted first.
            None if known.is_empty() => fits(&db.pool, keyring, master, context).await?,
            None => {}
        }
    }
    let configured = |id: &String| keyring.masters().iter().any(|master| master.id == *id);
    if let Some((id, _)) = known.iter().find(|(id, (_, retired))| !retired && !configured(id)) {
        return Err(Error::MasterKey(format!(
            "the master key `{id}` is not configured and may still be needed in {context}: name it in \
             `secrets.other_master_keys` until `clientele keys rewrap` says that nothing is left under it"
        )));
    }
    Ok(known)
}

/// Looks after the master keys of a service. It does not start with keys that do not fit its schema; where they cease to fit
/// while it runs, because replicas with others have begun, that is told and measured, and it goes on with what it has.
pub(crate) async fn watch(db: Database, stop: CancellationToken) -> Result<(), KernelError> {
    let context = db.context;
    let attributes = [KeyValue::new("context", context)];
    let unknown = db.metrics().counter(
        "clientele.master_key.unknown",
        "{read}",
        "reads that failed because they take a master key that is not configured",
    );
    unknown.add(0, &attributes);
    let misfit = db.metrics().level(
        "clientele.master_key.misfit",
        "{service}",
        "1 where the configured master keys do not fit what is wrapped in the schema",
    );
    let (mut begun, mut told) = (false, 0);
    loop {
        let mut left = match check(&db).await {
            Ok(()) => {
                begun = true;
                misfit.set(&attributes, 0.0);
                LOOK
            }
            Err(Error::MasterKey(message)) if !begun => {
                return Err(KernelError::new(Code::InvalidArgument, "CONFIGURATION", message));
            }
            Err(Error::MasterKey(message)) => {
                misfit.set(&attributes, 1.0);
                tracing::error!(context, message, "the master keys do not fit any more");
                LOOK
            }
            // The database is away, or not migrated yet: readiness tells of it.
            Err(_) => RETRY,
        };
        while !left.is_zero() {
            let rest = left.min(COUNT);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(rest) => left -= rest,
            }
            let met = db.keyring.unknown();
            if met > told {
                unknown.add(met - told, &attributes);
                tracing::error!(context, reads = met - told, "reads take a master key that is not configured");
                told = met;
            }
        }
    }
}

async fn known(database: impl PgExecutor<'_>) -> Result<BTreeMap<String, (Vec<u8>, bool)>, Error> {
    let rows: Vec<(String, Vec<u8>, bool)> =
        sqlx::query_as("select id, check_value, retired_at is not null from master_key").fetch_all(database).await?;
    Ok(rows.into_iter().map(|(id, value, retired)| (id, (value, retired))).collect())
}

/// A key that the schema has not noted may have wrapped something before there was a place to note it.
async fn fits(pool: &PgPool, keyring: &Keyring, master: &MasterKey, context: &str) -> Result<(), Error> {
    let sample: Option<(Uuid, Vec<u8>)> =
        sqlx::query_as("select subject_id, wrapped_key from subject_key where master_key_id = $1 limit 1")
            .bind(&master.id)
            .fetch_optional(pool)
            .await?;
    match sample {
        Some((subject, wrapped)) if keyring.unwrap(subject, &master.id, &wrapped).is_err() => {
            Err(other_key(&master.id, context))
        }
        _ => Ok(()),
    }
}

async fn note(pool: &PgPool, master: &MasterKey, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query(
        "insert into master_key (id, check_value, first_used_at) values ($1, $2, $3) on conflict (id) do nothing",
    )
    .bind(&master.id)
    .bind(master.check_value().as_slice())
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

fn other_key(id: &str, context: &str) -> Error {
    Error::MasterKey(format!(
        "the master key configured as `{id}` is not the one that wraps keys under this name in {context}: give the right \
         one, or a new key a name of its own"
    ))
}

/// What is wrapped in a schema, by the name of the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Keys of customers and of aggregates that belong to none.
    pub subject_keys: i64,
    /// Answers kept for repeated commands.
    pub answers: i64,
    /// True where it has been noted that nothing is left.
    pub retired: bool,
}

impl Found {
    /// True where nothing is wrapped.
    pub fn nothing(&self) -> bool {
        self.subject_keys == 0 && self.answers == 0
    }
}

/// Counts what is wrapped in the schema that the connection looks at: of each master key that is known there.
pub async fn found(conn: &mut PgConnection) -> Result<BTreeMap<String, Found>, Error> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let noted: Vec<(String, bool)> =
        sqlx::query_as("select id, retired_at is not null from master_key").fetch_all(&mut *conn).await?;
    for (id, retired) in noted {
        found.entry(id).or_default().retired = retired;
    }
    let keys: Vec<(String, i64)> =
        sqlx::query_as("select master_key_id, count(*) from subject_key group by master_key_id")
            .fetch_all(&mut *conn)
            .await?;
    for (id, count) in keys {
        found.entry(id).or_default().subject_keys = count;
    }
    for (id, count) in request_log::by_master_key(conn).await? {
        found.entry(id).or_default().answers = count;
    }
    Ok(found)
}

/// Whether the keys are those that services have begun with, the present one among them, in the schema that the connection
/// looks at: [`rewrap`] under a key that nobody has would close everything.
pub async fn agree(conn: &mut PgConnection, keyring: &Keyring, context: &str) -> Result<(), Error> {
    let known = known(&mut *conn).await?;
    for master in keyring.masters() {
        match known.get(&master.id) {
            Some((value, _)) if value.as_slice() != master.check_value() => return Err(other_key(&master.id, context)),
            _ => {}
        }
    }
    let present = &keyring.present().id;
    match known.get(present) {
        Some((_, false)) => Ok(()),
        _ => Err(Error::MasterKey(format!(
            "nothing is wrapped under `{present}` in {context} yet: give it to every service as `secrets.master_key` first, and \
             see that they have started"
        ))),
    }
}

/// Wraps anew under the present master key what others have wrapped in the schema that the connection looks at, in batches
/// that each hold their locks for a moment. May be cut off at any time and begun again: what is done stays done. Says
/// after each batch how many that were so far. What was erased stays erased.
pub async fn rewrap(conn: &mut PgConnection, keyring: &Keyring, mut progress: impl FnMut(u64)) -> Result<u64, Error> {
    let mut done = 0;
    let mut after = Uuid::nil();
    while let Some((last, rewrapped)) = rewrap_keys(conn, keyring, after).await? {
        after = last;
        done += rewrapped;
        progress(done);
    }
    let mut after = request_log::Place::default();
    while let Some((last, rewrapped)) = request_log::reseal(conn, keyring, &after, BATCH).await? {
        after = last;
        done += rewrapped;
        progress(done);
    }
    Ok(done)
}

async fn rewrap_keys(conn: &mut PgConnection, keyring: &Keyring, after: Uuid) -> Result<Option<(Uuid, u64)>, Error> {
    let rows: Vec<(Uuid, String, Vec<u8>)> = sqlx::query_as(
        "select subject_id, master_key_id, wrapped_key from subject_key where subject_id > $1 order by subject_id limit $2",
    )
    .bind(after)
    .bind(BATCH)
    .fetch_all(&mut *conn)
    .await?;
    let Some(&(last, ..)) = rows.last() else { return Ok(None) };
    let present = &keyring.present().id;
    let (mut subjects, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, master_id, wrapped) in rows.into_iter().filter(|(_, master_id, _)| master_id != present) {
        new.push(keyring.rewrap(subject, &master_id, &wrapped)?);
        old.push(wrapped);
        subjects.push(subject);
    }
    if subjects.is_empty() {
        return Ok(Some((last, 0)));
    }
    // A key that was destroyed meanwhile is not found: it does not come back.
    let done = sqlx::query(
        "update subject_key k set master_key_id = $1, wrapped_key = u.new
         from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u(subject_id, old, new)
         where k.subject_id = u.subject_id and k.wrapped_key = u.old",
    )
    .bind(present)
    .bind(&subjects)
    .bind(&old)
    .bind(&new)
    .execute(conn)
    .await?;
    Ok(Some((last, done.rows_affected())))
}

/// Notes that nothing is left under these master keys: services start without them from now on.
pub async fn retire(conn: &mut PgConnection, ids: &[String], now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query("update master_key set retired_at = $2 where id = any($1) and retired_at is null")
        .bind(ids)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}
