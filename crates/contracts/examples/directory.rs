//! A consumer of Clientele: keeps the names of all customers in a file of its own, by the feed and `BatchGet`.
//!
//! ```text
//! directory --file names.json [--register NAME --request-id KEY]
//! ```
//!
//! The environment says where the services are and who calls: `IDENTITY` and `CUSTOMERS` (`http://host:port`), `API_KEY`
//! (scopes `customers.customer.read`, `customers.feed.read`; `customers.customer.write` to register), and `CA_FILE` where they
//! speak TLS.
//! `crates/contracts/GUIDE.md` explains what is done here and why.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::customers::v1::feed_client::FeedClient;
use clientele_contracts::customers::v1::{BatchGetCustomersRequest, CreateCustomerRequest, Customer};
use clientele_contracts::identity::v1::IssueTokenRequest;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::platform::v1::{ReadFeedRequest, ReadFeedResponse};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

type Failure = Box<dyn std::error::Error>;

/// How long one call may take. A call without a deadline gets the service's own, 10 s.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many times a call is made.
const ATTEMPTS: usize = 8;
/// A token is renewed so long before it ends: it must not end on the way.
const RENEWAL: Duration = Duration::from_secs(30);
const PARTITIONS: i32 = 32;
/// The most ids that `BatchGetCustomers` takes.
const BATCH: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let mut caller = Caller::new(&variable("IDENTITY")?, variable("API_KEY")?)?;
    let customers = channel(&variable("CUSTOMERS")?)?;

    let mut registered = None;
    if let (Some(name), Some(request_id)) = (arguments.register, arguments.request_id) {
        let customer = Customer { display_name: name, ..Customer::default() };
        let request = CreateCustomerRequest { customer: Some(customer), request_id };
        // The same `request_id` in every attempt: whichever of them arrives, one customer comes of it.
        let made = caller
            .call(request, |request| {
                let mut client = CustomersClient::new(customers.clone());
                async move { client.create_customer(request).await }
            })
            .await?;
        registered = Some(made.id);
    }

    let mut directory = Directory::open(arguments.file)?;
    for partition in 0..PARTITIONS {
        directory.follow(&mut caller, &customers, partition).await?;
    }
    tell(&serde_json::json!({ "registered": registered, "names": directory.kept.names.len() }));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what a program found is its output")]
fn tell(found: &serde_json::Value) {
    println!("{found}");
}

struct Arguments {
    file: PathBuf,
    register: Option<String>,
    request_id: Option<String>,
}

impl Arguments {
    fn read() -> Result<Self, Failure> {
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        let mut words = env::args().skip(1);
        while let Some(name) = words.next() {
            named.insert(name, words.next().ok_or("each option has a value")?);
        }
        let file = named.remove("--file").ok_or("--file says where the names are kept")?.into();
        Ok(Self { file, register: named.remove("--register"), request_id: named.remove("--request-id") })
    }
}

fn variable(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|_| format!("the variable {name} is needed").into())
}

/// Connects when it is first used, and again when the connection has ended: a service that is away is no reason to stop.
fn channel(address: &str) -> Result<Channel, Failure> {
    let mut endpoint = Endpoint::from_shared(address.to_owned())?.connect_timeout(Duration::from_secs(2));
    if let Ok(authority) = env::var("CA_FILE") {
        let authority = Certificate::from_pem(fs::read(authority)?);
        endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority))?;
    }
    Ok(endpoint.connect_lazy())
}

/// Who calls: exchanges the API key for tokens, and calls with them.
struct Caller {
    identity: Channel,
    api_key: String,
    /// `Bearer …`, and until when it is used.
    token: Option<(String, Instant)>,
}

impl Caller {
    fn new(identity: &str, api_key: String) -> Result<Self, Failure> {
        Ok(Self { identity: channel(identity)?, api_key, token: None })
    }

    #[expect(clippy::disallowed_methods, reason = "a consumer has the clock of its machine")]
    async fn token(&mut self) -> Result<String, Status> {
        if let Some((token, until)) = &self.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let mut request = Request::new(IssueTokenRequest { proof: Some(Proof::ApiKey(self.api_key.clone())) });
        request.set_timeout(DEADLINE);
        let issued = TokensClient::new(self.identity.clone()).issue_token(request).await?.into_inner();
        // How long it lasts is read from what identity says, less what the clocks may differ by.
        let ends = issued.expires_at.ok_or_else(|| Status::internal("a token has an end"))?;
        let lasts = SystemTime::try_from(ends)
            .ok()
            .and_then(|ends| ends.duration_since(SystemTime::now()).ok())
            .unwrap_or_default();
        let token = format!("Bearer {}", issued.token);
        self.token = Some((token.clone(), Instant::now() + lasts.saturating_sub(RENEWAL)));
        Ok(token)
    }

