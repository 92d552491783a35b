//! Whose an e-mail or a phone is.

use std::collections::HashMap;

use clientele_kernel::CustomerId;
use sqlx::PgConnection;

use crate::Error;
use crate::store::contact::{EMAIL, PHONE};

/// What a contact point is compared by: whether it is an e-mail, and its key.
pub(crate) type Key = (bool, String);

/// Who has a contact point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// One customer.
    One(CustomerId),
    /// Several.
    Several,
}

/// The owners of those of the keys that somebody has.
pub(crate) async fn owners(conn: &mut PgConnection, keys: &[Key]) -> Result<HashMap<Key, Owner>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let kinds: Vec<String> =
        keys.iter().map(|(is_email, _)| if *is_email { EMAIL } else { PHONE }.to_owned()).collect();
    let values: Vec<String> = keys.iter().map(|(_, key)| key.clone()).collect();
    let rows = sqlx::query!(
        r#"select distinct w.kind as "kind!", w.key as "key!", k.customers,
                  case when k.customers = 1
                       then (select p.customer_id from customers.contact_point p
                             where p.kind = w.kind and p.key = w.key limit 1) end as customer_id
           from unnest($1::text[], $2::text[]) as w(kind, key)
           join customers.contact_key k on k.kind = w.kind and k.key = w.key and k.customers > 0"#,
        &kinds,
        &values,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let owner = row.customer_id.map_or(Owner::Several, |id| Owner::One(id.into()));
            ((row.kind == EMAIL, row.key), owner)
        })
        .collect())
}
