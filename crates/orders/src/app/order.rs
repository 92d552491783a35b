//! Orders one by one: made here, moved from status to status, paid, read.

use clientele_kernel::{CustomerId, Error, Etag, Money, OrderId, PaymentId, Violations, paging};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::{Begun, Command};
use prost::Message;

use super::customer::{self, Customers};
use super::{product, status};
use crate::domain::line::Line;
use crate::domain::order::{Filter, Order, OrderContent, OrderDraft, Parts};
use crate::domain::payment::{PaymentContent, PaymentDraft};
use crate::domain::reference;
use crate::domain::status::FIRST_STATUS;
use crate::error;
use crate::events::publish;
use crate::store;
use crate::store::line::MOST_LINES_IN_ANSWER;
use crate::store::order::Cursor;

/// Matches are counted up to here; one more stands for all beyond.
const MOST_COUNTED: i64 = 10_001;

/// What can be done with orders.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(super) db: Database,
    pub(super) customers: Customers,
}

/// A page of orders.
pub(crate) struct OrderPage {
    pub(crate) orders: Vec<Order>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
    /// How many match; 0 on all pages but the first.
    pub(crate) total_size: i64,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest<'a> {
    pub(crate) with_lines: bool,
    pub(crate) size: i32,
    pub(crate) token: &'a str,
}

impl PageRequest<'_> {
    /// The number of rows of the page.
    pub(super) fn size(self) -> Result<u32, Error> {
        paging::size(self.size, 50, if self.with_lines { 200 } else { 500 })
    }
}

impl Orders {
    pub(crate) fn new(db: Database, customers: Customers) -> Self {
        Self { db, customers }
    }

    /// One order with lines and payments.
    pub(crate) async fn get(&self, id: OrderId) -> Result<Order, Error> {
        let found = store::order::by_id(self.db.pool(), &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("order", id))
    }

    /// Those of the orders that exist, in the order asked, each once.
    pub(crate) async fn batch_get(&self, mut ids: Vec<OrderId>) -> Result<Vec<Order>, Error> {
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let lines = store::order::count_lines(self.db.pool(), &ids).await?;
        if lines > MOST_LINES_IN_ANSWER && ids.len() > 1 {
            let message = format!(
                "the orders asked for have {lines} lines together, and an answer holds {MOST_LINES_IN_ANSWER}: ask for fewer at a time"
            );
            return Err(Error::failed_precondition("TOO_MANY_LINES", message));
        }
        Ok(store::order::by_id(self.db.pool(), &ids).await?)
    }