    /// Makes a call that may be repeated: a read, or a change that carries a `request_id`.
    async fn call<Q: Clone, A, F>(&mut self, message: Q, send: impl Fn(Request<Q>) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_jitter()
            .with_max_times(ATTEMPTS - 1)
            .build();
        loop {
            let outcome = match self.token().await {
                Err(status) => Err(status),
                Ok(token) => {
                    let mut request = Request::new(message.clone());
                    request.set_timeout(DEADLINE);
                    let token = token.parse().map_err(|_| Status::internal("a token is a header value"))?;
                    request.metadata_mut().insert("authorization", token);
                    send(request).await
                }
            };
            let status = match outcome {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let wait = match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Aborted => waits.next(),
                // The token has ended on the way, or its key was replaced: once more with a new one.
                Code::Unauthenticated if self.token.take().is_some() => waits.next(),
                // Anything else will be answered the same again: INVALID_ARGUMENT names the fields, NOT_FOUND is a fact.
                _ => None,
            };
            let Some(wait) = wait else { return Err(status) };
            // The service may say how long it wants to be left alone.
            let asked = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
            tokio::time::sleep(asked.map_or(wait, |asked| asked.max(wait))).await;
        }
    }
}

/// Whether this is the reason of a refusal.
fn is(status: &Status, reason: &str) -> bool {
    status.get_error_details().error_info().is_some_and(|info| info.reason == reason)
}

/// What is kept: the names, and how far the feed has been applied to them. They are written together, so that a start
/// after a crash goes on where the names are.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Kept {
    names: BTreeMap<String, String>,
    positions: BTreeMap<i32, i64>,
    /// The journal that the positions are of; another one after it was restored from a backup.
    incarnations: BTreeMap<i32, String>,
}

struct Directory {
    file: PathBuf,
    kept: Kept,
}

impl Directory {
    fn open(file: PathBuf) -> Result<Self, Failure> {
        let kept = if file.exists() { serde_json::from_slice(&fs::read(&file)?)? } else { Kept::default() };
        Ok(Self { file, kept })
    }

    /// Follows one partition of customers' journal until there is nothing new.
    async fn follow(&mut self, caller: &mut Caller, customers: &Channel, partition: i32) -> Result<(), Failure> {
        loop {
            let after = self.kept.positions.get(&partition).copied().unwrap_or(0);
            let incarnation = self.kept.incarnations.get(&partition).cloned().unwrap_or_default();
            let request = ReadFeedRequest { partition, after, page_size: 1000, incarnation };
            let read = caller
                .call(request, |request| {
                    let mut client = FeedClient::new(customers.clone());
                    async move { client.read(request).await }
                })
                .await;
            let page: ReadFeedResponse = match read {
                // What we know of this partition is so no longer. It is read again from the beginning, which puts every
                // name right that is still asked for.
                Err(status) if is(&status, "JOURNAL_RESTORED") && after > 0 => {
                    self.kept.positions.remove(&partition);
                    self.kept.incarnations.remove(&partition);
                    continue;
                }
                read => read?,
            };
            self.kept.incarnations.insert(partition, page.incarnation);
            let Some(last) = page.events.last().map(|event| event.position) else { return Ok(()) };

            // Events say who has changed, never how they are called: names are asked for, by whoever may read them.
            let changed: BTreeSet<String> =
                page.events.into_iter().map(|event| event.customer_id).filter(|id| !id.is_empty()).collect();
            let changed: Vec<String> = changed.into_iter().collect();
            for ids in changed.chunks(BATCH) {
                let request = BatchGetCustomersRequest { ids: ids.to_vec() };
                let found = caller
                    .call(request, |request| {
                        let mut client = CustomersClient::new(customers.clone());
                        async move { client.batch_get_customers(request).await }
                    })
                    .await?;
                // Who is not in the answer is gone: erased, or never to be seen by us.
                for id in ids {
                    self.kept.names.remove(id);
                }
                self.kept
                    .names
                    .extend(found.customers.into_iter().map(|customer| (customer.id, customer.display_name)));
            }
            self.kept.positions.insert(partition, last);
            self.write()?;
        }
    }

    fn write(&self) -> Result<(), Failure> {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, serde_json::to_vec_pretty(&self.kept)?)?;
        Ok(fs::rename(fresh, &self.file)?)
    }
}
