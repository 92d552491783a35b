//! Dialogs.
//!
//! - [`message`]: what was said in them

pub(crate) mod message;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, DialogId, Reference, UserId, VisitorId};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_one};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use self::message::MessageRow;
use crate::domain::dialog::listing::{Filter, Place, Responsible};
use crate::domain::dialog::{Dialog, Origin, State, VisitingCard};

#[derive(FromRow)]
struct DialogRow {
    id: Uuid,
    channel_id: Uuid,
    channel_name: String,
    visitor_id: Option<Uuid>,
    customer_id: Option<Uuid>,
    visitor_name: String,
    visitor_email: String,
    state: String,
    assignee_id: Option<Uuid>,
    last_sequence: i64,
    read_sequence: i64,
    unread_count: i32,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    source: Option<String>,
    external_id: Option<String>,
    content_hash: Option<Vec<u8>>,
    version: i64,
    updated_at: DateTime<Utc>,
    #[sqlx(flatten)]
    last: MessageRow,
}

impl TryFrom<DialogRow> for Dialog {
    type Error = Error;

    fn try_from(row: DialogRow) -> Result<Self, Error> {
        let corrupt = |what: &str| Error::corrupt("dialog", format!("{what} of dialog {}", row.id));
        let state = match row.state.as_str() {
            "open" => State::Open,
            "closed" => State::Closed,
            _ => return Err(corrupt("state")),
        };
        let origin = match (row.source, row.external_id, row.content_hash) {
            (Some(source), Some(external_id), Some(hash)) => Some(Origin {
                reference: Reference::stored(source, external_id),
                content_hash: hash.try_into().map_err(|_| corrupt("content_hash"))?,
            }),
            (None, None, None) => None,
            _ => return Err(corrupt("reference")),
        };
        Ok(Self {
            id: row.id.into(),
            channel_id: row.channel_id.into(),
            channel_name: row.channel_name,
            visitor_id: row.visitor_id.map(VisitorId::from),
            customer_id: row.customer_id.map(CustomerId::from),
            card: VisitingCard { name: row.visitor_name, email: row.visitor_email },
            state,
            assignee_id: row.assignee_id.map(UserId::from),
            last_sequence: row.last_sequence,
            read_sequence: row.read_sequence,
            unread_count: row.unread_count,
            last_message: row.last.try_into()?,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
            origin,
            version: row.version,
            updated_at: row.updated_at,
        })
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Closed => "closed",
    }
}

/// Begins a statement that reads dialogs from what follows, which names them `d`.
const SELECT: &str =
    "select d.id, d.channel_id, c.name as channel_name, d.visitor_id, d.customer_id, d.visitor_name, d.visitor_email,
            d.state, d.assignee_id, d.last_sequence, d.read_sequence, d.unread_count, d.opened_at, d.closed_at,
            d.source, d.external_id, d.content_hash, d.version, d.updated_at,
            m.dialog_id, m.sequence, m.id as message_id, m.kind, m.note, m.text, m.user_id, m.client_message_id,
            m.created_at
     from ";
const WITH_CHANNEL_AND_MESSAGE: &str = " as d join messaging.channel c on c.id = d.channel_id
     join messaging.dialog_message m on m.dialog_id = d.id and m.sequence = d.last_spoken_sequence";

/// The dialog.
pub(crate) async fn find(conn: impl PgExecutor<'_>, id: DialogId) -> Result<Option<Dialog>, Error> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("messaging.dialog").push(WITH_CHANNEL_AND_MESSAGE).push(" where d.id = ").push_bind(id.uuid());
    let row: Option<DialogRow> = query.build_query_as().fetch_optional(conn).await?;
    row.map(Dialog::try_from).transpose()
}

