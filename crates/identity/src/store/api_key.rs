//! API keys.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_kernel::{ApiKeyId, UserId};
use clientele_platform::postgres::assert_one;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::api_key::ApiKey;
use crate::domain::permission::Permissions;
use crate::domain::secret::SecretHash;

struct Row {
    id: Uuid,
    name: String,
    scopes: Vec<String>,
    prefix: String,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    created_by: Uuid,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            scopes: row.scopes.into_iter().collect(),
            prefix: row.prefix,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            version: row.version,
            created_at: row.created_at,
            created_by: row.created_by.into(),
        }
    }
}

/// Writes a new key.
pub(crate) async fn insert(conn: &mut PgConnection, key: &ApiKey, hash: SecretHash) -> Result<(), Error> {
    let scopes: Vec<String> = key.scopes.iter().cloned().collect();
    let done = sqlx::query!(
        "insert into identity.api_key
             (id, name, scopes, prefix, secret_hash, expires_at, revoked_at, version, created_at, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        key.id.uuid(),
        key.name,
        &scopes,
        key.prefix,
        hash.as_bytes(),
        key.expires_at,
        key.revoked_at,
        key.version,
        key.created_at,
        key.created_by.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Writes a key's revocation.
pub(crate) async fn update(conn: &mut PgConnection, key: &ApiKey) -> Result<(), Error> {
    let done = sqlx::query!(
        "update identity.api_key set revoked_at = $2, version = $3 where id = $1 and version = $3::bigint - 1",
        key.id.uuid(),
        key.revoked_at,
        key.version,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// One key, kept from changing until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: ApiKeyId) -> Result<Option<ApiKey>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, scopes, prefix, expires_at, revoked_at, version, created_at, created_by
         from identity.api_key where id = $1 for update",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(ApiKey::from))
}

/// The keys of a user that are not revoked, kept from changing until the transaction ends.
pub(crate) async fn lock_of(conn: &mut PgConnection, user: UserId) -> Result<Vec<ApiKey>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, scopes, prefix, expires_at, revoked_at, version, created_at, created_by
         from identity.api_key where created_by = $1 and revoked_at is null order by id for update",
        user.uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// How many keys of a user are not revoked.
pub(crate) async fn count_of(conn: &mut PgConnection, user: UserId) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.api_key where created_by = $1 and revoked_at is null"#,
        user.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// A key as far as a token needs it, with what its creator may do now.
pub(crate) struct Live {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) creator: Permissions,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// The key of this secret, unless it was revoked, has ended, or its creator may not sign in.
pub(crate) async fn find_live(
    db: impl PgExecutor<'_>,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<Live>, Error> {
    let row = sqlx::query!(
        r#"select k.id, k.name, k.scopes, k.expires_at,
                  exists (select from identity.user_group m join identity.group g on g.id = m.group_id
                          where m.user_id = u.id and g.administrators) as "everything!",
                  array(select distinct p
                        from identity.user_group m join identity.group g on g.id = m.group_id,
                             unnest(g.permissions) as p
                        where m.user_id = u.id) as "permissions!: Vec<String>"
           from identity.api_key k join identity.user u on u.id = k.created_by
           where k.secret_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)
                 and u.state = 'active'"#,
        hash.as_bytes(),
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Live {
        id: row.id.into(),
        name: row.name,
        scopes: row.scopes.into_iter().collect(),
        creator: Permissions::granted(row.everything, row.permissions),
        expires_at: row.expires_at,
    }))
}

/// Keys, newest first, those older than the given one.
pub(crate) async fn list(db: impl PgExecutor<'_>, before: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKey>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, scopes, prefix, expires_at, revoked_at, version, created_at, created_by
         from identity.api_key where id < $1 order by id desc limit $2",
        before.map_or(Uuid::max(), ApiKeyId::uuid),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}
