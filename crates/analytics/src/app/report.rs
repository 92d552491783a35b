//! Figures of the whole company.

use sqlx::PgPool;

use crate::Error;
use crate::domain::report::SalesSummary;
use crate::store;

/// Sales and refunds of all customers together, for each currency.
pub(crate) async fn sales_summary(pool: &PgPool) -> Result<SalesSummary, Error> {
    store::report::sales_summary(pool).await
}
