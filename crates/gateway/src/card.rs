//! The customer's card: all services are asked at once under one deadline, and each section says whether it could be
//! had.

use std::collections::BTreeSet;
use std::future::Future;

use clientele_contracts::analytics::v1::metrics_client::MetricsClient;
use clientele_contracts::analytics::v1::timeline_client::TimelineClient;
use clientele_contracts::analytics::v1::{GetCustomerMetricsRequest, ListTimelineRequest, ListTimelineResponse};
use clientele_contracts::campaigns::v1::memberships_client::MembershipsClient;
use clientele_contracts::campaigns::v1::{ListCustomerSegmentsRequest, ListCustomerSegmentsResponse};
use clientele_contracts::customers::v1::consents_client::ConsentsClient;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_contracts::customers::v1::{ConsentState, Customer, GetConsentsRequest, GetCustomerRequest};
use clientele_contracts::gateway::v1::{
    Card, ConsentsSection, CustomerSection, MessagesSection, MetricsSection, OrdersSection, PeopleSection, Person,
    SectionState, SectionStatus, SegmentsSection, TimelineSection,
};
use clientele_contracts::identity::v1::stores_client::StoresClient;
use clientele_contracts::identity::v1::users_client::UsersClient;
use clientele_contracts::identity::v1::{BatchGetUsersRequest, GetStoreRequest, Store, User, UserState};
use clientele_contracts::messaging::v1::dialogs_client::DialogsClient;
use clientele_contracts::messaging::v1::emails_client::EmailsClient;
use clientele_contracts::messaging::v1::{
    ListDialogsRequest, ListDialogsResponse, ListEmailsRequest, ListEmailsResponse,
};
use clientele_contracts::orders::v1::ListOrdersRequest;
use clientele_contracts::orders::v1::orders_client::OrdersClient;
use clientele_contracts::platform::v1::{Actor, ActorKind};
use clientele_kernel::CustomerId;
use clientele_platform::proto;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::call::Call;
use crate::gateway::Gateway;
use crate::problem::Problem;

const ORDERS: i32 = 10;
const ENTRIES: i32 = 20;
const DIALOGS: i32 = 10;
const EMAILS: i32 = 10;

/// The card of a customer. The first services get three quarters of the time; the rest is kept for the names of people,
/// which are asked for once it is known who they are.
pub(crate) async fn card(gateway: &Gateway, call: &Call, customer_id: &str) -> Result<Card, Problem> {
    let id = CustomerId::parse(customer_id, "customerId")?.to_string();
    let begun = Instant::now();
    let whole = call.remaining().min(gateway.config.card_deadline);
    let first = call.no_later_than(begun + whole.mul_f64(0.75));
    let last = call.no_later_than(begun + whole);
    let desk = Desk { gateway, call: first };

    let named = async {
        let (customer, timeline, consents, dialogs, emails) = tokio::join!(
            desk.customer(&id),
            desk.timeline(&id),
            desk.consents(&id),
            desk.dialogs(&id),
            desk.emails(&id)
        );
        let mut wanted = Wanted::default();
        wanted.of_customer(customer.1.as_ref().ok());
        wanted.of_timeline(timeline.1.as_ref().ok());
        wanted.of_consents(consents.1.as_ref().ok());
        wanted.of_dialogs(dialogs.1.as_ref().ok());
        wanted.of_emails(emails.1.as_ref().ok());
        let people = Desk { gateway, call: last }.people(wanted).await;
        (customer, timeline, consents, dialogs, emails, people)
    };
    let ((customer, timeline, consents, dialogs, emails, people), metrics, orders, segments) =
        tokio::join!(named, desk.metrics(&id), desk.orders(&id), desk.segments(&id));

    // A card for nobody, or of nobody, is no card.
    let refusals = [
        customer.1.as_ref().err(),
        metrics.1.as_ref().err(),
        orders.1.as_ref().err(),
        timeline.1.as_ref().err(),
        consents.1.as_ref().err(),
        dialogs.1.as_ref().err(),
        emails.1.as_ref().err(),
        segments.1.as_ref().err(),
    ];
    let refused = refusals.into_iter().flatten().find(|status| status.code() == Code::Unauthenticated);
    let unknown = customer.1.as_ref().err().filter(|status| status.code() == Code::NotFound);
    if let Some(status) = refused.or(unknown) {
        return Err(status.clone().into());
    }

    let orders_page = orders.1.ok();
    let timeline_page = timeline.1.ok();
    Ok(Card {
        customer_id: id,
        customer: Some(CustomerSection { status: Some(customer.0), customer: customer.1.ok() }),
        metrics: Some(MetricsSection { status: Some(metrics.0), metrics: metrics.1.ok() }),
        orders: Some(OrdersSection {
            status: Some(orders.0),
            next_page_token: orders_page.as_ref().map(|p| p.next_page_token.clone()).unwrap_or_default(),
            total_size: orders_page.as_ref().map_or(0, |p| p.total_size),
            orders: orders_page.map(|p| p.orders).unwrap_or_default(),
        }),
        timeline: Some(TimelineSection {
            status: Some(timeline.0),
            next_page_token: timeline_page.as_ref().map(|p| p.next_page_token.clone()).unwrap_or_default(),
            entries: timeline_page.map(|p| p.entries).unwrap_or_default(),
        }),
        people: Some(people),
        consents: Some(ConsentsSection { status: Some(consents.0), states: consents.1.unwrap_or_default() }),
        messages: Some(messages(dialogs, emails)),
        segments: Some(segments_section(segments)),
    })
}

