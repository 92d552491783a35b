//! Figures of customers.

use std::sync::Arc;

use chrono_tz::Tz;
use clientele_contracts::analytics::v1 as pb;
use clientele_contracts::analytics::v1::metrics_server::Metrics;
use clientele_kernel::{Clock, Currency, CustomerId, Decimal, Error, Money, paging};
use clientele_platform::postgres::Database;
use clientele_platform::{grpc, proto};
use tonic::{Request, Response, Status, async_trait};

use crate::app::metric::{self, Listing};
use crate::domain::metric::{
    CurrencyMetrics, CustomerFigures, CustomerMetrics, Favourite, FigureKey, MonthFigures, net_minor,
};
use crate::domain::{Figures, Month};

/// How many customers may be asked for at once.
const LARGEST_BATCH: usize = 500;

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) db: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zone: Tz,
}

#[async_trait]
impl Metrics for Service {
    async fn get_customer_metrics(
        &self,
        request: Request<pb::GetCustomerMetricsRequest>,
    ) -> Result<Response<pb::CustomerMetrics>, Status> {
        let customer = CustomerId::parse(&request.get_ref().customer_id, "customer_id").map_err(grpc::status)?;
        let present = Month::of(self.clock.now(), self.zone);
        let metrics = metric::get(self.db.pool(), customer, present).await.map_err(grpc::status)?;
        Ok(Response::new(encode(&metrics)))
    }

    async fn batch_get_customer_metrics(
        &self,
        request: Request<pb::BatchGetCustomerMetricsRequest>,
    ) -> Result<Response<pb::BatchGetCustomerMetricsResponse>, Status> {
        let customers = batch(&request.get_ref().customer_ids).map_err(grpc::status)?;
        let metrics = metric::batch_get(self.db.pool(), &customers).await.map_err(grpc::status)?;
        Ok(Response::new(pb::BatchGetCustomerMetricsResponse { metrics: metrics.iter().map(encode).collect() }))
    }

    async fn list_customer_figures(
        &self,
        request: Request<pb::ListCustomerFiguresRequest>,
    ) -> Result<Response<pb::ListCustomerFiguresResponse>, Status> {
        let request = request.into_inner();
        let listing = listing(&request).map_err(grpc::status)?;
        let size = paging::size(request.page_size, 100, 1000).map_err(grpc::status)?;
        let print = paging::fingerprint(&["figures", &request.currency, &request.order_by]);
        let after = paging::decode::<FigureKey>(&request.page_token, print).map_err(grpc::status)?;

        let mut rows = metric::list(self.db.pool(), listing, after, size + 1).await.map_err(grpc::status)?;
        let more = paging::cut(&mut rows, size);
        let last = rows.last().filter(|_| more);
        let next_page_token = last.map(|row| paging::encode(&key(row), print)).unwrap_or_default();
        let customers = rows.iter().map(encode_row).collect();
        Ok(Response::new(pb::ListCustomerFiguresResponse { customers, next_page_token }))
    }
}

fn batch(ids: &[String]) -> Result<Vec<CustomerId>, Error> {
    if ids.len() > LARGEST_BATCH {
        return Err(Error::invalid("customer_ids", format!("{} are too many: at most {LARGEST_BATCH}", ids.len())));
    }
    ids.iter().enumerate().map(|(i, id)| CustomerId::parse(id, &format!("customer_ids[{i}]"))).collect()
}

fn listing(request: &pb::ListCustomerFiguresRequest) -> Result<Listing, Error> {
    let currency = match request.currency.as_str() {
        "" => None,
        code => Some(Currency::parse(code, "currency")?),
    };
    match (request.order_by.as_str(), currency) {
        ("", currency) => Ok(Listing::ByCustomer(currency)),
        ("gross desc", Some(currency)) => Ok(Listing::ByGross(currency)),
        ("gross desc", None) => Err(Error::invalid("currency", "is missing: amounts are in order within one currency")),
        (other, _) => {
            let shown = clientele_kernel::error::shorten(other);
            Err(Error::invalid("order_by", format!("`{shown}` is not an order: `gross desc` is, or nothing")))
        }
    }
}

fn key(row: &CustomerFigures) -> FigureKey {
    FigureKey {
        customer: row.customer.uuid(),
        currency: row.figures.currency.code().to_owned(),
        gross_minor: row.figures.gross_minor,
    }
}

fn encode(metrics: &CustomerMetrics) -> pb::CustomerMetrics {
    pb::CustomerMetrics {
        customer_id: metrics.customer.to_string(),
        currencies: metrics.currencies.iter().map(encode_currency).collect(),
        as_of: metrics.as_of.map(proto::timestamp),
    }
}

fn encode_currency(metrics: &CurrencyMetrics) -> pb::CurrencyMetrics {
    let currency = metrics.figures.currency;
    pb::CurrencyMetrics {
        figures: Some(encode_figures(&metrics.figures)),
        months: metrics.months.iter().map(|month| encode_month(month, currency)).collect(),
        favourites: metrics.favourites.iter().map(|favourite| encode_favourite(favourite, currency)).collect(),
    }
}

fn encode_row(row: &CustomerFigures) -> pb::CustomerFigures {
    pb::CustomerFigures { customer_id: row.customer.to_string(), figures: Some(encode_figures(&row.figures)) }
}

/// Totals as a message.
pub(super) fn encode_figures(figures: &Figures) -> pb::Figures {
    let money = |minor| Some(proto::money(Money::new(minor, figures.currency)));
    pb::Figures {
        currency: figures.currency.code().to_owned(),
        orders: figures.orders,
        gross: money(figures.gross_minor),
        refunds: money(figures.refund_minor),
        net: money(net_minor(figures.gross_minor, figures.refund_minor)),
        average: figures.average().map(proto::money),
        first_purchase_at: figures.first_purchase_at.map(proto::timestamp),
        last_purchase_at: figures.last_purchase_at.map(proto::timestamp),
        mean_days_between: figures.mean_days_between(),
    }
}

/// A month as a message.
pub(super) fn encode_month(month: &MonthFigures, currency: Currency) -> pb::MonthFigures {
    let money = |minor| Some(proto::money(Money::new(minor, currency)));
    pb::MonthFigures {
        month: month.month.to_string(),
        orders: month.orders,
        gross: money(month.gross_minor),
        refunds: money(month.refund_minor),
        net: money(net_minor(month.gross_minor, month.refund_minor)),
    }
}

fn encode_favourite(favourite: &Favourite, currency: Currency) -> pb::Favourite {
    let kind = if favourite.product.is_some() { pb::FavouriteKind::Product } else { pb::FavouriteKind::Category };
    pb::Favourite {
        kind: kind.into(),
        name: favourite.name.clone(),
        product_id: favourite.product.map(|product| product.to_string()).unwrap_or_default(),
        units: Decimal::new(favourite.unit_milli, 3).normalize().to_string(),
        amount: Some(proto::money(Money::new(favourite.amount_minor, currency))),
    }
}
