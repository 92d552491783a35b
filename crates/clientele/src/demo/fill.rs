//! Sends the company to the services, in the batches and under the references that any other system would use.

use std::collections::HashMap;
use std::fmt::Arguments;
use std::future::Future;
use std::time::{Duration, Instant};

use backon::Retryable;
use clientele_contracts::campaigns::v1::CreateSegmentRequest;
use clientele_contracts::campaigns::v1::segments_client::SegmentsClient;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::customers::v1::{BatchUpsertCustomersRequest, Customer, ListCustomersRequest, UpsertCustomer};
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_contracts::identity::v1::stores_client::StoresClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_contracts::identity::v1::{
    CreateGroupRequest, CreateStoreRequest, CreateUserRequest, Group, ListGroupsRequest, ListStoresRequest,
    ListUsersRequest, Store, User,
};
use clientele_contracts::messaging::v1::channels_client::ChannelsClient;
use clientele_contracts::messaging::v1::dialogs_client::DialogsClient;
use clientele_contracts::messaging::v1::email_templates_client::EmailTemplatesClient;
use clientele_contracts::messaging::v1::emails_client::EmailsClient;
use clientele_contracts::messaging::v1::visitors_client::VisitorsClient;
use clientele_contracts::messaging::v1::{
    BatchImportDialogsRequest, BatchImportEmailsRequest, Channel, ChannelKind, CreateChannelRequest,
    CreateEmailTemplateRequest, DialogState, ImportedDialog, ImportedEmail, ListChannelsRequest, ListDialogsRequest,
    PostVisitorMessageRequest, StartVisitRequest,
};
use clientele_contracts::orders::v1::credit_notes_client::CreditNotesClient;
use clientele_contracts::orders::v1::orders_client::OrdersClient;
use clientele_contracts::orders::v1::products_client::ProductsClient;
use clientele_contracts::orders::v1::{
    BatchUpsertCreditNotesRequest, BatchUpsertOrdersRequest, BatchUpsertProductsRequest, CreditNote, Order,
};
use clientele_contracts::platform::v1::{FieldViolation, UpsertOutcome};
use clientele_kernel::{Code, Entropy, Error};
use clientele_platform::backoff;
use clientele_platform::grpc::{self, Clients, HEADER_INTEGRATION, HEADER_ORIGIN, Transport};
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::ACTOR;
use super::company::Company;
use super::sales::{further_products, reference};
use super::shop::{CHANNEL, COLLEAGUES, GROUPS, STORES, permissions, products, segments, templates};

const CUSTOMERS: usize = 500;
const ORDERS: usize = 500;
const DIALOGS: usize = 50;
const LETTERS: usize = 200;
const VISITORS: usize = 7;

/// Sends the company.
pub(super) struct Filler<'a> {
    clients: &'a Clients,
    entropy: &'a dyn Entropy,
    say: fn(Arguments<'_>),
}

