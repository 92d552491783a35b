//! Who shares contact points with a customer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{CustomerId, paging};

use super::App;
use crate::domain::contact::SHOWN_PHONES;
use crate::domain::duplicate::{Duplicate, View};
use crate::{Error, store};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;

impl App {
    /// The customers that share contact points with this one, oldest first, and the token of the next page.
    pub(crate) async fn list_duplicates(
        &self,
        id: CustomerId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Duplicate>, String), Error> {
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&["duplicates", &id.to_string()]);
        let after: Option<(DateTime<Utc>, CustomerId)> = paging::decode(page_token, fingerprint)?;
        let pool = self.db.pool();
        let mut shared = store::duplicate::shared(pool, id, after, size + 1).await.map_err(Error::of_list)?;
        if shared.is_empty() && !store::customer::exists(pool, id).await? {
            return Err(Error::NotFound(id));
        }
        let more = paging::cut(&mut shared, size);
        let token = match shared.last() {
            Some(last) if more => paging::encode(&(last.created_at, last.customer_id), fingerprint),
            _ => String::new(),
        };
        let ids: Vec<CustomerId> = shared.iter().map(|shared| shared.customer_id).collect();
        let views = store::customer::views(pool, &ids, SHOWN_PHONES).await?;
        let mut views: HashMap<CustomerId, View> = views.into_iter().map(|view| (view.customer.id, view)).collect();
        let duplicates = shared
            .into_iter()
            .filter_map(|shared| {
                let view = views.remove(&shared.customer_id)?;
                Some(Duplicate { view, phones: shared.phones, emails: shared.emails })
            })
            .collect();
        Ok((duplicates, token))
    }
}