/// Of two outcomes a section tells the worse; what could be had is shown all the same.
fn worse<A, B>(one: &Answer<A>, other: &Answer<B>) -> SectionStatus {
    if badness(other.0.state()) > badness(one.0.state()) { other.0.clone() } else { one.0.clone() }
}

/// What may not be seen is as it should be; what is late may come by itself; what is down needs somebody.
fn badness(state: SectionState) -> u8 {
    match state {
        SectionState::Ok => 0,
        SectionState::Forbidden => 1,
        SectionState::Late => 2,
        SectionState::Unavailable | SectionState::Unspecified => 3,
    }
}

fn messages(dialogs: Answer<ListDialogsResponse>, emails: Answer<ListEmailsResponse>) -> MessagesSection {
    let status = worse(&dialogs, &emails);
    let (dialogs, emails) = (dialogs.1.unwrap_or_default(), emails.1.unwrap_or_default());
    MessagesSection {
        status: Some(status),
        dialogs: dialogs.dialogs,
        total_dialogs: dialogs.total_size,
        emails: emails.emails,
        total_emails: emails.total_size,
    }
}

fn segments_section((status, answer): Answer<ListCustomerSegmentsResponse>) -> SegmentsSection {
    let answer = answer.unwrap_or_default();
    SegmentsSection { status: Some(status), memberships: answer.memberships, as_of: answer.as_of }
}

/// Whose names the card needs.
#[derive(Default)]
struct Wanted {
    users: BTreeSet<String>,
    store: Option<String>,
}

impl Wanted {
    fn of_customer(&mut self, customer: Option<&Customer>) {
        self.user(customer.map(|customer| &customer.manager_id));
        self.store = customer.map(|customer| customer.store_id.clone()).filter(|id| !id.is_empty());
    }

    fn of_timeline(&mut self, timeline: Option<&ListTimelineResponse>) {
        for entry in timeline.into_iter().flat_map(|page| &page.entries) {
            self.actor(entry.actor.as_ref());
        }
    }

    fn of_consents(&mut self, states: Option<&Vec<ConsentState>>) {
        for state in states.into_iter().flatten() {
            self.actor(state.entry.as_ref().and_then(|entry| entry.actor.as_ref()));
        }
    }

    fn of_dialogs(&mut self, dialogs: Option<&ListDialogsResponse>) {
        for dialog in dialogs.into_iter().flat_map(|page| &page.dialogs) {
            self.user(Some(&dialog.assignee_id));
            self.user(dialog.last_message.as_ref().map(|message| &message.user_id));
        }
    }

    fn of_emails(&mut self, emails: Option<&ListEmailsResponse>) {
        for email in emails.into_iter().flat_map(|page| &page.emails) {
            self.actor(email.actor.as_ref());
        }
    }

    fn actor(&mut self, actor: Option<&Actor>) {
        self.user(actor.filter(|actor| actor.kind() == ActorKind::User).map(|actor| &actor.id));
    }

    fn user(&mut self, id: Option<&String>) {
        self.users.extend(id.filter(|id| !id.is_empty()).cloned());
    }
}

/// Asks the services for the sections.
struct Desk<'a> {
    gateway: &'a Gateway,
    call: Call,
}

type Answer<T> = (SectionStatus, Result<T, Status>);

