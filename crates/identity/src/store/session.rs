//! Sessions.

use chrono::{DateTime, Utc};
use clientele_kernel::{SessionId, UserId};
use clientele_platform::postgres::assert_one;
use sqlx::{PgConnection, PgExecutor};

use crate::Error;
use crate::domain::permission::Permissions;
use crate::domain::secret::SecretHash;
use crate::domain::session::Session;

/// Writes a new session. When the user then has more than `most`, the oldest go.
pub(crate) async fn insert(conn: &mut PgConnection, session: &Session, most: i64) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into identity.session
             (id, user_id, secret_hash, user_agent, created_at, used_at, expires_at, ends_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        session.id.uuid(),
        session.user_id.uuid(),
        session.secret_hash.as_bytes(),
        session.user_agent,
        session.created_at,
        session.used_at,
        session.expires_at,
        session.ends_at,
    )
    .execute(&mut *conn)
    .await?;
    assert_one(done.rows_affected())?;
    sqlx::query!(
        "delete from identity.session where id in
             (select id from identity.session where user_id = $1 order by id desc offset $2)",
        session.user_id.uuid(),
        most,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A session as far as a token needs it, with the user it belongs to.
pub(crate) struct Live {
    pub(crate) id: SessionId,
    pub(crate) used_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) user_id: UserId,
    pub(crate) display_name: String,
    pub(crate) permissions: Permissions,
}

/// The session of this secret, unless it has ended or its user may not sign in.
pub(crate) async fn find_live(
    db: impl PgExecutor<'_>,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<Live>, Error> {
    let row = sqlx::query!(
        r#"select s.id, s.used_at, s.ends_at, s.user_id, u.display_name,
                  exists (select from identity.user_group m join identity.group g on g.id = m.group_id
                          where m.user_id = u.id and g.administrators) as "everything!",
                  array(select distinct p
                        from identity.user_group m join identity.group g on g.id = m.group_id,
                             unnest(g.permissions) as p
                        where m.user_id = u.id) as "permissions!: Vec<String>"
           from identity.session s join identity.user u on u.id = s.user_id
           where s.secret_hash = $1 and s.expires_at > $2 and u.state = 'active'"#,
        hash.as_bytes(),
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Live {
        id: row.id.into(),
        used_at: row.used_at,
        ends_at: row.ends_at,
        user_id: row.user_id.into(),
        display_name: row.display_name,
        permissions: Permissions::granted(row.everything, row.permissions),
    }))
}

/// Writes down that a session was used. One that was ended meanwhile stays ended.
pub(crate) async fn prolong(
    db: impl PgExecutor<'_>,
    id: SessionId,
    used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "update identity.session set used_at = $2, expires_at = $3 where id = $1 and used_at < $2",
        id.uuid(),
        used_at,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whose session this secret is of.
pub(crate) async fn owner(db: impl PgExecutor<'_>, hash: SecretHash) -> Result<Option<UserId>, Error> {
    let user = sqlx::query_scalar!("select user_id from identity.session where secret_hash = $1", hash.as_bytes())
        .fetch_optional(db)
        .await?;
    Ok(user.map(UserId::from))
}

/// Ends the session of this secret; false when it was ended before.
pub(crate) async fn delete(conn: &mut PgConnection, hash: SecretHash) -> Result<bool, Error> {
    let done =
        sqlx::query!("delete from identity.session where secret_hash = $1", hash.as_bytes()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of a user but the one to keep.
pub(crate) async fn delete_of(conn: &mut PgConnection, user: UserId, keep: Option<SessionId>) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from identity.session where user_id = $1 and id is distinct from $2",
        user.uuid(),
        keep.map(SessionId::uuid),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Clears away sessions that have ended, at most `limit` of them.
pub(crate) async fn delete_ended(db: impl PgExecutor<'_>, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from identity.session where id in
             (select id from identity.session where expires_at <= $1 order by expires_at limit $2 for update skip locked)",
        now,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
