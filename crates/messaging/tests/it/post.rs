//! The service under test with what letters need around it, and short ways to speak to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use clientele_contracts::customers::v1 as customers;
use clientele_contracts::customers::v1::consents_server::{Consents, ConsentsServer};
use clientele_contracts::customers::v1::customers_server::{Customers, CustomersServer};
use clientele_contracts::customers::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::email_templates_client::EmailTemplatesClient;
use clientele_contracts::messaging::v1::emails_client::EmailsClient;
use clientele_contracts::messaging::v1::mailbox_client::MailboxClient;
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::{CustomerId, EmailId, Error, SystemEntropy};
use clientele_messaging::{Config, DEFAULT};
use clientele_platform::config::Loader;
use clientele_platform::grpc::{self, Transport};
use clientele_platform::postgres::Database;
use clientele_testkit::{Harness, SmtpServer, TestDatabase, eventually};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The service, its database and what is around it.
pub(crate) struct Post {
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
    pub(crate) neighbours: Neighbours,
}

/// A customer with the ids of their addresses.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) emails: Vec<String>,
}

/// Configuration with these keys of the section set.
pub(crate) fn config(keys: &[(&str, &str)]) -> Config {
    let keys = [&[("SEND_POLL", "20ms")], keys].concat();
    let variables = keys.iter().map(|(key, value)| (format!("CLIENTELE_MESSAGING__{key}"), (*value).to_owned()));
    Loader::new().defaults(DEFAULT).environment(variables).read().unwrap().section("messaging").unwrap()
}

/// The keys of a conversation with a mail server on this port.
pub(crate) fn to_port(port: &str) -> [(&str, &str); 3] {
    [("SMTP_HOST", "127.0.0.1"), ("SMTP_TLS", "none"), ("SMTP_PORT", port)]
}

impl Post {
    /// A running service that captures letters.
    pub(crate) async fn capturing() -> Self {
        Self::new(&[]).await
    }

    /// A running service that sends to a mail server.
    pub(crate) async fn sending(server: &SmtpServer, keys: &[(&str, &str)]) -> Self {
        let number = server.port().to_string();
        Self::new(&[&to_port(&number), keys].concat()).await
    }

    /// A running service with these keys of its section set.
    pub(crate) async fn new(keys: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new("messaging", &clientele_messaging::MIGRATIONS).await;
        let neighbours = Neighbours::default();
        let harness = neighbours.harness(&database);
        let post = Self { database, harness, neighbours };
        post.start(keys).await;
        post
    }

    /// Starts the service, or a further replica of it.
    pub(crate) async fn start(&self, keys: &[(&str, &str)]) {
        start(&self.harness, self.database.db.clone(), keys).await;
    }

    pub(crate) fn emails(&self) -> EmailsClient<Transport> {
        EmailsClient::new(self.everything())
    }

    pub(crate) fn templates(&self) -> EmailTemplatesClient<Transport> {
        EmailTemplatesClient::new(self.everything())
    }

    pub(crate) fn mailbox(&self) -> MailboxClient<Transport> {
        MailboxClient::new(self.everything())
    }

    fn everything(&self) -> Transport {
        self.harness.client("messaging", &["*"])
    }

    /// A customer who has agreed to everything.
    pub(crate) fn person(&self, name: &str, addresses: &[&str]) -> Person {
        let id = self.database.ids.next::<CustomerId>().to_string();
        let emails: Vec<customers::Email> = addresses
            .iter()
            .map(|address| customers::Email {
                id: self.database.ids.next::<EmailId>().to_string(),
                address: (*address).to_owned(),
                ..customers::Email::default()
            })
            .collect();
        let ids = emails.iter().map(|email| email.id.clone()).collect();
        let customer = customers::Customer {
            id: id.clone(),
            display_name: name.to_owned(),
            emails,
            ..customers::Customer::default()
        };
        self.neighbours.lock().customers.insert(id.clone(), customer);
        Person { id, emails: ids }
    }

    pub(crate) async fn try_send(&self, request: pb::SendEmailRequest) -> Result<pb::Email, Error> {
        Ok(self.emails().send_email(request).await.map_err(grpc::error)?.into_inner())
    }