impl<'a> Filler<'a> {
    pub(super) fn new(clients: &'a Clients, entropy: &'a dyn Entropy, say: fn(Arguments<'_>)) -> Self {
        Self { clients, entropy, say }
    }

    /// Fails where the house has customers already.
    pub(super) async fn require_empty(&self) -> Result<(), Error> {
        let request = ListCustomersRequest { page_size: 1, ..ListCustomersRequest::default() };
        let page =
            self.send(&request, |r| async { CustomersClient::new(self.way("customers")).list_customers(r).await });
        if page.await?.customers.is_empty() {
            return Ok(());
        }
        Err(Error::failed_precondition(
            "NOT_EMPTY",
            "the data directory has customers of its own, and invented ones are not mixed with them: choose another with --data-dir",
        ))
    }

    /// Sends everything; what is there already stays as it is.
    pub(super) async fn fill(&self, company: &Company) -> Result<(), Error> {
        let mut step = Step { begun: Instant::now(), say: self.say };
        let stores = self.stores().await?;
        let colleagues = self.colleagues().await?;
        step.done("stores and colleagues", STORES.len() + COLLEAGUES.len());
        let customers = self.customers(company, &stores, &colleagues).await?;
        step.done("customers with their consents", customers.len());
        self.products().await?;
        let orders = self.orders(company, &customers).await?;
        step.done("orders with lines and payments", orders.len());
        self.refunds(company, &orders).await?;
        step.done("credit notes", company.refunds.len());
        let channel = self.channel().await?;
        self.dialogs(company, &channel, &customers).await?;
        step.done("dialogs", company.dialogs.len());
        self.letters(company, &customers).await?;
        step.done("letters", company.letters.len());
        let made = self.templates().await? + self.segments().await?;
        step.done("templates and segments", made);
        let waiting = self.visitors(company, &channel).await?;
        step.done("visitors who wait for an answer", waiting);
        Ok(())
    }

    async fn stores(&self) -> Result<Vec<String>, Error> {
        let mut client = StoresClient::new(self.way("identity"));
        let mut ids = Vec::with_capacity(STORES.len());
        for (name, time_zone) in STORES {
            let store = Store { name: name.to_owned(), time_zone: time_zone.to_owned(), ..Store::default() };
            let request = CreateStoreRequest { store: Some(store), request_id: String::new() };
            let id = if let Some(store) = made(client.create_store(ask(request)).await)? {
                store.id
            } else {
                let page = client.list_stores(ask(ListStoresRequest { page_size: 500, ..Default::default() }));
                let known = page.await.map_err(grpc::error)?.into_inner().stores;
                found("store", name, known.into_iter().find(|store| store.name == name).map(|store| store.id))?
            };
            ids.push(id);
        }
        Ok(ids)
    }

    /// The groups and who is in them. Their password is made here and told once: one that came with the program would be known to
    /// everybody.
    async fn colleagues(&self) -> Result<Vec<String>, Error> {
        let mut groups = HashMap::new();
        let mut client = GroupsClient::new(self.way("identity"));
        for (name, _) in GROUPS {
            let group = Group { name: name.to_owned(), permissions: permissions(name), ..Group::default() };
            let request = CreateGroupRequest { group: Some(group), request_id: String::new() };
            let id = if let Some(group) = made(client.create_group(ask(request)).await)? {
                group.id
            } else {
                let page = client.list_groups(ask(ListGroupsRequest { page_size: 500, ..Default::default() }));
                let known = page.await.map_err(grpc::error)?.into_inner().groups;
                found("group", name, known.into_iter().find(|group| group.name == name).map(|group| group.id))?
            };
            groups.insert(name, id);
        }
        let mut secret = [0; 9];
        self.entropy.fill(&mut secret);
        let password = hex::encode(secret);
        let mut client = UsersClient::new(self.way("identity"));
        let mut ids = Vec::with_capacity(COLLEAGUES.len());
        for (login, name, group, _) in COLLEAGUES {
            let user = User {
                login: login.to_owned(),
                display_name: name.to_owned(),
                group_ids: groups.get(group).cloned().into_iter().collect(),
                ..User::default()
            };
            let request = CreateUserRequest { user: Some(user), password: password.clone(), request_id: String::new() };
            let id = if let Some(user) = made(client.create_user(ask(request)).await)? {
                // At once, as with the administrator's: whoever kills the process now has still seen it.
                (self.say)(format_args!("demo: colleague: {login} password: {password} (shown this once)"));
                user.id
            } else {
                let page = client.list_users(ask(ListUsersRequest { page_size: 500, ..Default::default() }));
                let known = page.await.map_err(grpc::error)?.into_inner().users;
                found("user", login, known.into_iter().find(|user| user.login == login).map(|user| user.id))?
            };
            ids.push(id);
        }
        Ok(ids)
    }

    async fn customers(
        &self,
        company: &Company,
        stores: &[String],
        colleagues: &[String],
    ) -> Result<Vec<String>, Error> {
        let mut ids = Vec::with_capacity(company.people.len());
        for people in company.people.chunks(CUSTOMERS) {
            let entries = people.iter().map(|person| UpsertCustomer {
                reference: Some(reference(&person.number)),
                customer: Some(Customer {
                    store_id: stores.get(person.store).cloned().unwrap_or_default(),
                    manager_id: person.manager.and_then(|place| colleagues.get(place)).cloned().unwrap_or_default(),
                    ..person.customer.clone()
                }),
                consents: person.consents.clone(),
            });
            let request = BatchUpsertCustomersRequest { entries: entries.collect(), request_id: String::new() };
            let answer = self
                .send(&request, |r| async {
                    CustomersClient::new(self.way("customers")).batch_upsert_customers(r).await
                })
                .await?;
            for (person, result) in people.iter().zip(answer.results) {
                accepted(&person.number, result.outcome(), &result.violations)?;
                ids.push(result.customer_id);
            }
        }
        complete("customers", ids.len(), company.people.len())?;
        Ok(ids)
    }

    async fn products(&self) -> Result<(), Error> {
        let products: Vec<_> = products().into_iter().chain(further_products()).collect();
        let skus: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
        let request = BatchUpsertProductsRequest { products, request_id: String::new() };
        let answer = self
            .send(&request, |r| async { ProductsClient::new(self.way("orders")).batch_upsert_products(r).await })
            .await?;
        for (sku, result) in skus.iter().zip(answer.results) {
            accepted(sku, result.outcome(), &result.violations)?;
        }
        Ok(())
    }

    async fn orders(&self, company: &Company, customers: &[String]) -> Result<Vec<String>, Error> {
        let mut ids = Vec::with_capacity(company.sales.len());
        for sales in company.sales.chunks(ORDERS) {
            let orders = sales.iter().map(|sale| Order {
                customer_id: sale.customer.and_then(|place| customers.get(place)).cloned().unwrap_or_default(),
                ..sale.order.clone()
            });
            let request = BatchUpsertOrdersRequest { orders: orders.collect(), ..BatchUpsertOrdersRequest::default() };
            let answer = self
                .send(&request, |r| async { OrdersClient::new(self.way("orders")).batch_upsert_orders(r).await })
                .await?;
            for (sale, result) in sales.iter().zip(answer.results) {
                accepted(&sale.order.number, result.outcome(), &result.violations)?;
                ids.push(result.order_id);
            }
        }
        complete("orders", ids.len(), company.sales.len())?;
        Ok(ids)
    }

    async fn refunds(&self, company: &Company, orders: &[String]) -> Result<(), Error> {
        for refunds in company.refunds.chunks(ORDERS) {
            let notes = refunds.iter().map(|refund| CreditNote {
                order_id: orders.get(refund.sale).cloned().unwrap_or_default(),
                ..refund.note.clone()
            });
            let request = BatchUpsertCreditNotesRequest { credit_notes: notes.collect(), request_id: String::new() };
            let answer = self
                .send(&request, |r| async {
                    CreditNotesClient::new(self.way("orders")).batch_upsert_credit_notes(r).await
                })
                .await?;
            for (refund, result) in refunds.iter().zip(answer.results) {
                accepted(&refund.note.number, result.outcome(), &result.violations)?;
            }
        }
        Ok(())
    }

    async fn channel(&self) -> Result<Channel, Error> {
        let mut client = ChannelsClient::new(self.way("messaging"));
        let channel = Channel {
            name: CHANNEL.to_owned(),
            kind: ChannelKind::Widget.into(),
            greeting: "Coffee, tea or a question? We are here.".to_owned(),
            ..Channel::default()
        };
        let request = CreateChannelRequest { channel: Some(channel), request_id: String::new() };
        if let Some(channel) = made(client.create_channel(ask(request)).await)? {
            return Ok(channel);
        }
        let page = client.list_channels(ask(ListChannelsRequest { page_size: 200, ..Default::default() }));
        let known = page.await.map_err(grpc::error)?.into_inner().channels;
        found("channel", CHANNEL, known.into_iter().find(|one| one.name == CHANNEL))
    }

    async fn dialogs(&self, company: &Company, channel: &Channel, customers: &[String]) -> Result<(), Error> {
        for dialogs in company.dialogs.chunks(DIALOGS) {
            let entries = dialogs.iter().map(|one| ImportedDialog {
                channel_id: channel.id.clone(),
                customer_id: customers.get(one.customer).cloned().unwrap_or_default(),
                ..one.dialog.clone()
            });
            let request = BatchImportDialogsRequest { entries: entries.collect(), request_id: String::new() };
            let answer = self
                .send(&request, |r| async { DialogsClient::new(self.way("messaging")).batch_import_dialogs(r).await })
                .await?;
            for (one, result) in dialogs.iter().zip(answer.results) {
                let number = one.dialog.reference.as_ref().map_or("", |reference| reference.external_id.as_str());
                accepted(number, result.outcome(), &result.violations)?;
            }
        }
        Ok(())
    }

    /// A few people are on the site right now and have asked something. Whoever waits already is not joined by others.
    async fn visitors(&self, company: &Company, channel: &Channel) -> Result<usize, Error> {
        let open = ListDialogsRequest {
            state: DialogState::Open.into(),
            channel_id: channel.id.clone(),
            page_size: 1,
            ..ListDialogsRequest::default()
        };
        let known = DialogsClient::new(self.way("messaging")).list_dialogs(ask(open)).await.map_err(grpc::error)?;
        if !known.into_inner().dialogs.is_empty() {
            return Ok(0);
        }
        let mut client = VisitorsClient::new(self.way("messaging"));
        let every = (company.dialogs.len() / VISITORS).max(1);
        let mut waiting = 0;
        for (dialog, number) in company.dialogs.iter().step_by(every).zip(1_u128..) {
            let (Some(person), Some(asked)) = (company.people.get(dialog.customer), dialog.dialog.messages.first())
            else {
                continue;
            };
            let visit = StartVisitRequest { site_key: channel.site_key.clone(), ..StartVisitRequest::default() };
            let visit = client.start_visit(ask(visit)).await.map_err(grpc::error)?.into_inner();
            let message = PostVisitorMessageRequest {
                site_key: channel.site_key.clone(),
                visitor_secret: visit.visitor_secret,
                client_message_id: Uuid::from_u128(number).to_string(),
                text: asked.text.clone(),
                name: person.addressed.clone(),
                email: person.email().unwrap_or_default().to_owned(),
                page_origin: String::new(),
            };
            client.post_visitor_message(ask(message)).await.map_err(grpc::error)?;
            waiting += 1;
        }
        Ok(waiting)
    }

    async fn letters(&self, company: &Company, customers: &[String]) -> Result<(), Error> {
        for letters in company.letters.chunks(LETTERS) {
            let entries = letters.iter().map(|sent| ImportedEmail {
                customer_id: customers.get(sent.customer).cloned().unwrap_or_default(),
                ..sent.letter.clone()
            });
            let request = BatchImportEmailsRequest { entries: entries.collect(), request_id: String::new() };
            let answer = self
                .send(&request, |r| async { EmailsClient::new(self.way("messaging")).batch_import_emails(r).await })
                .await?;
            for (sent, result) in letters.iter().zip(answer.results) {
                let number = sent.letter.reference.as_ref().map_or("", |reference| reference.external_id.as_str());
                accepted(number, result.outcome(), &result.violations)?;
            }
        }
        Ok(())
    }

    async fn templates(&self) -> Result<usize, Error> {
        let mut client = EmailTemplatesClient::new(self.way("messaging"));
        let templates = templates();
        let count = templates.len();
        for template in templates {
            let request = CreateEmailTemplateRequest { template: Some(template), request_id: String::new() };
            made(client.create_email_template(ask(request)).await)?;
        }
        Ok(count)
    }

    async fn segments(&self) -> Result<usize, Error> {
        let mut client = SegmentsClient::new(self.way("campaigns"));
        let segments = segments();
        let count = segments.len();
        for segment in segments {
            let request = CreateSegmentRequest { segment: Some(segment), request_id: String::new() };
            made(client.create_segment(ask(request)).await)?;
        }
        Ok(count)
    }

    fn way(&self, service: &str) -> Transport {
        self.clients.transport(service)
    }

    /// Sends a request that may be repeated, again where that may help.
    async fn send<M: Clone, R, F>(&self, message: &M, call: impl Fn(Request<M>) -> F) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let attempt = || async { call(ask(message.clone())).await.map(Response::into_inner).map_err(grpc::error) };
        let pauses = backoff::pauses(Duration::from_millis(100), Duration::from_secs(10)).with_max_times(6);
        attempt.retry(pauses).when(Error::is_transient).await
    }
}

