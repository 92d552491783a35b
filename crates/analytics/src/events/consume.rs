//! One handler for each context that analytics follows.

use async_trait::async_trait;
use chrono_tz::Tz;
use clientele_contracts::campaigns::v1::{SegmentEntered, SegmentLeft};
use clientele_contracts::customers::v1::{ConsentRecorded, CustomerCreated, CustomerDeleted, CustomerUpdated};
use clientele_contracts::messaging::v1::{DialogRecorded, EmailRecorded, SendState};
use clientele_contracts::orders::v1::{
    CreditNoteRecorded, LineFact, LineKind, OrderDeleted, OrderRecorded, ProductRecorded, StatusGroup,
};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{CreditNoteId, Currency, CustomerId, Error, OrderId, ProductId, SegmentId};
use clientele_platform::consumer::Handler;
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{event, proto};

use crate::app::document::Told;
use crate::domain::document::{DocumentKind, shares};
use crate::domain::product::Product;
use crate::domain::timeline::{Entry, Kind};
use crate::domain::{Document, Month, Share};
use crate::{CAMPAIGNS, CUSTOMERS, MESSAGING, app};

/// Follows orders: products, orders, credit notes.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Zone of the reports: decides the month of a document.
    pub(crate) zone: Tz,
}

#[async_trait]
impl Handler for Orders {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let told = self.read(events)?;
        Ok(app::document::apply(work, told).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(app::rebuild::forget_orders(work).await?)
    }
}

impl Orders {
    fn read(&self, events: &[Event]) -> Result<Told, Error> {
        let mut told = Told::default();
        for event in events {
            let partition = event::partition(event)
                .ok_or_else(|| Error::internal(format!("event {} is in partition {}", event.id, event.partition)))?;
            told.reached.insert(partition, event.position);
            if let Some(order) = event::decode::<OrderRecorded>(event)? {
                let document = self.order(event, order)?;
                let entry = document_entry(event, &document, Kind::OrderPlaced)?;
                told.documents.push((document, entry));
            } else if let Some(deleted) = event::decode::<OrderDeleted>(event)? {
                let document = self.deleted(event, &deleted)?;
                let entry = document_entry(event, &document, Kind::OrderPlaced)?;
                told.documents.push((document, entry));
            } else if let Some(note) = event::decode::<CreditNoteRecorded>(event)? {
                let document = self.credit_note(event, &note)?;
                let entry = document_entry(event, &document, Kind::CreditNoteIssued)?;
                told.documents.push((document, entry));
            } else if let Some(product) = event::decode::<ProductRecorded>(event)? {
                told.products.push(Product {
                    id: ProductId::parse(&product.product_id, "product_id")?,
                    version: version(event)?,
                    sku: product.sku,
                    name: product.name,
                    category: product.category,
                });
            }
        }
        Ok(told)
    }

    fn order(&self, event: &Event, order: OrderRecorded) -> Result<Document, Error> {
        let placed_at = proto::required_instant(order.placed_at, "placed_at")?;
        let cancelled = order.status_group() == StatusGroup::Cancelled;
        let mut sales = order.lines.iter().filter(|line| line.kind() == LineKind::Sale).peekable();
        let counts = !cancelled && sales.peek().is_some();
        Ok(Document {
            id: OrderId::parse(&order.order_id, "order_id")?.uuid(),
            kind: DocumentKind::Order,
            version: version(event)?,
            customer: CustomerId::parse_optional(&order.customer_id, "customer_id")?,
            currency: Currency::parse(&order.currency, "currency")?,
            occurred_at: placed_at,
            month: Month::of(placed_at, self.zone),
            counts,
            amount_minor: not_negative(order.gross_minor, "gross_minor")?,
            adjustment_minor: if cancelled { 0 } else { order.adjustment_minor },
            shares: if counts { line_shares(sales)? } else { Vec::new() },
            status: order.status,
        })
    }

    fn deleted(&self, event: &Event, order: &OrderDeleted) -> Result<Document, Error> {
        let placed_at = proto::required_instant(order.placed_at, "placed_at")?;
        let document = Document {
            id: OrderId::parse(&order.order_id, "order_id")?.uuid(),
            kind: DocumentKind::Order,
            version: version(event)?,
            customer: CustomerId::parse_optional(&order.customer_id, "customer_id")?,
            currency: Currency::parse(&order.currency, "currency")?,
            occurred_at: placed_at,
            month: Month::of(placed_at, self.zone),
            status: String::new(),
            counts: false,
            amount_minor: 0,
            adjustment_minor: 0,
            shares: Vec::new(),
        };
        Ok(document.removed())
    }

