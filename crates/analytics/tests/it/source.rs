//! The journal of another context, served as a real feed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clientele_contracts::campaigns::v1::feed_server::{Feed as CampaignsFeed, FeedServer as CampaignsFeedServer};
use clientele_contracts::customers::v1::feed_server::{Feed as CustomersFeed, FeedServer as CustomersFeedServer};
use clientele_contracts::messaging::v1::feed_server::{Feed as MessagingFeed, FeedServer as MessagingFeedServer};
use clientele_contracts::orders::v1::feed_server::{Feed as OrdersFeed, FeedServer as OrdersFeedServer};
use clientele_contracts::orders::v1::{
    CreditNoteRecorded, LineFact, LineKind, OrderDeleted, OrderRecorded, ProductRecorded, StatusGroup,
};
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_platform::proto;
use clientele_testkit::Journal;
use prost::{Message, Name};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// A moment of the tests.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An id that a test can name.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_a1f0_0000_7000_8000_0000_0000_0000 + number)
}

/// A context that analytics listens to.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) journal: Journal,
}

impl Source {
    pub(crate) fn new(context: &'static str) -> Arc<Self> {
        Arc::new(Self { journal: Journal::new(context) })
    }

    /// Writes an event: the aggregate's next version, in the partition of the customer or else of the aggregate.
    pub(crate) fn record<M: Message + Name>(
        &self,
        aggregate: Uuid,
        customer: Option<Uuid>,
        occurred_at: DateTime<Utc>,
        message: &M,
    ) -> Event {
        self.journal.record(aggregate, customer, occurred_at, at("2026-01-15T09:00:00Z"), message)
    }

    pub(crate) fn order(&self, order: &Order) -> Event {
        self.record(order.id, order.customer, order.at, &order.message())
    }

    /// The order is taken back.
    pub(crate) fn deleted(&self, order: &Order) -> Event {
        let message = OrderDeleted {
            order_id: order.id.to_string(),
            customer_id: order.customer.map(|id| id.to_string()).unwrap_or_default(),
            placed_at: Some(proto::timestamp(order.at)),
            currency: order.currency.to_owned(),
        };
        self.record(order.id, order.customer, order.at, &message)
    }

    pub(crate) fn credit_note(&self, note: &CreditNote) -> Event {
        self.record(note.id, note.customer, note.at, &note.message())
    }

    pub(crate) fn product(&self, product: Uuid, sku: &str, name: &str, category: &str) -> Event {
        let message = ProductRecorded {
            product_id: product.to_string(),
            sku: sku.to_owned(),
            name: name.to_owned(),
            category: category.to_owned(),
        };
        self.record(product, None, at("2025-01-01T00:00:00Z"), &message)
    }

    pub(crate) fn routes(self: &Arc<Self>) -> Routes {
        match self.journal.context() {
            "orders" => Routes::new(OrdersFeedServer::new(Served(self.clone()))),
            "customers" => Routes::new(CustomersFeedServer::new(Served(self.clone()))),
            "messaging" => Routes::new(MessagingFeedServer::new(Served(self.clone()))),
            "campaigns" => Routes::new(CampaignsFeedServer::new(Served(self.clone()))),
            other => panic!("{other} has no feed in these tests"),
        }
    }
}

#[derive(Debug)]
struct Served(Arc<Source>);

macro_rules! serve {
    ($($feed:ident)*) => {$(
        #[tonic::async_trait]
        impl $feed for Served {
            async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
                Ok(Response::new(self.0.journal.read(request.get_ref())))
            }
        }
    )*};
}

serve! { OrdersFeed CustomersFeed MessagingFeed CampaignsFeed }

/// An order as a test writes it down.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) customer: Option<Uuid>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) currency: &'static str,
    pub(crate) cancelled: bool,
    /// Product, kind, thousandths of a unit, minor units.
    pub(crate) lines: Vec<(Uuid, LineKind, i64, i64)>,
}

impl Order {
    /// An order of one unit of product 1.
    pub(crate) fn of(number: u128, customer: Option<Uuid>, moment: &str, minor: i64) -> Self {
        Self {
            id: id(1_000_000 + number),
            customer,
            at: at(moment),
            currency: "EUR",
            cancelled: false,
            lines: vec![(id(1), LineKind::Sale, 1000, minor)],
        }
    }

    pub(crate) fn message(&self) -> OrderRecorded {
        let sum = |wanted: LineKind| self.lines.iter().filter(|line| line.1 == wanted).map(|line| line.3).sum();
        let group = if self.cancelled { StatusGroup::Cancelled } else { StatusGroup::Completed };
        OrderRecorded {
            order_id: self.id.to_string(),
            customer_id: self.customer.map(|id| id.to_string()).unwrap_or_default(),
            status_group: group.into(),
            placed_at: Some(proto::timestamp(self.at)),
            currency: self.currency.to_owned(),
            gross_minor: sum(LineKind::Sale),
            adjustment_minor: sum(LineKind::Adjustment),
            paid_minor: 0,
            lines: self
                .lines
                .iter()
                .map(|(product, kind, units, minor)| line(*product, *kind, *units, *minor))
                .collect(),
            status: if self.cancelled { "cancelled".to_owned() } else { "completed".to_owned() },
        }
    }
}

/// A credit note as a test writes it down.
#[derive(Debug, Clone)]
pub(crate) struct CreditNote {
    pub(crate) id: Uuid,
    pub(crate) customer: Option<Uuid>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) currency: &'static str,
    /// Product, thousandths of a unit, minor units.
    pub(crate) lines: Vec<(Uuid, i64, i64)>,
}

impl CreditNote {
    /// A credit note over one unit of product 1.
    pub(crate) fn of(number: u128, customer: Option<Uuid>, moment: &str, minor: i64) -> Self {
        Self {
            id: id(2_000_000 + number),
            customer,
            at: at(moment),
            currency: "EUR",
            lines: vec![(id(1), 1000, minor)],
        }
    }

    fn message(&self) -> CreditNoteRecorded {
        CreditNoteRecorded {
            credit_note_id: self.id.to_string(),
            customer_id: self.customer.map(|id| id.to_string()).unwrap_or_default(),
            order_id: String::new(),
            issued_at: Some(proto::timestamp(self.at)),
            currency: self.currency.to_owned(),
            total_minor: self.lines.iter().map(|line| line.2).sum(),
            lines: self
                .lines
                .iter()
                .map(|(product, units, minor)| line(*product, LineKind::Unspecified, *units, *minor))
                .collect(),
        }
    }
}

fn line(product: Uuid, kind: LineKind, quantity_milli: i64, amount_minor: i64) -> LineFact {
    LineFact { product_id: product.to_string(), kind: kind.into(), quantity_milli, amount_minor }
}
