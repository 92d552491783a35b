//! Templates.

use chrono::{DateTime, Utc};
use clientele_kernel::TemplateId;
use clientele_platform::postgres::{Error, assert_one};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::domain::template::{Template, Texts};
use crate::error::refusal;

#[derive(FromRow)]
struct TemplateRow {
    id: Uuid,
    name: String,
    subject: String,
    body_text: String,
    body_html: String,
    active: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<TemplateRow> for Template {
    fn from(row: TemplateRow) -> Self {
        let TemplateRow { id, name, subject, body_text, body_html, active, version, created_at, updated_at } = row;
        let texts = Texts { subject, text: body_text, html: body_html };
        Self { id: id.into(), name, texts, active, version, created_at, updated_at }
    }
}

/// One template.
pub(crate) async fn by_id(conn: impl PgExecutor<'_>, id: TemplateId) -> Result<Option<Template>, Error> {
    let row = sqlx::query_as!(
        TemplateRow,
        "select id, name, subject, body_text, body_html, active, version, created_at, updated_at
         from messaging.email_template where id = $1",
        id.uuid()
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Template::from))
}

/// One template, locked until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: TemplateId) -> Result<Option<Template>, Error> {
    let row = sqlx::query_as!(
        TemplateRow,
        "select id, name, subject, body_text, body_html, active, version, created_at, updated_at
         from messaging.email_template where id = $1 for no key update",
        id.uuid()
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Template::from))
}

/// Templates by name, those after a sort key; without those no longer offered unless they are asked for.
pub(crate) async fn list(
    pool: &PgPool,
    include_inactive: bool,
    after: &str,
    limit: u32,
) -> Result<Vec<Template>, Error> {
    let limit = i64::from(limit);
    let rows = if include_inactive {
        sqlx::query_as!(
            TemplateRow,
            "select id, name, subject, body_text, body_html, active, version, created_at, updated_at
             from messaging.email_template where sort_key > $1 order by sort_key limit $2",
            after,
            limit
        )
        .fetch_all(pool)
        .await?
    } else {
        sqlx::query_as!(
            TemplateRow,
            "select id, name, subject, body_text, body_html, active, version, created_at, updated_at
             from messaging.email_template where active and sort_key > $1 order by sort_key limit $2",
            after,
            limit
        )
        .fetch_all(pool)
        .await?
    };
    Ok(rows.into_iter().map(Template::from).collect())
}

/// Adds a template.
pub(crate) async fn insert(conn: &mut PgConnection, template: &Template) -> Result<(), Error> {
    let Texts { subject, text, html } = &template.texts;
    let done = sqlx::query!(
        "insert into messaging.email_template
             (id, name, sort_key, subject, body_text, body_html, active, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        template.id.uuid(),
        template.name,
        template.sort_key(),
        subject,
        text,
        html,
        template.active,
        template.version,
        template.created_at,
        template.updated_at
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_one(done.rows_affected())
}

/// Writes a changed template, locked before.
pub(crate) async fn update(conn: &mut PgConnection, template: &Template) -> Result<(), Error> {
    let Texts { subject, text, html } = &template.texts;
    let done = sqlx::query!(
        "update messaging.email_template
         set name = $2, sort_key = $3, subject = $4, body_text = $5, body_html = $6, active = $7, version = $8,
             updated_at = $9
         where id = $1 and version = $8::bigint - 1",
        template.id.uuid(),
        template.name,
        template.sort_key(),
        subject,
        text,
        html,
        template.active,
        template.version,
        template.updated_at
    )
    .execute(conn)
    .await
    .map_err(refusal)?;
    assert_one(done.rows_affected())
}
