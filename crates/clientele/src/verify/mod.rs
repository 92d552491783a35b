//! `clientele verify`: recomputes every figure from the owning services' documents, over the public API, and says where
//! what is served does not agree: figures to the cent, segments member by member, the ledger of sending letter by letter.
//! Letters that are stuck are told, too.
//!
//! - [`found`]: what does not agree
//! - [`recompute`]: figures from documents
//! - [`compare`]: where they differ
//! - [`segments`]: who should belong to which segment
//! - [`ledger`]: what the ledger of sending says against the journal and what was sent

mod compare;
mod found;
mod ledger;
mod recompute;
mod segments;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono_tz::Tz;
use clientele_contracts::analytics::v1::{CustomerMetrics, ListCustomerFiguresResponse, SalesSummary};
use clientele_contracts::orders::v1::{ListCreditNotesResponse, ListOrdersResponse};
use clientele_contracts::platform::v1::{GetConsumerStatusResponse, ReadFeedResponse};
use clientele_kernel::{Code, Error, PARTITIONS, SystemClock};
use futures::{StreamExt, TryStreamExt};

use self::compare::Comparison;
use self::found::{Difference, Found};
use self::recompute::{Account, Books};
use crate::client::{Client, Connection};

/// What `verify` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Time zone of the company's reports, as `analytics.report_zone` says
    #[arg(long, default_value = "UTC")]
    report_zone: Tz,
    /// Leave out the months and favourites of each customer
    #[arg(long)]
    quick: bool,
    /// How many seconds to wait until analytics has applied all that has happened
    #[arg(long, default_value_t = 60)]
    patience: u64,
    #[command(flatten)]
    connection: Connection,
}

const SCOPES: [&str; 13] = [
    "analytics.metric.read",
    "analytics.operation.read",
    "analytics.report.read",
    "campaigns.feed.read",
    "campaigns.operation.read",
    "campaigns.segment.read",
    "customers.customer.read",
    "customers.feed.read",
    "messaging.email.read",
    "messaging.feed.read",
    "messaging.mailbox.read",
    "orders.feed.read",
    "orders.order.read",
];
const FOLLOWED: [&str; 4] = ["campaigns", "customers", "messaging", "orders"];
const PAGE: &str = "200";

/// Verifies; an error when something does not agree.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let client =
        Client::connect(&arguments.connection, "verification of figures", &SCOPES, "api", &SystemClock).await?;
    let outcome = verify(&client, &arguments).await;
    client.close().await?;
    let found = outcome?;
    for line in found.shown() {
        say(format_args!("{line}"));
    }
    if found.count() == 0 {
        say(format_args!("everything agrees"));
        return Ok(());
    }
    Err(Error::new(Code::FailedPrecondition, "FIGURES_DIFFER", format!("{} things do not agree", found.count())))
}

async fn verify(client: &Client, arguments: &Arguments) -> Result<Found, Error> {
    caught_up(client, Duration::from_secs(arguments.patience)).await?;
    let (books, documents) = books(client, arguments.report_zone, "").await?;
    say(format_args!("read {documents} orders and credit notes"));
    let mut found = Found::default();
    let served = figures(client, &books, &mut found).await?;
    say(format_args!("compared the figures of {served} customers and currencies"));

    let summary: SalesSummary = client.get("/v1/reports/salesSummary", &[]).await?;
    let mut currencies: BTreeSet<String> = books.accounts.keys().map(|(_, currency)| currency.clone()).collect();
    for sales in &summary.currencies {
        let code = sales.known.as_ref().or(sales.anonymous.as_ref()).map(|f| f.currency.clone()).unwrap_or_default();
        currencies.remove(&code);
        Comparison { subject: format!("company in {code}"), found: &mut found }.company(sales, &books, &code);
    }
    for code in currencies {
        missing(&mut found, format!("company in {code}"));
    }
    if !arguments.quick {
        details(client, &books, &mut found).await?;
        say(format_args!("compared months and favourites"));
    }
    let patience = Duration::from_secs(arguments.patience);
    let compared = segments::compare(client, &books, arguments.report_zone, patience, &mut found).await?;
    say(format_args!("compared the members of {compared} segments"));
    let compared = ledger::compare(client, patience, &mut found).await?;
    say(format_args!("compared {compared} letters of the ledger"));
    Ok(found)
}

