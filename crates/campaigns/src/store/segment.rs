//! Segments, their builds, and the lock under which rules change.

use chrono::{DateTime, Utc};
use clientele_contracts::campaigns::v1 as pb;
use clientele_kernel::SegmentId;
use clientele_kernel::text::Name;
use clientele_platform::postgres::{Error as StorageError, assert_one};
use prost::Message;
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::contract::{self, Progress, read_rule};
use crate::domain::segment::Segment;

/// Waits until nobody decides memberships, and keeps everybody from it until the transaction ends: for a change of rules.
pub(crate) async fn lock_rules(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('clientele.campaigns.rules', 0))")
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Keeps rules from changing until the transaction ends, beside others who do the same. Gives the version of the rules.
pub(crate) async fn hold_rules(conn: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query!("select pg_advisory_xact_lock_shared(hashtextextended('clientele.campaigns.rules', 0))")
        .fetch_one(&mut *conn)
        .await?;
    // A statement of its own: one that waits for a lock sees the tables as they were before it waited.
    let version = sqlx::query_scalar!("select version from campaigns.rule_set").fetch_one(conn).await?;
    Ok(version)
}

/// Has everybody read the rules again.
pub(crate) async fn raise_rules(conn: &mut PgConnection) -> Result<(), Error> {
    let done = sqlx::query!("update campaigns.rule_set set version = version + 1").execute(conn).await?;
    Ok(assert_one(done.rows_affected())?)
}

struct Row {
    id: Uuid,
    name: String,
    name_key: String,
    description: String,
    rule: Vec<u8>,
    active: bool,
    version: i64,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    complete: bool,
    examined: i64,
    total: i64,
    members: i64,
}

/// A segment with how many belong to it and how far they are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) segment: Segment,
    pub(crate) members: i64,
    pub(crate) progress: Progress,
}

impl TryFrom<Row> for View {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let corrupt = |detail: String| StorageError::corrupt("segment", format!("rule of {}: {detail}", row.id));
        let rule = pb::Rule::decode(row.rule.as_slice()).map_err(|error| corrupt(error.to_string()))?;
        let rule = read_rule(&rule, "rule").map_err(|error| corrupt(error.message))?;
        let segment = Segment {
            id: row.id.into(),
            name: Name { text: row.name, key: row.name_key },
            description: row.description,
            rule,
            active: row.active,
            version: row.version,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        let progress = Progress { complete: row.complete, examined: row.examined, total: row.total };
        Ok(Self { segment, members: row.members, progress })
    }
}

/// The segments of these ids.
pub(crate) async fn get(executor: impl PgExecutor<'_>, ids: &[SegmentId]) -> Result<Vec<View>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.name, s.name_key, s.description, s.rule, s.active, s.version, s.revision, s.created_at,
                  s.updated_at, b.complete, b.examined, coalesce(b.total, 0) as "total!",
                  (select coalesce(sum(c.members), 0)::bigint from campaigns.segment_count c
                   where c.segment_id = s.id and s.active) as "members!"
           from campaigns.segment s
           join campaigns.build b on b.segment_id = s.id
           where s.id = any($1)
           order by s.id"#,
        &ids,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(View::try_from).collect::<Result<_, _>>()?)
}

/// Segments by name, those after a key; at most `limit`.
pub(crate) async fn list(
    executor: impl PgExecutor<'_>,
    include_inactive: bool,
    after: Option<String>,
    limit: u32,
) -> Result<Vec<View>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.name, s.name_key, s.description, s.rule, s.active, s.version, s.revision, s.created_at,
                  s.updated_at, b.complete, b.examined, coalesce(b.total, 0) as "total!",
                  (select coalesce(sum(c.members), 0)::bigint from campaigns.segment_count c
                   where c.segment_id = s.id and s.active) as "members!"
           from campaigns.segment s
           join campaigns.build b on b.segment_id = s.id
           where (s.active or $1) and s.name_key > $2
           order by s.name_key
           limit $3"#,
        include_inactive,
        after.unwrap_or_default(),
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(View::try_from).collect::<Result<_, _>>()?)
}