    fn credit_note(&self, event: &Event, note: &CreditNoteRecorded) -> Result<Document, Error> {
        let issued_at = proto::required_instant(note.issued_at, "issued_at")?;
        Ok(Document {
            id: CreditNoteId::parse(&note.credit_note_id, "credit_note_id")?.uuid(),
            kind: DocumentKind::CreditNote,
            version: version(event)?,
            customer: CustomerId::parse_optional(&note.customer_id, "customer_id")?,
            currency: Currency::parse(&note.currency, "currency")?,
            occurred_at: issued_at,
            month: Month::of(issued_at, self.zone),
            status: String::new(),
            counts: true,
            amount_minor: not_negative(note.total_minor, "total_minor")?,
            adjustment_minor: 0,
            shares: line_shares(&note.lines)?,
        })
    }
}

/// Follows customers: what happened to their records.
#[derive(Debug)]
pub(crate) struct Customers;

#[async_trait]
impl Handler for Customers {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let (mut entries, mut gone) = (Vec::new(), Vec::new());
        for event in events {
            if let Some(created) = event::decode::<CustomerCreated>(event)? {
                entries.push(customer_entry(event, Kind::CustomerCreated, &created.customer_id, Vec::new())?);
            } else if let Some(updated) = event::decode::<CustomerUpdated>(event)? {
                let fields = updated.changed_fields;
                entries.push(customer_entry(event, Kind::CustomerUpdated, &updated.customer_id, fields)?);
            } else if let Some(consent) = event::decode::<ConsentRecorded>(event)? {
                let kind = if consent.granted { Kind::ConsentGranted } else { Kind::ConsentWithdrawn };
                let status = consent.channel().as_str_name().to_owned();
                entries.push(Entry { status, ..entry_of(event, kind, &consent.customer_id)? });
            } else if let Some(deleted) = event::decode::<CustomerDeleted>(event)? {
                let customer = CustomerId::parse(&deleted.customer_id, "customer_id")?.uuid();
                entries.retain(|entry: &Entry| entry.subject != customer);
                gone.push(customer);
            }
        }
        app::timeline::apply(work.conn(), CUSTOMERS, &entries).await?;
        Ok(app::timeline::forget(work.conn(), &gone).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(app::rebuild::forget_timeline(work, CUSTOMERS).await?)
    }
}

/// Follows messaging: letters and dialogs.
#[derive(Debug)]
pub(crate) struct Messaging;

#[async_trait]
impl Handler for Messaging {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let (mut letters, mut dialogs) = (Vec::new(), Vec::new());
        for event in events {
            if let Some(email) = event::decode::<EmailRecorded>(event)? {
                letters.extend(email_entry(event, &email)?);
            } else if let Some(dialog) = event::decode::<DialogRecorded>(event)? {
                dialogs.extend(dialog_entry(event, &dialog)?);
            }
        }
        app::timeline::replace(work.conn(), MESSAGING, letters).await?;
        Ok(app::timeline::apply(work.conn(), MESSAGING, &dialogs).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(app::rebuild::forget_timeline(work, MESSAGING).await?)
    }
}

/// Follows campaigns: who enters and leaves segments.
#[derive(Debug)]
pub(crate) struct Campaigns;

#[async_trait]
impl Handler for Campaigns {
    async fn apply(&self, work: &mut UnitOfWork, events: &[Event]) -> Result<(), Error> {
        let mut entries = Vec::new();
        for event in events {
            if let Some(entered) = event::decode::<SegmentEntered>(event)? {
                let kind = Kind::SegmentEntered;
                let at = proto::required_instant(entered.entered_at, "entered_at")?;
                entries.push(Entry {
                    occurred_at: at,
                    about: Some(SegmentId::parse(&entered.segment_id, "segment_id")?.uuid()),
                    label: entered.segment_name,
                    ..entry_of(event, kind, &entered.customer_id)?
                });
            } else if let Some(left) = event::decode::<SegmentLeft>(event)? {
                let at = proto::required_instant(left.left_at, "left_at")?;
                entries.push(Entry {
                    occurred_at: at,
                    about: Some(SegmentId::parse(&left.segment_id, "segment_id")?.uuid()),
                    label: left.segment_name,
                    ..entry_of(event, Kind::SegmentLeft, &left.customer_id)?
                });
            }
        }
        Ok(app::timeline::apply(work.conn(), CAMPAIGNS, &entries).await?)
    }