    /// Asks for a letter to a customer's first address.
    pub(crate) async fn send(&self, person: &Person, subject: &str) -> pb::Email {
        self.try_send(letter(person, subject)).await.unwrap()
    }

    pub(crate) async fn get(&self, id: &str) -> pb::Email {
        self.emails().get_email(pb::GetEmailRequest { id: id.to_owned() }).await.unwrap().into_inner()
    }

    /// The letter once something has become of it.
    pub(crate) async fn settled(&self, id: &str) -> pb::Email {
        self.when(id, "the letter is settled", |email| email.settled_at.is_some()).await
    }

    /// The letter once it is as wanted.
    pub(crate) async fn when(&self, id: &str, what: &str, is: impl Fn(&pb::Email) -> bool) -> pb::Email {
        eventually(what, async || Some(self.get(id).await).filter(|email| is(email))).await
    }

    /// All events of the feed, by partition and position.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.harness.events("messaging").await
    }
}

/// Starts the service on a database.
pub(crate) async fn start(harness: &Harness, db: Database, keys: &[(&str, &str)]) {
    let credential =
        grpc::Credential { service: "messaging".into(), secret: "a secret of this test".to_owned().into() };
    let deps = harness.host.deps(db, credential);
    harness.start(clientele_messaging::build(config(keys), deps.clone()).await.unwrap(), &deps);
}

/// A letter to a customer's first address, with a request id of its own.
pub(crate) fn letter(person: &Person, subject: &str) -> pb::SendEmailRequest {
    pb::SendEmailRequest {
        customer_id: person.id.clone(),
        contact_point_id: person.emails[0].clone(),
        subject: subject.to_owned(),
        text: format!("text of {subject}"),
        request_id: new_id(),
        ..pb::SendEmailRequest::default()
    }
}

/// An id nobody has.
pub(crate) fn new_id() -> String {
    clientele_kernel::Ids::new(Arc::new(clientele_kernel::SystemClock), Arc::new(SystemEntropy))
        .next::<Uuid>()
        .to_string()
}

/// The fields that a refused request is at fault with.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.field.as_str()).collect()
}

/// The stable name of the reason a request was refused for.
pub(crate) fn reason(error: &Error) -> &str {
    error.metadata.iter().find(|(key, _)| key == "reason").map_or(error.reason, |(_, reason)| reason)
}

/// Stands where customers does: answers over the real gRPC services who the customers are and what they agreed to.
#[derive(Clone, Default)]
pub(crate) struct Neighbours(Arc<Mutex<Known>>);

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) customers: BTreeMap<String, customers::Customer>,
    /// Contact points, and addresses that nobody has any more, whose consent was taken back.
    pub(crate) withdrawn: Vec<String>,
    /// Whether consent cannot be asked.
    pub(crate) down: bool,
    /// Whether customers is of the release before the one that answers for many messages at once.
    pub(crate) asked_one_by_one: bool,
    /// How often consent was asked.
    pub(crate) asked: Vec<customers::MaySendRequest>,
}

/// The entry by which everybody has agreed.
pub(crate) const ENTRY: &str = "01900000-0000-7000-8000-0000000000e1";
/// The entry by which consent was taken back.
pub(crate) const WITHDRAWAL: &str = "01900000-0000-7000-8000-0000000000e2";

