//! Use cases: segments and what is asked of them, and what keeps memberships current.
//!
//! - [`segment`]: create, change, list
//! - [`count`]: how many a rule would hold
//! - [`membership`]: who belongs to what, since when, and why
//! - [`person`]: what other contexts tell of customers
//! - [`settle`]: deciding memberships; everything below goes through it
//! - [`refresh`]: asks customers for facts
//! - [`due`]: what changes because time passes
//! - [`build`]: finds the members of a new rule
//! - [`relearn`]: learning again what others tell, after a restore
//! - [`rules`]: the rules in use, kept in memory
//! - [`work`]: how background work goes round

use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_platform::grpc::Transport;
use clientele_platform::postgres::Database;

use self::rules::RuleBook;

pub(crate) mod build;
pub(crate) mod count;
pub(crate) mod due;
pub(crate) mod membership;
pub(crate) mod person;
pub(crate) mod refresh;
pub(crate) mod relearn;
pub(crate) mod rules;
pub(crate) mod segment;
pub(crate) mod settle;
pub(crate) mod work;

/// The use cases over a database.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) db: Database,
    rules: Arc<RuleBook>,
    customers: CustomersClient<Transport>,
    count_timeout: Duration,
}

impl App {
    /// The use cases over this database and this way to customers.
    pub(crate) fn new(db: Database, customers: Transport, count_timeout: Duration) -> Self {
        Self { db, rules: Arc::default(), customers: CustomersClient::new(customers), count_timeout }
    }
}
