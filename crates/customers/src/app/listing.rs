//! Search, filter, sort, page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele_contracts::customers::v1::ListCustomersRequest;
use clientele_kernel::{Error as KernelError, paging};
use clientele_platform::filter::{self, Field, Kind};

use super::App;
use crate::domain::contact::SHOWN_PHONES;
use crate::domain::duplicate::View;
use crate::domain::listing::{Order, Place};
use crate::domain::search;
use crate::store::listing::{Selection, Total};
use crate::{Error, store};

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;
/// What page tokens are sealed for.
const TOKEN: &str = "page token of customers";

/// What a list can be filtered by, as the contract says.
const FIELDS: &[Field] = &[
    Field { name: "kind", kind: Kind::Enum(&["person", "company"]) },
    Field { name: "country", kind: Kind::Text },
    Field { name: "manager_id", kind: Kind::Id },
    Field { name: "store_id", kind: Kind::Id },
    Field { name: "source", kind: Kind::Text },
    Field { name: "has_phone", kind: Kind::Bool },
    Field { name: "has_email", kind: Kind::Bool },
    Field { name: "duplicate", kind: Kind::Bool },
    Field { name: "registered_at", kind: Kind::Time },
    Field { name: "created_at", kind: Kind::Time },
    Field { name: "updated_at", kind: Kind::Time },
];

/// A page of customers.
#[derive(Debug)]
pub(crate) struct Page {
    /// The customers.
    pub(crate) views: Vec<View>,
    /// Token of the next page; empty at the end.
    pub(crate) next_page_token: String,
    /// How many match; with the first page only.
    pub(crate) total: Option<Total>,
}

impl App {
    /// A page of customers by search, filter and order.
    pub(crate) async fn list(&self, request: &ListCustomersRequest) -> Result<Page, Error> {
        let selection =
            Selection { words: search::words(&request.query)?, comparisons: filter::parse(&request.filter, FIELDS)? };
        let order = Order::parse(&request.order_by)?;
        let size = paging::size(request.page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&[&request.query, &request.filter, &request.order_by]);
        let after = self.read_token(&request.page_token, fingerprint)?;
        let is_first = after.is_none();

        let db = &self.db;
        let places =
            async { store::listing::page(db, &selection, order, after, size + 1).await.map_err(Error::of_list) };
        let total = async {
            match store::listing::total(db, &selection).await.map_err(Error::of_list) {
                // The page may well be there in time although its count is not.
                Err(Error::TooBroad(_)) => store::listing::estimate(db, &selection).await.map(Some),
                counted => counted.map(Some),
            }
        };
        let (mut places, total) = if is_first { tokio::try_join!(places, total)? } else { (places.await?, None) };
        let more = paging::cut(&mut places, size);
        let next_page_token = match places.last() {
            Some(last) if more => self.token(last, fingerprint),
            _ => String::new(),
        };
        let ids: Vec<_> = places.iter().map(|place| place.id).collect();
        let views = store::customer::views(db.pool(), &ids, SHOWN_PHONES).await?;
        Ok(Page { views, next_page_token, total })
    }

    /// A token is sealed: it holds a name where the list is sorted by names, and travels in URLs.
    fn token(&self, place: &Place, fingerprint: u64) -> String {
        let plain = paging::encode(place, fingerprint);
        URL_SAFE_NO_PAD.encode(self.db.keyring().seal_secret(TOKEN, plain.as_bytes()))
    }

    fn read_token(&self, token: &str, fingerprint: u64) -> Result<Option<Place>, KernelError> {
        if token.is_empty() {
            return Ok(None);
        }
        let open = |token: &str| {
            let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
            let plain = self.db.keyring().open_secret(TOKEN, &sealed).ok()?;
            String::from_utf8(plain.to_vec()).ok()
        };
        let plain = open(token).ok_or_else(|| {
            KernelError::invalid("page_token", "is not a token of this list: send `next_page_token` as it was given")
        })?;
        paging::decode(&plain, fingerprint)
    }
}