/// The dialog, locked until the transaction ends. Locking comes first and reading second: a statement that waited for a
/// lock would see the last message of before.
pub(crate) async fn lock(conn: &mut PgConnection, id: DialogId) -> Result<Option<Dialog>, Error> {
    let found = sqlx::query_scalar!("select id from messaging.dialog where id = $1 for no key update", id.uuid());
    match found.fetch_optional(&mut *conn).await? {
        Some(_) => find(conn, id).await,
        None => Ok(None),
    }
}

/// The dialog of a visitor.
pub(crate) async fn of_visitor(conn: impl PgExecutor<'_>, visitor_id: VisitorId) -> Result<Option<DialogId>, Error> {
    let found = sqlx::query_scalar!("select id from messaging.dialog where visitor_id = $1", visitor_id.uuid());
    Ok(found.fetch_optional(conn).await?.map(DialogId::from))
}

/// Adds dialogs without their messages, and tells which were added: the references of the others were taken by somebody
/// else meanwhile. Give them in the order of their references.
pub(crate) async fn insert(conn: &mut PgConnection, dialogs: &[Dialog]) -> Result<HashSet<DialogId>, Error> {
    let reference = |dialog: &Dialog| dialog.origin.as_ref().map(|origin| origin.reference.clone());
    let added = sqlx::query_scalar!(
        "insert into messaging.dialog
             (id, channel_id, visitor_id, customer_id, visitor_name, visitor_email, state, assignee_id, last_sequence,
              last_spoken_sequence, read_sequence, unread_count, opened_at, closed_at, last_message_at, source,
              external_id, content_hash, version, updated_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                              $8::uuid[], $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[],
                              $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::text[], $17::text[],
                              $18::bytea[], $19::bigint[], $20::timestamptz[])
         on conflict (source, external_id) do nothing
         returning id",
        column!(dialogs, d => d.id.uuid()),
        column!(dialogs, d => d.channel_id.uuid()),
        column!(dialogs, d => d.visitor_id.map(VisitorId::uuid)) as &[Option<Uuid>],
        column!(dialogs, d => d.customer_id.map(CustomerId::uuid)) as &[Option<Uuid>],
        column!(dialogs, d => d.card.name.clone()),
        column!(dialogs, d => d.card.email.clone()),
        column!(dialogs, d => state(d.state).to_owned()),
        column!(dialogs, d => d.assignee_id.map(UserId::uuid)) as &[Option<Uuid>],
        column!(dialogs, d => d.last_sequence),
        column!(dialogs, d => d.last_message.sequence),
        column!(dialogs, d => d.read_sequence),
        column!(dialogs, d => d.unread_count),
        column!(dialogs, d => d.opened_at),
        column!(dialogs, d => d.closed_at) as &[Option<DateTime<Utc>>],
        column!(dialogs, d => d.last_message.created_at),
        column!(dialogs, d => reference(d).map(|r| r.source().to_owned())) as &[Option<String>],
        column!(dialogs, d => reference(d).map(|r| r.external_id().to_owned())) as &[Option<String>],
        column!(dialogs, d => d.origin.as_ref().map(|o| o.content_hash.to_vec())) as &[Option<Vec<u8>>],
        column!(dialogs, d => d.version),
        column!(dialogs, d => d.updated_at)
    )
    .fetch_all(conn)
    .await?;
    Ok(added.into_iter().map(DialogId::from).collect())
}

/// Writes a changed dialog, locked before.
pub(crate) async fn update(conn: &mut PgConnection, dialog: &Dialog) -> Result<(), Error> {
    let done = sqlx::query!(
        "update messaging.dialog
         set customer_id = $2, visitor_name = $3, visitor_email = $4, state = $5, assignee_id = $6, last_sequence = $7,
             last_spoken_sequence = $8, read_sequence = $9, unread_count = $10, closed_at = $11, last_message_at = $12,
             version = $13, updated_at = $14
         where id = $1 and version = $13::bigint - 1",
        dialog.id.uuid(),
        dialog.customer_id.map(CustomerId::uuid),
        dialog.card.name,
        dialog.card.email,
        state(dialog.state),
        dialog.assignee_id.map(UserId::uuid),
        dialog.last_sequence,
        dialog.last_message.sequence,
        dialog.read_sequence,
        dialog.unread_count,
        dialog.closed_at,
        dialog.last_message.created_at,
        dialog.version,
        dialog.updated_at,
    )
    .execute(conn)
    .await?;
    assert_one(done.rows_affected())
}

