//! Lines of orders and credit notes: read as part of their owner, written many at once.

use clientele_kernel::{Currency, Money, OrderLineId, ProductId};
use clientele_platform::column;
use clientele_platform::postgres::{Error, assert_rows};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::line::{Line, Quantity, UnitPrice};

/// The most lines that come in one answer: with the names they carry, what a message can hold.
pub(crate) const MOST_LINES_IN_ANSWER: i64 = 10_000;

/// A line as PostgreSQL aggregates it. The order of the fields is that of [`JSON`].
#[derive(Debug, Deserialize)]
pub(super) struct LineJson {
    id: Uuid,
    product_id: Uuid,
    sku: String,
    product_name: String,
    given_name: String,
    quantity_milli: i64,
    unit_price_micro: i64,
    amount_minor: i64,
}

/// A line `l` of product `r` as a JSON array: no key is repeated two thousand times.
pub(super) const JSON: &str = "json_build_array(l.id, l.product_id, r.sku, r.name, l.name, l.quantity_milli, \
                               l.unit_price_micro, l.amount_minor)";

impl LineJson {
    pub(super) fn line(self, currency: Currency) -> Line {
        Line {
            id: OrderLineId::from(self.id),
            product_id: ProductId::from(self.product_id),
            sku: self.sku,
            product_name: self.product_name,
            given_name: self.given_name,
            quantity: Quantity::from_scaled(self.quantity_milli),
            unit_price: UnitPrice::from_scaled(self.unit_price_micro),
            amount: Money::new(self.amount_minor, currency),
        }
    }
}

/// The lines of many owners side by side, ready to be written.
struct Rows<'a>(Vec<(Uuid, i32, &'a Line)>);

impl<'a> Rows<'a> {
    fn of(owners: impl Iterator<Item = (Uuid, &'a [Line])>) -> Self {
        Self(
            owners
                .flat_map(|(owner, lines)| (1..).zip(lines).map(move |(position, line)| (owner, position, line)))
                .collect(),
        )
    }
}

/// Writes the lines of orders.
pub(super) async fn insert_for_orders<'a>(
    conn: &mut PgConnection,
    orders: impl Iterator<Item = (Uuid, &'a [Line])>,
) -> Result<(), Error> {
    let Rows(rows) = Rows::of(orders);
    let done = sqlx::query!(
        "insert into orders.order_line
             (order_id, position, id, product_id, name, quantity_milli, unit_price_micro, amount_minor)
         select * from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[],
                              $8::bigint[])",
        column!(rows, (owner, _, _) => *owner),
        column!(rows, (_, position, _) => *position),
        column!(rows, (_, _, line) => line.id.uuid()),
        column!(rows, (_, _, line) => line.product_id.uuid()),
        column!(rows, (_, _, line) => line.given_name.clone()),
        column!(rows, (_, _, line) => line.quantity.scaled()),
        column!(rows, (_, _, line) => line.unit_price.scaled()),
        column!(rows, (_, _, line) => line.amount.minor)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), rows.len())
}

/// Writes the lines of credit notes.
pub(super) async fn insert_for_credit_notes<'a>(
    conn: &mut PgConnection,
    notes: impl Iterator<Item = (Uuid, &'a [Line])>,
) -> Result<(), Error> {
    let Rows(rows) = Rows::of(notes);
    let done = sqlx::query!(
        "insert into orders.credit_note_line
             (credit_note_id, position, id, product_id, name, quantity_milli, unit_price_micro, amount_minor)
         select * from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[],
                              $8::bigint[])",
        column!(rows, (owner, _, _) => *owner),
        column!(rows, (_, position, _) => *position),
        column!(rows, (_, _, line) => line.id.uuid()),
        column!(rows, (_, _, line) => line.product_id.uuid()),
        column!(rows, (_, _, line) => line.given_name.clone()),
        column!(rows, (_, _, line) => line.quantity.scaled()),
        column!(rows, (_, _, line) => line.unit_price.scaled()),
        column!(rows, (_, _, line) => line.amount.minor)
    )
    .execute(conn)
    .await?;
    assert_rows(done.rows_affected(), rows.len())
}
