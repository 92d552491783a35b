//! Pages of customers by search, filter and order. Each order and each filter by value has an index of its own, see the
//! migrations; what they do not serve together ends at the statement's time limit.
//!
//! They are planned anew each time: which index serves depends on the values, above all on the letters searched for. A statement
//! without a name is prepared in one step and executed in the next, so both happen in a transaction: behind a pooler the
//! next step could meet another connection, and the statement of somebody else there.

use chrono::{DateTime, Utc};
use clientele_kernel::CustomerId;
use clientele_platform::filter::{Comparison, Op, Value};
use clientele_platform::postgres::{Database, Error as StorageError, pattern};
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::Error;
use crate::domain::listing::{By, Key, Order, Place};
use crate::domain::search::Word;

/// Which customers.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// Words that must all occur.
    pub(crate) words: Vec<Word>,
    /// Comparisons that must all hold.
    pub(crate) comparisons: Vec<Comparison>,
}

/// How many customers a selection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    /// The number.
    pub(crate) size: i64,
    /// True when it is an estimate.
    pub(crate) estimated: bool,
}

/// How far a selection is counted exactly.
const MOST_COUNTED: i64 = 10_000;

/// The places of the customers selected, in order, those after a place; at most `limit`.
pub(crate) async fn page(
    db: &Database,
    selection: &Selection,
    order: Order,
    after: Option<Place>,
    limit: u32,
) -> Result<Vec<Place>, Error> {
    let (column, is_text) = match order.by {
        By::DisplayName => ("c.sort_name", true),
        By::Country => ("c.country", true),
        By::RegisteredAt => ("c.registered_at", false),
        By::CreatedAt => ("c.created_at", false),
        By::UpdatedAt => ("c.updated_at", false),
    };
    let mut query = QueryBuilder::new("select c.id, ");
    query.push(column).push(" from customers.customer c where true");
    push_conditions(&mut query, selection);
    if let Some(place) = after {
        query.push(" and (").push(column).push(", c.id) ").push(if order.descending { "<" } else { ">" }).push(" (");
        match place.key {
            Key::Text(text) => query.push_bind(text),
            Key::Moment(moment) => query.push_bind(moment),
        };
        query.push(", ").push_bind(place.id.uuid()).push(")");
    }
    let direction = if order.descending { " desc" } else { "" };
    query.push(" order by ").push(column).push(direction).push(", c.id").push(direction);
    query.push(" limit ").push_bind(i64::from(limit));

    let mut transaction = db.transaction().await?;
    if is_text {
        let rows: Vec<(Uuid, String)> = query.build_query_as().persistent(false).fetch_all(&mut *transaction).await?;
        Ok(rows.into_iter().map(|(id, text)| place(id, Key::Text(text))).collect())
    } else {
        let rows: Vec<(Uuid, DateTime<Utc>)> =
            query.build_query_as().persistent(false).fetch_all(&mut *transaction).await?;
        Ok(rows.into_iter().map(|(id, moment)| place(id, Key::Moment(moment))).collect())
    }
}

fn place(id: Uuid, key: Key) -> Place {
    Place { key, id: CustomerId::from(id) }
}

/// How many customers are selected: exactly up to 10,000, beyond that by the planner's estimate.
pub(crate) async fn total(db: &Database, selection: &Selection) -> Result<Total, Error> {
    let mut query = QueryBuilder::new("select count(*) from (select 1 from customers.customer c where true");
    push_conditions(&mut query, selection);
    query.push(" limit ").push_bind(MOST_COUNTED + 1).push(") as selected");
    let mut transaction = db.transaction().await?;
    let counted: i64 = query.build_query_scalar().persistent(false).fetch_one(&mut *transaction).await?;
    if counted <= MOST_COUNTED {
        Ok(Total { size: counted, estimated: false })
    } else {
        drop(transaction);
        estimate(db, selection).await
    }
}

/// How many customers are selected, by the planner's estimate.
pub(crate) async fn estimate(db: &Database, selection: &Selection) -> Result<Total, Error> {
    #[derive(serde::Deserialize)]
    struct Explanation {
        #[serde(rename = "Plan")]
        plan: Plan,
    }
    #[derive(serde::Deserialize)]
    struct Plan {
        #[serde(rename = "Plan Rows")]
        rows: f64,
    }
    let mut query = QueryBuilder::new("explain (format json) select 1 from customers.customer c where true");
    push_conditions(&mut query, selection);
    let mut transaction = db.transaction().await?;
    let Json(plans): Json<Vec<Explanation>> =
        query.build_query_scalar().persistent(false).fetch_one(&mut *transaction).await?;
    let rows = plans.first().map(|explanation| explanation.plan.rows);
    let rows = rows.ok_or_else(|| StorageError::corrupt("customer", "the plan of a count is empty"))?;
    #[expect(clippy::cast_possible_truncation, reason = "an estimate: beyond 2^53 it would not be exact anyway")]
    Ok(Total { size: (rows as i64).max(MOST_COUNTED + 1), estimated: true })
}

fn push_conditions(query: &mut QueryBuilder<Postgres>, selection: &Selection) {
    for word in &selection.words {
        query.push(" and (");
        for (i, spelling) in word.spellings.iter().enumerate() {
            query.push(if i == 0 { "c.search_text like " } else { " or c.search_text like " });
            query.push_bind(pattern(spelling));
        }
        query.push(")");
    }
    for comparison in &selection.comparisons {
        query.push(" and ");
        push_comparison(query, comparison);
    }
}

fn push_comparison(query: &mut QueryBuilder<Postgres>, Comparison { field, op, value }: &Comparison) {
    let differs = *op == Op::Ne;
    match (*field, value) {
        ("source", Value::Text(source)) => {
            query.push(if differs { "not exists" } else { "exists" });
            query.push(" (select from customers.reference r where r.customer_id = c.id and r.source ");
            match op {
                Op::Has => query.push("like ").push_bind(pattern(source)),
                _ => query.push("= ").push_bind(source.clone()),
            };
            query.push(")");
        }
        ("duplicate", Value::Bool(wanted)) => {
            query.push(if *wanted == differs { "not exists" } else { "exists" });
            query.push(
                " (select from customers.contact_point p
                   join customers.contact_key k on k.kind = p.kind and k.key = p.key and k.customers > 1
                   where p.customer_id = c.id)",
            );
        }
        (field, Value::Bool(wanted)) => {
            query.push("c.").push(field).push(" = ").push_bind(*wanted != differs);
        }
        (field, Value::Id(None)) => {
            query.push("c.").push(field).push(if differs { " is not null" } else { " is null" });
        }
        (field, Value::Id(Some(id))) => {
            query.push("c.").push(field).push(if differs { " is distinct from " } else { " = " }).push_bind(*id);
        }
        (field, Value::Text(text)) if *op == Op::Has => {
            // The columns compare byte by byte, and by that collation only ASCII letters have a lower case.
            query.push("lower(c.").push(field).push(" collate \"und-x-icu\") like ");
            query.push_bind(pattern(&text.to_lowercase()));
        }
        (field, value) => {
            // Only `:` has no operator in SQL, and only texts know it.
            query.push("c.").push(field).push(" ").push(op.sql().unwrap_or("=")).push(" ");
            match value {
                Value::Text(text) => query.push_bind(text.clone()),
                Value::Time(moment) => query.push_bind(*moment),
                Value::Enum(name) => query.push_bind(*name),
                Value::Bool(value) => query.push_bind(*value),
                Value::Id(id) => query.push_bind(*id),
            };
        }
    }
}
