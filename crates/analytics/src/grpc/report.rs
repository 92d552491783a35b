//! Figures of the whole company.

use clientele_contracts::analytics::v1 as pb;
use clientele_contracts::analytics::v1::reports_server::Reports;
use clientele_platform::postgres::Database;
use clientele_platform::{grpc, proto};
use tonic::{Request, Response, Status, async_trait};

use super::metric::{encode_figures, encode_month};
use crate::app::report;
use crate::domain::report::CurrencySales;

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) db: Database,
}

#[async_trait]
impl Reports for Service {
    async fn get_sales_summary(
        &self,
        _: Request<pb::GetSalesSummaryRequest>,
    ) -> Result<Response<pb::SalesSummary>, Status> {
        let summary = report::sales_summary(self.db.pool()).await.map_err(grpc::status)?;
        Ok(Response::new(pb::SalesSummary {
            currencies: summary.currencies.iter().map(encode).collect(),
            as_of: summary.as_of.map(proto::timestamp),
        }))
    }
}

fn encode(sales: &CurrencySales) -> pb::CurrencySales {
    pb::CurrencySales {
        known: Some(encode_figures(&sales.known)),
        anonymous: Some(encode_figures(&sales.anonymous)),
        paying_customers: sales.paying_customers,
        repeat_customers: sales.repeat_customers,
        months: sales.months.iter().map(|month| encode_month(month, sales.known.currency)).collect(),
        adjustment_minor: sales.adjustment_minor,
    }
}