    /// Orders, newest first.
    pub(crate) async fn list(&self, filter: &Filter, page: PageRequest<'_>) -> Result<OrderPage, Error> {
        let size = page.size()?;
        let fingerprint = fingerprint(filter);
        let after: Option<Cursor> = paging::decode(page.token, fingerprint)?;
        let pool = self.db.pool();
        let count = async {
            match after {
                None => store::order::count(pool, filter, MOST_COUNTED).await,
                Some(_) => Ok(0),
            }
        };
        // One more than the page holds tells whether another follows. With lines, a page may end before it is full.
        let rows = store::order::list(pool, filter, page.with_lines, after.as_ref(), size + 1);
        let (mut orders, total_size) = tokio::try_join!(rows, count)?;
        let lines: i64 = orders.iter().map(|order| i64::from(order.line_count)).sum();
        let full = page.with_lines && lines >= MOST_LINES_IN_ANSWER;
        let more = paging::cut(&mut orders, size) || full;
        let last = orders.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.placed_at, last.id.uuid()), fingerprint));
        Ok(OrderPage { orders, next_page_token: next_page_token.unwrap_or_default(), total_size })
    }

    /// Makes an order here. All that it names has to exist.
    pub(crate) async fn create<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        draft: &OrderDraft,
        answer: fn(&Order) -> R,
    ) -> Result<R, Error> {
        let content = OrderContent::check_new(draft, self.db.clock().now())
            .map_err(|violations| Error::invalid_all(violations.into_inner()).within("order"))?;
        let existing = self.customers.existing(content.customer_id).await?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let dictionary = status::dictionary(&mut uow).await?;
        let catalogue = product::catalogue(&mut uow, &content.lines, false).await?;
        let mut violations = Violations::new();
        violations
            .check(existing.allows(content.customer_id), "customer_id", || customer::unknown(content.customer_id));
        let code = content.status.as_deref().unwrap_or(FIRST_STATUS);
        let status = violations.take("status", dictionary.offered(code, "status"));
        let lines = Line::make_all(&content.lines, &catalogue, &[], || uow.id(), &mut violations);
        let Some(status) = status.filter(|_| violations.is_empty()) else {
            return Err(Error::invalid_all(violations.into_inner()).within("order"));
        };

        existing.remember(&mut uow).await?;
        let number = number(&mut uow, &content).await?;
        let new_payment = |content: PaymentContent| content.into_payment(uow.id(), false);
        let payments = content.payments.iter().cloned().map(new_payment).collect();
        let parts = Parts { status, lines, payments, now: uow.now() };
        let order = Order::create(uow.id(), number, &content, parts).map_err(|error| error.within("order"))?;
        let added = store::order::insert(uow.conn(), std::slice::from_ref(&order)).await?;
        if !added.contains(&order.id) {
            return Err(error::order_reference_taken());
        }
        uow.record(publish::order(&order).occurred_at(order.placed_at));
        let answer = answer(&order);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Moves an order to another status. Where it has that status already nothing is written.
    pub(crate) async fn change_status<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        id: OrderId,
        status: &str,
        etag: Option<Etag>,
        answer: fn(&Order) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let dictionary = status::dictionary(&mut uow).await?;
        let status = dictionary.offered(status, "status")?;
        let mut order = locked(&mut uow, id).await?;
        let given_back = store::credit_note::given_back(uow.conn(), &[id]).await?.remove(&id);
        let given_back = given_back.map(|minor| Money::new(minor, order.currency));
        if order.change_status(status, given_back, etag, uow.now())? {
            store::order::update(uow.conn(), std::slice::from_ref(&order)).await?;
            uow.record(publish::order(&order));
        }
        let answer = answer(&order);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Records a payment.
    pub(crate) async fn record_payment<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        id: OrderId,
        draft: &PaymentDraft,
        answer: fn(&Order) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let mut order = locked(&mut uow, id).await?;
        let mut violations = Violations::new();
        let content = PaymentContent::check(draft, order.currency, Some(uow.now()), &mut violations);
        let Some(content) = content.filter(|_| violations.is_empty()) else {
            return Err(Error::invalid_all(violations.into_inner()).within("payment"));
        };
        let payment = content.into_payment(uow.id::<PaymentId>(), false);
        let paid_at = payment.paid_at;
        order.record_payment(payment.clone(), uow.now())?;
        store::order::update(uow.conn(), std::slice::from_ref(&order)).await?;
        store::payment::insert(uow.conn(), std::iter::once((order.id.uuid(), std::slice::from_ref(&payment)))).await?;
        uow.record(publish::order(&order).occurred_at(paid_at));
        let answer = answer(&order);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}

/// The order, locked until the unit of work ends. Locking comes first and reading second: a statement that waited for a
/// lock would see the lines of before.
async fn locked(uow: &mut UnitOfWork, id: OrderId) -> Result<Order, Error> {
    if !store::order::lock(uow.conn(), id).await? {
        return Err(Error::not_found("order", id));
    }
    let found = store::order::by_id(uow.conn(), &[id]).await?.pop();
    found.ok_or_else(|| Error::not_found("order", id))
}

/// The number of a new order: as given, else the id its source gives it, else the next of our own.
pub(super) async fn number(uow: &mut UnitOfWork, content: &OrderContent) -> Result<String, Error> {
    match (&content.number, &content.reference) {
        (Some(number), _) => Ok(number.clone()),
        (None, Some(reference)) => Ok(reference::number(reference)),
        (None, None) => Ok(store::order::next_number(uow.conn()).await?),
    }
}

fn fingerprint(filter: &Filter) -> u64 {
    let customer = filter.customer_id.map(|id: CustomerId| id.to_string()).unwrap_or_default();
    let mut groups: Vec<_> = filter.groups.iter().map(|group| group.as_str()).collect();
    groups.sort_unstable();
    let moment = |moment: Option<chrono::DateTime<chrono::Utc>>| moment.map(|m| m.to_rfc3339()).unwrap_or_default();
    paging::fingerprint(&["orders", &customer, &groups.join(","), &moment(filter.from), &moment(filter.until)])
}
