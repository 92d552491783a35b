//! Users and the groups they belong to.

use chrono::{DateTime, Utc};
use clientele_kernel::{GroupId, UserId};
use clientele_platform::postgres::{self, assert_one};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::domain::password::PasswordHash;
use crate::domain::permission::Permissions;
use crate::domain::user::{Login, User, UserState};

struct Row {
    id: Uuid,
    login: String,
    login_key: String,
    display_name: String,
    state: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    group_ids: Vec<Uuid>,
}

impl TryFrom<Row> for User {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            login: Login::stored(row.login, row.login_key),
            display_name: row.display_name,
            group_ids: row.group_ids.into_iter().map(GroupId::from).collect(),
            state: UserState::parse(&row.state)
                .ok_or_else(|| postgres::Error::corrupt("user", format!("state `{}`", row.state)))?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn users(rows: Vec<Row>) -> Result<Vec<User>, Error> {
    rows.into_iter().map(User::try_from).collect()
}

fn stored_hash(text: &str) -> Result<PasswordHash, Error> {
    PasswordHash::parse(text).ok_or_else(|| postgres::Error::corrupt("user", "password_hash is no Argon2 hash").into())
}

/// Writes a new user with their groups.
pub(crate) async fn insert(conn: &mut PgConnection, user: &User, hash: &PasswordHash) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into identity.user
             (id, login, login_key, display_name, state, password_hash, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        user.id.uuid(),
        user.login.as_str(),
        user.login.key(),
        user.display_name,
        user.state.as_str(),
        hash.to_string(),
        user.version,
        user.created_at,
        user.updated_at,
    )
    .execute(&mut *conn)
    .await?;
    assert_one(done.rows_affected())?;
    insert_groups(conn, user).await
}

/// Writes a changed user; their groups too.
pub(crate) async fn update(conn: &mut PgConnection, user: &User) -> Result<(), Error> {
    let done = sqlx::query!(
        "update identity.user set display_name = $2, state = $3, version = $4, updated_at = $5
         where id = $1 and version = $4::bigint - 1",
        user.id.uuid(),
        user.display_name,
        user.state.as_str(),
        user.version,
        user.updated_at,
    )
    .execute(&mut *conn)
    .await?;
    assert_one(done.rows_affected())?;
    let kept: Vec<Uuid> = user.group_ids.iter().map(|id| id.uuid()).collect();
    sqlx::query!("delete from identity.user_group where user_id = $1 and group_id <> all($2)", user.id.uuid(), &kept)
        .execute(&mut *conn)
        .await?;
    insert_groups(conn, user).await
}

async fn insert_groups(conn: &mut PgConnection, user: &User) -> Result<(), Error> {
    let groups: Vec<Uuid> = user.group_ids.iter().map(|id| id.uuid()).collect();
    sqlx::query!(
        "insert into identity.user_group (user_id, group_id) select $1, g from unnest($2::uuid[]) as g
         on conflict do nothing",
        user.id.uuid(),
        &groups,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Replaces the hash of a user's password.
pub(crate) async fn set_password(conn: &mut PgConnection, id: UserId, hash: &PasswordHash) -> Result<(), Error> {
    let done = sqlx::query!("update identity.user set password_hash = $2 where id = $1", id.uuid(), hash.to_string())
        .execute(conn)
        .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// One user.
pub(crate) async fn find(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, login, login_key, display_name, state, version, created_at, updated_at,
                  array(select g.group_id from identity.user_group g where g.user_id = u.id order by 1) as "group_ids!"
           from identity.user u where id = $1"#,
        id.uuid(),
    )
    .fetch_optional(db)
    .await?;
    row.map(User::try_from).transpose()
}

/// One user, kept from changing until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: UserId) -> Result<Option<User>, Error> {
    // The groups are read after the lock is held: read beside it they would be of the moment before the wait.
    let locked = sqlx::query_scalar!("select id from identity.user where id = $1 for no key update", id.uuid())
        .fetch_optional(&mut *conn)
        .await?;
    match locked {
        Some(_) => find(conn, id).await,
        None => Ok(None),
    }
}

/// Those of the users that exist, in no order.
pub(crate) async fn find_many(db: impl PgExecutor<'_>, ids: &[UserId]) -> Result<Vec<User>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select id, login, login_key, display_name, state, version, created_at, updated_at,
                  array(select g.group_id from identity.user_group g where g.user_id = u.id order by 1) as "group_ids!"
           from identity.user u where id = any($1)"#,
        &ids,
    )
    .fetch_all(db)
    .await?;
    users(rows)
}

