//! Figures of customers.

use clientele_kernel::{Currency, CustomerId};
use sqlx::PgPool;

use crate::Error;
use crate::domain::Month;
use crate::domain::metric::{CurrencyMetrics, CustomerFigures, CustomerMetrics, FigureKey, MonthFigures};
use crate::store;

/// The figures of a customer in each currency, largest gross first, with the twelve months that `present` asks for.
pub(crate) async fn get(pool: &PgPool, customer: CustomerId, present: Month) -> Result<CustomerMetrics, Error> {
    let mut metrics = store::metric::get(pool, customer, present).await?;
    for currency in &mut metrics.currencies {
        currency.months = window(present, currency);
    }
    Ok(metrics)
}

/// The figures of several customers, without months and favourites, in the order asked.
pub(crate) async fn batch_get(pool: &PgPool, customers: &[CustomerId]) -> Result<Vec<CustomerMetrics>, Error> {
    store::metric::batch_get(pool, customers).await
}

/// In which order figures are listed, and of which currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// By gross falling, in one currency.
    ByGross(Currency),
    /// By customer, then currency; of one currency or of all.
    ByCustomer(Option<Currency>),
}

/// A page of customers with their figures, after a key.
pub(crate) async fn list(
    pool: &PgPool,
    listing: Listing,
    after: Option<FigureKey>,
    limit: u32,
) -> Result<Vec<CustomerFigures>, Error> {
    match listing {
        Listing::ByGross(currency) => store::metric::list_by_gross(pool, currency, after, limit).await,
        Listing::ByCustomer(currency) => store::metric::list_by_customer(pool, currency, after, limit).await,
    }
}

/// Twelve months without gaps, of those in which there was something.
fn window(present: Month, metrics: &CurrencyMetrics) -> Vec<MonthFigures> {
    let active: Vec<Month> = metrics.months.iter().map(|figures| figures.month).collect();
    Month::end_of_window(present, &active)
        .window()
        .map(|month| {
            let found = metrics.months.iter().find(|figures| figures.month == month);
            found.cloned().unwrap_or_else(|| MonthFigures::none(month))
        })
        .collect()
}
