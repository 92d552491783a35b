//! How many customers a rule would hold, before it is used.

use chrono::{DateTime, Utc};

use super::App;
use crate::domain::rule::Rule;
use crate::{Error, store};

impl App {
    /// How many customers the rule holds, and as of when. Fails with advice where it takes too long.
    pub(crate) async fn count(&self, rule: &Rule) -> Result<(i64, DateTime<Utc>), Error> {
        let now = self.db.clock().now();
        let mut transaction = self.db.transaction().await?;
        store::count::limit_time(&mut transaction, self.count_timeout.as_millis()).await?;
        let number = store::count::count(&mut transaction, rule, now).await.map_err(Error::of_count)?;
        Ok((number, now))
    }
}