/// Users by login, those after the given one.
pub(crate) async fn list(db: impl PgExecutor<'_>, after: Option<UserId>, limit: i64) -> Result<Vec<User>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, login, login_key, display_name, state, version, created_at, updated_at,
                  array(select g.group_id from identity.user_group g where g.user_id = u.id order by 1) as "group_ids!"
           from identity.user u
           where login_key > coalesce((select a.login_key from identity.user a where a.id = $1), '')
           order by login_key limit $2"#,
        after.map(UserId::uuid),
        limit,
    )
    .fetch_all(db)
    .await?;
    users(rows)
}

/// What a sign-in is compared with.
pub(crate) struct Credentials {
    pub(crate) user_id: UserId,
    pub(crate) hash: PasswordHash,
}

/// What a sign-in under this login is compared with.
pub(crate) async fn credentials(db: impl PgExecutor<'_>, login_key: &str) -> Result<Option<Credentials>, Error> {
    let row = sqlx::query!("select id, password_hash from identity.user where login_key = $1", login_key)
        .fetch_optional(db)
        .await?;
    row.map(|row| Ok(Credentials { user_id: row.id.into(), hash: stored_hash(&row.password_hash)? })).transpose()
}

/// The hash of a user's password.
pub(crate) async fn password(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<PasswordHash>, Error> {
    let hash = sqlx::query_scalar!("select password_hash from identity.user where id = $1", id.uuid())
        .fetch_optional(db)
        .await?;
    hash.map(|text| stored_hash(&text)).transpose()
}

/// What members of these groups may do; groups that do not exist give nothing.
pub(crate) async fn permissions(db: impl PgExecutor<'_>, groups: &[GroupId]) -> Result<Permissions, Error> {
    let ids: Vec<Uuid> = groups.iter().map(|id| id.uuid()).collect();
    let row = sqlx::query!(
        r#"select coalesce(bool_or(g.administrators), false) as "everything!",
                  array(select distinct p from identity.group m, unnest(m.permissions) as p where m.id = any($1))
                      as "permissions!: Vec<String>"
           from identity.group g where g.id = any($1)"#,
        &ids,
    )
    .fetch_one(db)
    .await?;
    Ok(Permissions::granted(row.everything, row.permissions))
}

/// How many active administrators there are besides this user. Others who take the right away from somebody wait until
/// the transaction ends.
pub(crate) async fn other_administrators(conn: &mut PgConnection, id: UserId) -> Result<i64, Error> {
    sqlx::query!("select id from identity.group where administrators for no key update")
        .fetch_optional(&mut *conn)
        .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from identity.group g
           join identity.user_group m on m.group_id = g.id
           join identity.user u on u.id = m.user_id
           where g.administrators and u.state = 'active' and u.id <> $1"#,
        id.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Whether there is an administrator who may sign in.
pub(crate) async fn any_administrator(db: impl PgExecutor<'_>) -> Result<bool, Error> {
    let any = sqlx::query_scalar!(
        r#"select exists (
               select from identity.group g
               join identity.user_group m on m.group_id = g.id
               join identity.user u on u.id = m.user_id
               where g.administrators and u.state = 'active') as "any!""#,
    )
    .fetch_one(db)
    .await?;
    Ok(any)
}
