//! What was said in dialogs, and what the system noted.

use chrono::{DateTime, Utc};
use clientele_kernel::{DialogId, UserId};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::domain::dialog::listing::Part;
use crate::domain::dialog::message::{Content, Message, Note, Speaker};

#[derive(Debug, FromRow)]
pub(super) struct MessageRow {
    dialog_id: Uuid,
    sequence: i64,
    message_id: Uuid,
    kind: String,
    note: Option<String>,
    text: String,
    user_id: Option<Uuid>,
    client_message_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl TryFrom<MessageRow> for Message {
    type Error = Error;

    fn try_from(row: MessageRow) -> Result<Self, Error> {
        let user_id = row.user_id.map(UserId::from);
        let content = match (row.kind.as_str(), row.note.as_deref()) {
            ("customer", None) => Content::Customer(row.text),
            ("colleague", None) => Content::Colleague(user_id, row.text),
            ("system", Some("opened")) => Content::System(Note::Opened),
            ("system", Some("closed")) => Content::System(Note::Closed),
            ("system", Some("assigned")) => Content::System(Note::Assigned(user_id)),
            ("system", Some("customer_linked")) => Content::System(Note::CustomerLinked),
            (kind, note) => {
                let place = format!("{} of dialog {}", row.sequence, row.dialog_id);
                return Err(Error::corrupt("dialog_message", format!("kind {kind} and note {note:?} of {place}")));
            }
        };
        Ok(Self {
            id: row.message_id.into(),
            dialog_id: row.dialog_id.into(),
            sequence: row.sequence,
            content,
            client_message_id: row.client_message_id,
            created_at: row.created_at,
        })
    }
}

fn kind(content: &Content) -> &'static str {
    content.speaker().map_or("system", speaker)
}

fn speaker(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Customer => "customer",
        Speaker::Colleague => "colleague",
    }
}

fn note(content: &Content) -> Option<String> {
    let Content::System(note) = content else { return None };
    let name = match note {
        Note::Opened => "opened",
        Note::Closed => "closed",
        Note::Assigned(_) => "assigned",
        Note::CustomerLinked => "customer_linked",
    };
    Some(name.to_owned())
}

fn user(content: &Content) -> Option<Uuid> {
    match content {
        Content::Colleague(user, _) | Content::System(Note::Assigned(user)) => user.map(UserId::uuid),
        _ => None,
    }
}

/// Adds entries to dialogs.
pub(crate) async fn insert(conn: &mut PgConnection, messages: &[Message]) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "insert into messaging.dialog_message
             (dialog_id, sequence, id, kind, note, text, user_id, client_message_id, created_at)
         select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                              $8::uuid[], $9::timestamptz[])",
        column!(messages, m => m.dialog_id.uuid()),
        column!(messages, m => m.sequence),
        column!(messages, m => m.id.uuid()),
        column!(messages, m => kind(&m.content).to_owned()),
        column!(messages, m => note(&m.content)) as &[Option<String>],
        column!(messages, m => m.content.text().to_owned()),
        column!(messages, m => user(&m.content)) as &[Option<Uuid>],
        column!(messages, m => m.client_message_id) as &[Option<Uuid>],
        column!(messages, m => m.created_at)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), messages.len())
}

/// A part of a dialog, at most `limit` entries: those nearest to where the part begins, oldest first.
pub(crate) async fn list(
    conn: impl PgExecutor<'_>,
    dialog_id: DialogId,
    part: Part,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let rows = match part {
        Part::After(sequence) => {
            sqlx::query_as!(
                MessageRow,
                "select dialog_id, sequence, id as message_id, kind, note, text, user_id, client_message_id, created_at
                 from messaging.dialog_message where dialog_id = $1 and sequence > $2 order by sequence limit $3",
                dialog_id.uuid(),
                sequence,
                i64::from(limit),
            )
            .fetch_all(conn)
            .await?
        }
        Part::Before(_) | Part::Newest => {
            let before = if let Part::Before(sequence) = part { sequence } else { i64::MAX };
            let mut rows = sqlx::query_as!(
                MessageRow,
                "select dialog_id, sequence, id as message_id, kind, note, text, user_id, client_message_id, created_at
                 from messaging.dialog_message where dialog_id = $1 and sequence < $2 order by sequence desc limit $3",
                dialog_id.uuid(),
                before,
                i64::from(limit),
            )
            .fetch_all(conn)
            .await?;
            rows.reverse();
            rows
        }
    };
    rows.into_iter().map(Message::try_from).collect()
}

/// What was said after a sequence number, without what the system noted, oldest first.
pub(crate) async fn spoken_after(
    conn: impl PgExecutor<'_>,
    dialog_id: DialogId,
    sequence: i64,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let rows = sqlx::query_as!(
        MessageRow,
        "select dialog_id, sequence, id as message_id, kind, note, text, user_id, client_message_id, created_at
         from messaging.dialog_message where dialog_id = $1 and sequence > $2 and kind <> 'system'
         order by sequence limit $3",
        dialog_id.uuid(),
        sequence,
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Message::try_from).collect()
}

/// The message that this side of the dialog sent under an id of its own.
pub(crate) async fn sent_as(
    conn: &mut PgConnection,
    dialog_id: DialogId,
    side: Speaker,
    client_message_id: Uuid,
) -> Result<Option<Message>, Error> {
    let row = sqlx::query_as!(
        MessageRow,
        "select dialog_id, sequence, id as message_id, kind, note, text, user_id, client_message_id, created_at
         from messaging.dialog_message where dialog_id = $1 and kind = $2 and client_message_id = $3",
        dialog_id.uuid(),
        speaker(side),
        client_message_id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Message::try_from).transpose()
}

/// How many messages of the customer stand after a sequence number.
pub(crate) async fn unread_beyond(conn: &mut PgConnection, dialog_id: DialogId, sequence: i64) -> Result<i32, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from messaging.dialog_message
           where dialog_id = $1 and sequence > $2 and kind = 'customer'"#,
        dialog_id.uuid(),
        sequence,
    )
    .fetch_one(conn)
    .await?;
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

/// When the customer's last messages were written, the newest first.
pub(crate) async fn recent_of_customer(
    conn: &mut PgConnection,
    dialog_id: DialogId,
    limit: usize,
) -> Result<Vec<DateTime<Utc>>, Error> {
    let rows = sqlx::query_scalar!(
        "select created_at from messaging.dialog_message where dialog_id = $1 and kind = 'customer'
         order by sequence desc limit $2",
        dialog_id.uuid(),
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