/// All segments in use.
pub(crate) async fn active(conn: &mut PgConnection) -> Result<Vec<View>, Error> {
    let ids = sqlx::query_scalar!("select id from campaigns.segment where active").fetch_all(&mut *conn).await?;
    get(conn, &ids.into_iter().map(SegmentId::from).collect::<Vec<_>>()).await
}

/// How many segments are in use.
pub(crate) async fn number_active(conn: &mut PgConnection) -> Result<i64, Error> {
    let number = sqlx::query_scalar!(r#"select count(*) as "number!" from campaigns.segment where active"#)
        .fetch_one(conn)
        .await?;
    Ok(number)
}

/// Whether there is such a segment.
pub(crate) async fn exists(executor: impl PgExecutor<'_>, id: SegmentId) -> Result<bool, Error> {
    let found =
        sqlx::query_scalar!(r#"select exists(select from campaigns.segment where id = $1) as "found!""#, id.uuid())
            .fetch_one(executor)
            .await?;
    Ok(found)
}

/// Writes a new segment.
pub(crate) async fn insert(conn: &mut PgConnection, segment: &Segment) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.segment
            (id, name, name_key, description, rule, active, version, revision, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        segment.id.uuid(),
        segment.name.text,
        segment.name.key,
        segment.description,
        contract::rule(&segment.rule).encode_to_vec(),
        segment.active,
        segment.version,
        segment.revision,
        segment.created_at,
        segment.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a segment that has changed since its version before.
pub(crate) async fn update(conn: &mut PgConnection, segment: &Segment) -> Result<(), Error> {
    let done = sqlx::query!(
        "update campaigns.segment
         set name = $2, name_key = $3, description = $4, rule = $5, active = $6, version = $7, revision = $8,
             updated_at = $9
         where id = $1 and version = $7::bigint - 1",
        segment.id.uuid(),
        segment.name.text,
        segment.name.key,
        segment.description,
        contract::rule(&segment.rule).encode_to_vec(),
        segment.active,
        segment.version,
        segment.revision,
        segment.updated_at,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}

/// Has a segment's members found anew, from the first customer on.
pub(crate) async fn start_build(conn: &mut PgConnection, id: SegmentId) -> Result<(), Error> {
    sqlx::query!(
        "insert into campaigns.build (segment_id, complete, after_id, examined) values ($1, false, $2, 0)
         on conflict (segment_id) do update
            set complete = false, after_id = excluded.after_id, examined = 0, total = null",
        id.uuid(),
        Uuid::nil(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A build that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) segment: SegmentId,
    /// The customer up to which all have been looked at.
    pub(crate) after: Uuid,
    pub(crate) examined: i64,
    pub(crate) total: Option<i64>,
    pub(crate) complete: bool,
}

/// Whether any build is not complete.
pub(crate) async fn is_building(pool: &PgPool) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(r#"select exists(select from campaigns.build where not complete) as "found!""#)
        .fetch_one(pool)
        .await?;
    Ok(found)
}

/// Takes a build that nobody else works on, until the transaction ends.
pub(crate) async fn take_build(conn: &mut PgConnection) -> Result<Option<Build>, Error> {
    let row = sqlx::query!(
        "select segment_id, after_id, examined, total from campaigns.build
         where not complete order by segment_id limit 1 for update skip locked",
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Build {
        segment: row.segment_id.into(),
        after: row.after_id,
        examined: row.examined,
        total: row.total,
        complete: false,
    }))
}

/// Writes how far a build has come.
pub(crate) async fn put_build(conn: &mut PgConnection, build: &Build) -> Result<(), Error> {
    let done = sqlx::query!(
        "update campaigns.build set complete = $2, after_id = $3, examined = $4, total = $5 where segment_id = $1",
        build.segment.uuid(),
        build.complete,
        build.after,
        build.examined,
        build.total,
    )
    .execute(conn)
    .await?;
    Ok(assert_one(done.rows_affected())?)
}
