//! Lists and parts of dialogs.

use clientele_kernel::{CustomerId, DialogId, Error, paging};

use super::Dialogs;
use crate::domain::dialog::listing::{Filter, Part, Place, Responsible};
use crate::domain::dialog::message::Message;
use crate::domain::dialog::{Dialog, State};
use crate::store;

/// How far a list is counted.
const MOST_COUNTED: i64 = 10_000;

/// A page of dialogs.
pub(crate) struct DialogPage {
    pub(crate) dialogs: Vec<Dialog>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
    /// With the first page only.
    pub(crate) total_size: i64,
}

impl Dialogs {
    /// One dialog.
    pub(crate) async fn get(&self, id: DialogId) -> Result<Dialog, Error> {
        store::dialog::find(self.db.pool(), id).await?.ok_or_else(|| Error::not_found("dialog", id))
    }

    /// Dialogs, the one with the latest message first.
    pub(crate) async fn list(&self, filter: &Filter, page_size: i32, page_token: &str) -> Result<DialogPage, Error> {
        let size = paging::size(page_size, 50, 200)?;
        let fingerprint = fingerprint(filter);
        let after: Option<Place> = paging::decode(page_token, fingerprint)?;
        let pool = self.db.pool();
        let count = async {
            match after {
                None => store::dialog::count(pool, filter, MOST_COUNTED).await,
                Some(_) => Ok(0),
            }
        };
        let rows = store::dialog::list(pool, filter, after.as_ref(), size + 1);
        let (mut dialogs, total_size) = tokio::try_join!(rows, count)?;
        let more = paging::cut(&mut dialogs, size);
        let last = dialogs.last().filter(|_| more);
        let place = |last: &Dialog| -> Place { (last.last_message.created_at, last.id.uuid()) };
        let next_page_token = last.map(|last| paging::encode(&place(last), fingerprint)).unwrap_or_default();
        Ok(DialogPage { dialogs, next_page_token, total_size })
    }

    /// A part of a dialog, and whether there is more in the direction asked for.
    pub(crate) async fn messages(&self, id: DialogId, part: Part, size: u32) -> Result<(Vec<Message>, bool), Error> {
        let mut messages = store::dialog::message::list(self.db.pool(), id, part, size + 1).await?;
        if messages.is_empty() {
            // Every dialog has entries, but perhaps none in this part.
            self.get(id).await?;
        }
        let more = messages.len() > size as usize;
        if more && matches!(part, Part::After(_)) {
            messages.pop();
        } else if more {
            messages.remove(0);
        }
        Ok((messages, more))
    }

    /// Of these customers, those with whom there are dialogs or letters.
    pub(crate) async fn correspondents(&self, ids: &[CustomerId]) -> Result<Vec<CustomerId>, Error> {
        let mut seen = std::collections::HashSet::new();
        let distinct: Vec<CustomerId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        Ok(store::dialog::correspondents(self.db.pool(), &distinct).await?)
    }
}

fn fingerprint(filter: &Filter) -> u64 {
    let state = match filter.state {
        None => "",
        Some(State::Open) => "open",
        Some(State::Closed) => "closed",
    };
    let assignee = match filter.assignee {
        None => String::new(),
        Some(Responsible::Nobody) => "-".to_owned(),
        Some(Responsible::Colleague(id)) => id.to_string(),
    };
    let customer = filter.customer_id.map(|id| id.to_string()).unwrap_or_default();
    let channel = filter.channel_id.map(|id| id.to_string()).unwrap_or_default();
    let unread = if filter.unread { "unread" } else { "" };
    paging::fingerprint(&["dialogs", state, &customer, &assignee, &channel, unread])
}