/// Tells how long each part took.
struct Step {
    begun: Instant,
    say: fn(Arguments<'_>),
}

impl Step {
    fn done(&mut self, what: &str, count: usize) {
        (self.say)(format_args!("demo: {count} {what}, {:.1} s", self.begun.elapsed().as_secs_f64()));
        self.begun = Instant::now();
    }
}

/// A request that says it comes from an import, and from which.
fn ask<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert(HEADER_ORIGIN, AsciiMetadataValue::from_static("import"));
    metadata.insert(HEADER_INTEGRATION, AsciiMetadataValue::from_static(ACTOR));
    request
}

/// What was created; `None` where it is there already.
fn made<R>(answer: Result<Response<R>, Status>) -> Result<Option<R>, Error> {
    match answer.map_err(grpc::error) {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(error) if error.code == Code::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

fn found<T>(what: &str, name: &str, known: Option<T>) -> Result<T, Error> {
    known.ok_or_else(|| Error::unavailable(format!("the {what} `{name}` exists and cannot be found: try again")))
}

/// What is sent is right: a refusal is a fault of ours, and told as it is.
fn accepted(number: &str, outcome: UpsertOutcome, violations: &[FieldViolation]) -> Result<(), Error> {
    match outcome {
        UpsertOutcome::Created | UpsertOutcome::Updated | UpsertOutcome::Unchanged => Ok(()),
        UpsertOutcome::Refused | UpsertOutcome::Unspecified => {
            let why = violations.first().map_or("", |violation| violation.description.as_str());
            let field = violations.first().map_or("", |violation| violation.field.as_str());
            Err(Error::failed_precondition("REFUSED", format!("the record {number} was refused: {field} {why}")))
        }
    }
}

fn complete(what: &str, answered: usize, sent: usize) -> Result<(), Error> {
    if answered == sent {
        Ok(())
    } else {
        Err(Error::unavailable(format!("of {sent} {what} the server answered for {answered}")))
    }
}
