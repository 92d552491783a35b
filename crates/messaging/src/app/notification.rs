//! Notifications: telling colleagues, and what they do with what they are told.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Code, Error, EventId, NotificationId, UserId, paging};
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, UnitOfWork};
use uuid::Uuid;

use crate::domain::notification::{Kind, MOST_KEPT, Notification};
use crate::events::publish;
use crate::store;

/// What happened longer ago nobody is called for: it is told late because a database was restored or long away, and whoever
/// waited for it has looked by themselves. Somebody who began on Friday is still told on Monday.
const NEWS: TimeDelta = TimeDelta::days(3);

/// Something that happened, for one colleague to know.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) user_id: UserId,
    pub(crate) kind: Kind,
    /// The record concerned.
    pub(crate) subject_id: Uuid,
    /// Figures by name.
    pub(crate) counts: BTreeMap<String, i64>,
    /// The event that tells of it.
    pub(crate) event_id: EventId,
    pub(crate) happened_at: DateTime<Utc>,
}

/// Tells a colleague, once for each event. Old news is among what is told, and counts as read. What is older than their newest thousand is forgotten.
pub(crate) async fn tell(uow: &mut UnitOfWork, news: News) -> Result<(), Error> {
    let now = uow.now();
    let notification = Notification {
        id: uow.id(),
        user_id: news.user_id,
        kind: news.kind,
        subject_id: news.subject_id,
        counts: news.counts,
        event_id: news.event_id,
        version: 1,
        created_at: news.happened_at,
        read_at: (now - news.happened_at > NEWS).then_some(now),
    };
    if store::notification::insert(uow.conn(), &notification).await? {
        store::notification::forget_oldest(uow.conn(), notification.user_id, MOST_KEPT).await?;
        uow.record(publish::notification(&notification));
    }
    Ok(())
}

/// A caller's own notifications.
#[derive(Clone)]
pub(crate) struct Notifications {
    db: Database,
}

/// A page of them.
pub(crate) struct NotificationPage {
    pub(crate) notifications: Vec<Notification>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
    /// How many are not read, up to a thousand.
    pub(crate) unread: i64,
}

/// Which to mark as read.
#[derive(Debug)]
pub(crate) enum Which {
    All,
    These(Vec<NotificationId>),
}

impl Notifications {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    /// The caller's notifications, newest first.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        unread: bool,
        page_size: i32,
        page_token: &str,
    ) -> Result<NotificationPage, Error> {
        let user = own(caller)?;
        let size = paging::size(page_size, 50, 200)?;
        let sort = if unread { "unread" } else { "all" };
        let fingerprint = paging::fingerprint(&["notifications", sort, &user.to_string()]);
        let after: Option<(DateTime<Utc>, Uuid)> = paging::decode(page_token, fingerprint)?;
        let pool = self.db.pool();
        let (mut notifications, count) = tokio::try_join!(
            store::notification::list(pool, user, unread, after.as_ref(), size + 1),
            store::notification::count_unread(pool, user, MOST_KEPT),
        )?;
        let more = paging::cut(&mut notifications, size);
        let last = notifications.last().filter(|_| more);
        let next_page_token =
            last.map(|last| paging::encode(&(last.created_at, last.id.uuid()), fingerprint)).unwrap_or_default();
        Ok(NotificationPage { notifications, next_page_token, unread: count })
    }

    /// Marks the caller's notifications as read, and tells how many are not.
    pub(crate) async fn mark_read(&self, caller: &Caller, which: &Which) -> Result<i64, Error> {
        let user = own(caller)?;
        let among: Option<Vec<Uuid>> = match which {
            Which::All => None,
            Which::These(ids) => Some(ids.iter().map(|id| id.uuid()).collect()),
        };
        let mut uow = self.db.begin(caller).await?;
        let now = uow.now();
        let unread = store::notification::lock_unread(uow.conn(), user, among.as_deref()).await?;
        let read: Vec<Notification> = unread.iter().filter_map(|notification| notification.read(now)).collect();
        store::notification::mark_read(uow.conn(), &read).await?;
        for notification in &read {
            uow.record(publish::notification(notification));
        }
        let left = store::notification::count_unread(uow.conn(), user, MOST_KEPT).await?;
        uow.commit().await?;
        Ok(left)
    }
}

/// Who the caller is: notifications are for people.
fn own(caller: &Caller) -> Result<UserId, Error> {
    caller.user().ok_or_else(|| {
        Error::new(Code::PermissionDenied, "NOT_A_USER", "only a user who has signed in has notifications")
    })
}