/// Waits until analytics has applied every event there is now.
async fn caught_up(client: &Client, patience: Duration) -> Result<(), Error> {
    let mut heads: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for context in FOLLOWED {
        for partition in 0..PARTITIONS {
            let path = format!("/v1/feeds/{context}/{partition}");
            let page: ReadFeedResponse = client.get(&path, &[("pageSize", "1".into())]).await?;
            heads.insert((format!("analytics.{context}"), partition.into()), page.head);
        }
    }
    let waiting = async {
        loop {
            let status: GetConsumerStatusResponse = client.get("/v1/operations/analytics/consumers", &[]).await?;
            let parked: i64 = status.partitions.iter().map(|p| p.parked).sum();
            if parked > 0 {
                say(format_args!(
                    "{parked} events are parked: figures of their customers will differ until they are replayed"
                ));
            }
            let reached: BTreeMap<_, _> =
                status.partitions.into_iter().map(|p| ((p.consumer, p.partition), p.position)).collect();
            if heads.iter().all(|(key, head)| reached.get(key).is_some_and(|position| position >= head)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    match tokio::time::timeout(patience, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::unavailable(format!(
            "analytics has not applied everything within {} s: try again later",
            patience.as_secs()
        ))),
    }
}

/// The documents of one customer, or of everybody where none is named; and how many they are.
async fn books(client: &Client, zone: Tz, customer: &str) -> Result<(Books, u64), Error> {
    let mut books = Books::default();
    let mut documents = 0_u64;
    let query = |token: &str| {
        let mut query =
            vec![("includeLines", "true".to_owned()), ("pageSize", PAGE.into()), ("pageToken", token.to_owned())];
        if !customer.is_empty() {
            query.push(("customerId", customer.to_owned()));
        }
        query
    };
    let mut token = String::new();
    loop {
        let page: ListOrdersResponse = client.get("/v1/orders", &query(&token)).await?;
        documents += page.orders.len() as u64;
        page.orders.iter().try_for_each(|order| books.order(order, zone))?;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    loop {
        let page: ListCreditNotesResponse = client.get("/v1/creditNotes", &query(&token)).await?;
        documents += page.credit_notes.len() as u64;
        page.credit_notes.iter().try_for_each(|note| books.credit_note(note, zone))?;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    Ok((books, documents))
}

/// Compares every customer's totals, both ways: figures without documents are as wrong as documents without figures.
async fn figures(client: &Client, books: &Books, found: &mut Found) -> Result<usize, Error> {
    let mut left: BTreeMap<&(String, String), &Account> =
        books.accounts.iter().filter(|((customer, _), _)| !customer.is_empty()).collect();
    let mut served = 0;
    let mut token = String::new();
    let empty = Account::default();
    loop {
        let query = [("pageSize", "1000".to_owned()), ("pageToken", token)];
        let page: ListCustomerFiguresResponse = client.get("/v1/customerMetrics", &query).await?;
        for customer in &page.customers {
            served += 1;
            let Some(figures) = &customer.figures else { continue };
            let account = left.remove(&(customer.customer_id.clone(), figures.currency.clone())).unwrap_or(&empty);
            let subject = format!("customer {} in {}", customer.customer_id, figures.currency);
            Comparison { subject, found: &mut *found }.figures(figures, account)?;
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    for ((customer, currency), _) in left {
        missing(found, format!("customer {customer} in {currency}"));
    }
    Ok(served)
}

async fn details(client: &Client, books: &Books, found: &mut Found) -> Result<(), Error> {
    let customers: BTreeSet<&String> =
        books.accounts.keys().map(|(customer, _)| customer).filter(|c| !c.is_empty()).collect();
    // Compared as they come: all of them at once may be more than fits into memory.
    let mut metrics = futures::stream::iter(customers)
        .map(|customer| async move { client.get(&format!("/v1/customers/{customer}/metrics"), &[]).await })
        .buffer_unordered(4);
    while let Some(customer) = metrics.try_next().await? {
        let customer: CustomerMetrics = customer;
        for currency in &customer.currencies {
            let code = currency.figures.as_ref().map(|f| f.currency.clone()).unwrap_or_default();
            let subject = format!("customer {} in {code}", customer.customer_id);
            if let Some(account) = books.accounts.get(&(customer.customer_id.clone(), code)) {
                Comparison { subject, found: &mut *found }.details(currency, account)?;
            }
        }
    }
    Ok(())
}

fn missing(found: &mut Found, subject: String) {
    found.push(Difference {
        subject,
        figure: "every figure".into(),
        served: "nothing".into(),
        recomputed: "documents that count".into(),
    });
}

#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
fn say(text: std::fmt::Arguments<'_>) {
    println!("{text}");
}