impl Neighbours {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    fn answer(&self, request: customers::MaySendRequest) -> Result<customers::MaySendResponse, Status> {
        let mut known = self.lock();
        known.asked.push(request.clone());
        if known.down {
            return Err(Status::unavailable("down for a test"));
        }
        let own = known.customers.get(&request.customer_id).ok_or_else(|| Status::not_found("no such customer"))?;
        let points = known.customers.values().flat_map(|customer| &customer.emails);
        let mut found = points.filter(|email| {
            email.id == request.contact_point_id || email.address.eq_ignore_ascii_case(&request.address)
        });
        let refused = |reason: &str, entries: &[&str]| customers::MaySendResponse {
            reason: reason.to_owned(),
            entry_ids: entries.iter().map(|id| (*id).to_owned()).collect(),
            ..customers::MaySendResponse::default()
        };
        let answer = match found.next() {
            None if request.address.is_empty() => refused("NO_CONTACT_POINT", &[]),
            None if known.withdrawn.contains(&request.address) => refused("CONSENT_WITHDRAWN", &[WITHDRAWAL]),
            None => refused("UNKNOWN_ADDRESS", &[]),
            Some(email) if known.withdrawn.contains(&email.id) => refused("CONSENT_WITHDRAWN", &[WITHDRAWAL]),
            Some(email) => customers::MaySendResponse {
                allowed: true,
                entry_ids: vec![ENTRY.to_owned()],
                address: email.address.clone(),
                contact_point_id: own
                    .emails
                    .iter()
                    .find(|e| e.id == email.id)
                    .map(|e| e.id.clone())
                    .unwrap_or_default(),
                ..customers::MaySendResponse::default()
            },
        };
        Ok(answer)
    }

    /// A process with these neighbours.
    pub(crate) fn harness(&self, database: &TestDatabase) -> Harness {
        let harness = Harness::new(database.clock.clone());
        let routes = Routes::new(CustomersServer::new(self.clone()))
            .add_service(ConsentsServer::new(self.clone()))
            .add_service(FeedServer::new(self.clone()));
        harness.host.network.serve("customers", routes);
        harness
    }
}

#[tonic::async_trait]
impl Feed for Neighbours {
    async fn read(&self, _: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        Ok(Response::new(ReadFeedResponse::default()))
    }
}

#[tonic::async_trait]
impl Consents for Neighbours {
    async fn may_send(
        &self,
        request: Request<customers::MaySendRequest>,
    ) -> Result<Response<customers::MaySendResponse>, Status> {
        self.answer(request.into_inner()).map(Response::new)
    }

    async fn batch_may_send(
        &self,
        request: Request<customers::BatchMaySendRequest>,
    ) -> Result<Response<customers::BatchMaySendResponse>, Status> {
        if self.lock().asked_one_by_one {
            // What a guard does not know, it denies.
            return Err(Status::permission_denied("of the release before"));
        }
        let answers = request.into_inner().requests.into_iter().map(|request| match self.answer(request) {
            Err(status) if status.code() == tonic::Code::NotFound => {
                let reason = "CUSTOMER_NOT_FOUND".to_owned();
                Ok(customers::MaySendResponse { reason, ..customers::MaySendResponse::default() })
            }
            answer => answer,
        });
        Ok(Response::new(customers::BatchMaySendResponse { answers: answers.collect::<Result<_, _>>()? }))
    }

    async fn get_consents(
        &self,
        _: Request<customers::GetConsentsRequest>,
    ) -> Result<Response<customers::GetConsentsResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn set_consent(
        &self,
        _: Request<customers::SetConsentRequest>,
    ) -> Result<Response<customers::ConsentEntry>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn list_consent_entries(
        &self,
        _: Request<customers::ListConsentEntriesRequest>,
    ) -> Result<Response<customers::ListConsentEntriesResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }
}

#[tonic::async_trait]
impl Customers for Neighbours {
    async fn get_customer(
        &self,
        request: Request<customers::GetCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        let customer = self.lock().customers.get(&request.into_inner().id).cloned();
        customer.map(Response::new).ok_or_else(|| Status::not_found("no such customer"))
    }

    async fn batch_get_customers(
        &self,
        request: Request<customers::BatchGetCustomersRequest>,
    ) -> Result<Response<customers::BatchGetCustomersResponse>, Status> {
        let known = self.lock();
        let found = request.into_inner().ids.iter().filter_map(|id| known.customers.get(id).cloned()).collect();
        Ok(Response::new(customers::BatchGetCustomersResponse { customers: found }))
    }

    async fn list_customers(
        &self,
        _: Request<customers::ListCustomersRequest>,
    ) -> Result<Response<customers::ListCustomersResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn create_customer(
        &self,
        _: Request<customers::CreateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn update_customer(
        &self,
        _: Request<customers::UpdateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn batch_upsert_customers(
        &self,
        _: Request<customers::BatchUpsertCustomersRequest>,
    ) -> Result<Response<customers::BatchUpsertCustomersResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }
}
