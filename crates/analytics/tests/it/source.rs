//! The journal of another context, served as a real feed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use clientele_contracts::campaigns::v1::feed_server::{Feed as CampaignsFeed, FeedServer as CampaignsFeedServer};
use clientele_contracts::customers::v1::feed_server::{Feed as CustomersFeed, FeedServer as CustomersFeedServer};
use clientele_contracts::messaging::v1::feed_server::{Feed as MessagingFeed, FeedServer as MessagingFeedServer};
use clientele_contracts::orders::v1::feed_server::{Feed as OrdersFeed, FeedServer as OrdersFeedServer};
use clientele_contracts::orders::v1::{
    CreditNoteRecorded, LineFact, LineKind, OrderDeleted, OrderRecorded, ProductRecorded, StatusGroup,
};
use clientele_contracts::platform::v1::{Actor, ActorKind, Event, Origin, ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::{Partition, SystemClock, SystemEntropy};
use clientele_platform::proto;
use prost::{Message, Name};
use prost_types::Any;
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

/// The journal of a context: events by partition, as the feed gives them.
#[derive(Debug)]
pub(crate) struct Source {
    context: &'static str,
    ids: clientele_kernel::Ids,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    partitions: HashMap<i16, Vec<Event>>,
    versions: HashMap<Uuid, i64>,
}

impl Source {
    pub(crate) fn new(context: &'static str) -> Arc<Self> {
        let ids = clientele_kernel::Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
        Arc::new(Self { context, ids, state: Mutex::default() })
    }

    /// Writes an event: the aggregate's next version, in the partition of the customer or else of the aggregate.
    pub(crate) fn record<M: Message + Name>(
        &self,
        aggregate: Uuid,
        customer: Option<Uuid>,
        occurred_at: DateTime<Utc>,
        message: &M,
    ) -> Event {
        let mut state = self.state.lock().unwrap();
        let version = state.versions.entry(aggregate).or_default();
        *version += 1;
        let version = *version;
        let partition = Partition::of(customer.unwrap_or(aggregate)).number();
        let events = state.partitions.entry(partition).or_default();
        let event = Event {
            id: self.ids.next::<Uuid>().to_string(),
            context: self.context.to_owned(),
            partition: partition.into(),
            position: i64::try_from(events.len()).unwrap() + 1,
            aggregate_type: M::NAME.to_lowercase(),
            aggregate_id: aggregate.to_string(),
            aggregate_version: version,
            customer_id: customer.map(|id| id.to_string()).unwrap_or_default(),
            actor: Some(Actor { kind: ActorKind::User.into(), id: id(99).to_string() }),
            origin: Origin::Web.into(),
            integration: String::new(),
            occurred_at: Some(proto::timestamp(occurred_at)),
            recorded_at: Some(proto::timestamp(at("2026-01-15T09:00:00Z"))),
            traceparent: String::new(),
            data: Some(Any {
                type_url: format!("type.googleapis.com/{}", M::full_name()),
                value: message.encode_to_vec(),
            }),
        };
        events.push(event.clone());
        event
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

    /// Position of the newest event of each partition that has one.
    pub(crate) fn heads(&self) -> HashMap<i16, i64> {
        let state = self.state.lock().unwrap();
        state.partitions.iter().map(|(partition, events)| (*partition, i64::try_from(events.len()).unwrap())).collect()
    }

    pub(crate) fn routes(self: &Arc<Self>) -> Routes {
        match self.context {
            "orders" => Routes::new(OrdersFeedServer::new(Served(self.clone()))),
            "customers" => Routes::new(CustomersFeedServer::new(Served(self.clone()))),
            "messaging" => Routes::new(MessagingFeedServer::new(Served(self.clone()))),
            "campaigns" => Routes::new(CampaignsFeedServer::new(Served(self.clone()))),
            other => panic!("{other} has no feed in these tests"),
        }
    }

    fn read(&self, request: &ReadFeedRequest) -> ReadFeedResponse {
        let state = self.state.lock().unwrap();
        let all = state.partitions.get(&i16::try_from(request.partition).unwrap()).map_or(&[][..], Vec::as_slice);
        let after = usize::try_from(request.after).unwrap().min(all.len());
        let size = usize::try_from(request.page_size).unwrap();
        ReadFeedResponse {
            events: all[after..].iter().take(size).cloned().collect(),
            head: i64::try_from(all.len()).unwrap(),
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
                Ok(Response::new(self.0.read(request.get_ref())))
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