/// Dialogs, the one with the latest message first, after a place; at most `limit`.
pub(crate) async fn list(
    pool: &PgPool,
    filter: &Filter,
    after: Option<&Place>,
    limit: u32,
) -> Result<Vec<Dialog>, Error> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("(select * from messaging.dialog where true");
    push_conditions(&mut query, filter);
    if let Some((moment, id)) = after {
        query.push(" and (last_message_at, id) < (").push_bind(*moment).push(", ").push_bind(*id).push(")");
    }
    query.push(" order by last_message_at desc, id desc limit ").push_bind(i64::from(limit)).push(")");
    query.push(WITH_CHANNEL_AND_MESSAGE).push(" order by d.last_message_at desc, d.id desc");
    let rows: Vec<DialogRow> = query.build_query_as().fetch_all(pool).await?;
    rows.into_iter().map(Dialog::try_from).collect()
}

/// How many dialogs match, counted up to `most`.
pub(crate) async fn count(pool: &PgPool, filter: &Filter, most: i64) -> Result<i64, Error> {
    let mut query = QueryBuilder::new("select count(*) from (select 1 from messaging.dialog where true");
    push_conditions(&mut query, filter);
    query.push(" limit ").push_bind(most).push(") as counted");
    Ok(query.build_query_scalar().fetch_one(pool).await?)
}

/// States stand in the text of the statement: that is how the planner knows a partial index when it sees one.
fn push_conditions(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    match filter.state {
        Some(State::Open) => {
            query.push(" and state = 'open'");
        }
        Some(State::Closed) => {
            query.push(" and state = 'closed'");
        }
        None => {}
    }
    if filter.unread {
        query.push(" and unread_count > 0");
    }
    match filter.assignee {
        Some(Responsible::Nobody) => {
            query.push(" and assignee_id is null");
        }
        Some(Responsible::Colleague(id)) => {
            query.push(" and assignee_id = ").push_bind(id.uuid());
        }
        None => {}
    }
    if let Some(id) = filter.customer_id {
        query.push(" and customer_id = ").push_bind(id.uuid());
    }
    if let Some(id) = filter.channel_id {
        query.push(" and channel_id = ").push_bind(id.uuid());
    }
}

/// What is known of a dialog that another system held.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) id: DialogId,
    pub(crate) reference: Reference,
    pub(crate) content_hash: Vec<u8>,
}

/// Those of the references that are known.
pub(crate) async fn recorded(conn: &mut PgConnection, references: &[Reference]) -> Result<Vec<Recorded>, Error> {
    let rows = sqlx::query!(
        r#"select d.id, d.source as "source!", d.external_id as "external_id!", d.content_hash as "content_hash!"
           from unnest($1::text[], $2::text[]) as k(source, external_id)
           join messaging.dialog d on d.source = k.source and d.external_id = k.external_id"#,
        column!(references, r => r.source().to_owned()),
        column!(references, r => r.external_id().to_owned())
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Recorded {
            id: row.id.into(),
            reference: Reference::stored(row.source, row.external_id),
            content_hash: row.content_hash,
        })
        .collect())
}

/// Of these customers, those with whom there are dialogs or letters.
pub(crate) async fn correspondents(pool: &PgPool, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
    let rows = sqlx::query_scalar!(
        r#"select asked.id as "id!" from unnest($1::uuid[]) with ordinality as asked(id, place)
           where exists (select 1 from messaging.dialog d where d.customer_id = asked.id)
              or exists (select 1 from messaging.email e where e.customer_id = asked.id)
           order by asked.place"#,
        column!(ids, id => id.uuid())
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(CustomerId::from).collect())
}