impl Desk<'_> {
    async fn customer(&self, id: &str) -> Answer<Customer> {
        let mut client = CustomersClient::new(self.gateway.upstream.to("customers"));
        let request = GetCustomerRequest { id: id.to_owned(), ..GetCustomerRequest::default() };
        self.ask(client.get_customer(self.call.request(request))).await
    }

    async fn metrics(&self, id: &str) -> Answer<clientele_contracts::analytics::v1::CustomerMetrics> {
        let mut client = MetricsClient::new(self.gateway.upstream.to("analytics"));
        let request = GetCustomerMetricsRequest { customer_id: id.to_owned() };
        self.ask(client.get_customer_metrics(self.call.request(request))).await
    }

    async fn orders(&self, id: &str) -> Answer<clientele_contracts::orders::v1::ListOrdersResponse> {
        let mut client = OrdersClient::new(self.gateway.upstream.to("orders"));
        let request =
            ListOrdersRequest { customer_id: id.to_owned(), page_size: ORDERS, ..ListOrdersRequest::default() };
        self.ask(client.list_orders(self.call.request(request))).await
    }

    async fn timeline(&self, id: &str) -> Answer<ListTimelineResponse> {
        let mut client = TimelineClient::new(self.gateway.upstream.to("analytics"));
        let request =
            ListTimelineRequest { customer_id: id.to_owned(), page_size: ENTRIES, ..ListTimelineRequest::default() };
        self.ask(client.list_timeline(self.call.request(request))).await
    }

    async fn consents(&self, id: &str) -> Answer<Vec<ConsentState>> {
        let mut client = ConsentsClient::new(self.gateway.upstream.to("customers"));
        let request = GetConsentsRequest { customer_id: id.to_owned() };
        let (status, answer) = self.ask(client.get_consents(self.call.request(request))).await;
        (status, answer.map(|consents| consents.states))
    }

    async fn dialogs(&self, id: &str) -> Answer<ListDialogsResponse> {
        let mut client = DialogsClient::new(self.gateway.upstream.to("messaging"));
        let request =
            ListDialogsRequest { customer_id: id.to_owned(), page_size: DIALOGS, ..ListDialogsRequest::default() };
        self.ask(client.list_dialogs(self.call.request(request))).await
    }

    async fn emails(&self, id: &str) -> Answer<ListEmailsResponse> {
        let mut client = EmailsClient::new(self.gateway.upstream.to("messaging"));
        let request =
            ListEmailsRequest { customer_id: id.to_owned(), page_size: EMAILS, ..ListEmailsRequest::default() };
        self.ask(client.list_emails(self.call.request(request))).await
    }

    async fn segments(&self, id: &str) -> Answer<ListCustomerSegmentsResponse> {
        let mut client = MembershipsClient::new(self.gateway.upstream.to("campaigns"));
        let request = ListCustomerSegmentsRequest { customer_id: id.to_owned() };
        self.ask(client.list_customer_segments(self.call.request(request))).await
    }

    async fn people(&self, wanted: Wanted) -> PeopleSection {
        let (users, store) = tokio::join!(self.users(wanted.users), self.store(wanted.store));
        let status = worse(&users, &store);
        let people = users.1.unwrap_or_default().into_iter().map(person).collect();
        let store = store.1.ok().flatten().unwrap_or_default();
        PeopleSection { status: Some(status), people, store_name: store.name, store_time_zone: store.time_zone }
    }

    async fn users(&self, ids: BTreeSet<String>) -> Answer<Vec<User>> {
        if ids.is_empty() {
            return (self.status(SectionState::Ok, ""), Ok(Vec::new()));
        }
        let mut client = UsersClient::new(self.gateway.upstream.to("identity"));
        let request = BatchGetUsersRequest { ids: ids.into_iter().collect() };
        let (status, answer) = self.ask(client.batch_get_users(self.call.request(request))).await;
        (status, answer.map(|users| users.users))
    }

    async fn store(&self, id: Option<String>) -> Answer<Option<Store>> {
        let Some(id) = id else { return (self.status(SectionState::Ok, ""), Ok(None)) };
        let mut client = StoresClient::new(self.gateway.upstream.to("identity"));
        let (status, answer) = self.ask(client.get_store(self.call.request(GetStoreRequest { id }))).await;
        (status, answer.map(Some))
    }

    async fn ask<T>(&self, answer: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Answer<T> {
        match self.call.within(answer).await {
            Ok(answer) => (self.status(SectionState::Ok, ""), Ok(answer.into_inner())),
            Err(status) => {
                let (state, message) = match status.code() {
                    Code::PermissionDenied => (SectionState::Forbidden, "you may not see this"),
                    Code::DeadlineExceeded => (SectionState::Late, "its service did not answer in time; try again"),
                    _ => (SectionState::Unavailable, "its service cannot be reached or failed; try again"),
                };
                (self.status(state, message), Err(status))
            }
        }
    }

    fn status(&self, state: SectionState, message: &str) -> SectionStatus {
        let read_at = proto::timestamp(self.gateway.clock.now());
        SectionStatus { state: state.into(), message: message.to_owned(), read_at: Some(read_at) }
    }
}

fn person(user: User) -> Person {
    Person { active: user.state() == UserState::Active, user_id: user.id, display_name: user.display_name }
}