    async fn forget(&self, work: &mut UnitOfWork) -> Result<(), Error> {
        Ok(app::rebuild::forget_timeline(work, CAMPAIGNS).await?)
    }
}

/// A letter stands in the timeline once it is known what became of it. What is known may change: of one whose fate was
/// unknown it can turn out that it was sent.
fn email_entry(event: &Event, email: &EmailRecorded) -> Result<Option<Entry>, Error> {
    let settled =
        matches!(email.state(), SendState::Sent | SendState::Failed | SendState::Suppressed | SendState::Unknown);
    if !settled || email.customer_id.is_empty() {
        return Ok(None);
    }
    let settled_at = proto::required_instant(email.settled_at, "settled_at")?;
    let status = email.state().as_str_name().to_owned();
    let entry = entry_of(event, Kind::EmailSettled, &email.customer_id)?;
    Ok(Some(Entry { occurred_at: settled_at, status, ..entry }))
}

/// A dialog stands in the timeline once, from the moment its customer is known; that may be long after it was opened.
fn dialog_entry(event: &Event, dialog: &DialogRecorded) -> Result<Option<Entry>, Error> {
    if dialog.customer_id.is_empty() {
        return Ok(None);
    }
    let opened_at = proto::required_instant(dialog.opened_at, "opened_at")?;
    let told = entry_of(event, Kind::DialogOpened, &dialog.customer_id)?;
    let entry = Entry { occurred_at: opened_at, version: 1, ..told };
    if version(event)? > 1 {
        // Who linked the dialog to its customer has not opened it, and this event does not say who has.
        return Ok(Some(Entry { actor_kind: 0, actor_id: String::new(), origin: 0, ..entry }));
    }
    Ok(Some(entry))
}

/// An entry about the event's aggregate.
fn entry_of(event: &Event, kind: Kind, customer: &str) -> Result<Entry, Error> {
    Ok(Entry { customer: Some(CustomerId::parse(customer, "customer_id")?), kind, ..entry(event)? })
}

fn customer_entry(event: &Event, kind: Kind, customer: &str, changed_fields: Vec<String>) -> Result<Entry, Error> {
    let customer = CustomerId::parse(customer, "customer_id")?;
    Ok(Entry { subject: customer.uuid(), customer: Some(customer), kind, changed_fields, ..entry(event)? })
}

/// What the timeline would say of this state of a document; whether it says so, its whole history decides.
fn document_entry(event: &Event, document: &Document, kind: Kind) -> Result<Entry, Error> {
    Ok(Entry { subject: document.id, kind, status: document.status.clone(), ..entry(event)? })
}

fn entry(event: &Event) -> Result<Entry, Error> {
    let event_at = proto::required_instant(event.occurred_at, "occurred_at")?;
    let (actor_kind, actor_id) = event.actor.as_ref().map(|actor| (actor.kind, actor.id.clone())).unwrap_or_default();
    Ok(Entry {
        subject: event::aggregate_id(event)?,
        version: version(event)?,
        event: event::id(event)?,
        customer: None,
        kind: Kind::CustomerUpdated,
        occurred_at: event_at,
        event_at,
        amount: None,
        actor_kind,
        actor_id,
        origin: event.origin,
        changed_fields: Vec::new(),
        status: String::new(),
        about: None,
        label: String::new(),
    })
}

fn line_shares<'a>(lines: impl IntoIterator<Item = &'a LineFact>) -> Result<Vec<Share>, Error> {
    let lines = lines
        .into_iter()
        .map(|line| {
            let product = ProductId::parse(&line.product_id, "lines.product_id")?;
            Ok(Share { product, unit_milli: line.quantity_milli, amount_minor: line.amount_minor })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    shares(lines)
}

fn version(event: &Event) -> Result<i64, Error> {
    match event.aggregate_version {
        version if version > 0 => Ok(version),
        version => Err(Error::invalid("aggregate_version", format!("`{version}` is no version: 1 or more is wanted"))),
    }
}

fn not_negative(minor: i64, field: &str) -> Result<i64, Error> {
    if minor < 0 {
        return Err(Error::invalid(field, format!("`{minor}` is below zero")));
    }
    Ok(minor)
}
