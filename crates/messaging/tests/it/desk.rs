//! The service under test with what dialogs and notifications need around it, and short ways to speak to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use clientele_contracts::customers::v1 as customers;
use clientele_contracts::customers::v1::customers_server::{Customers, CustomersServer};
use clientele_contracts::customers::v1::feed_server::{Feed, FeedServer};
use clientele_contracts::identity::v1 as identity;
use clientele_contracts::identity::v1::users_server::{Users, UsersServer};
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::channels_client::ChannelsClient;
use clientele_contracts::messaging::v1::dialogs_client::DialogsClient;
use clientele_contracts::messaging::v1::notifications_client::NotificationsClient;
use clientele_contracts::messaging::v1::visitors_client::VisitorsClient;
use clientele_contracts::platform::v1::{Event, ReadFeedRequest, ReadFeedResponse};
use clientele_kernel::{ActorKind, CustomerId, Error, UserId};
use clientele_messaging::{Config, DEFAULT};
use clientele_platform::config::Loader;
use clientele_platform::grpc::{self, Transport};
use clientele_testkit::{Harness, TestDatabase};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// What a colleague who answers customers may do.
pub(crate) const COLLEAGUE: [&str; 2] = ["messaging.dialog.read", "messaging.dialog.write"];

/// The service, its database and what is around it.
pub(crate) struct Desk {
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
    pub(crate) others: Others,
}

/// A colleague who has signed in.
pub(crate) struct Colleague {
    pub(crate) id: String,
    pub(crate) dialogs: DialogsClient<Transport>,
    pub(crate) notifications: NotificationsClient<Transport>,
}

/// A visitor of a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) client: VisitorsClient<Transport>,
    pub(crate) site_key: String,
    pub(crate) secret: String,
}

impl Desk {
    /// A running service that knows nothing yet.
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new("messaging", &clientele_messaging::MIGRATIONS).await;
        let harness = Harness::new(database.clock.clone());
        let others = Others::default();
        let network = &harness.host.network;
        let known_customers = CustomersServer::new(others.clone());
        network.serve("customers", Routes::new(known_customers).add_service(FeedServer::new(others.clone())));
        network.serve("identity", harness.issuer.routes().add_service(UsersServer::new(others.clone())));
        let desk = Self { database, harness, others };
        desk.start().await;
        desk
    }

    /// Starts the service, or a further replica of it.
    pub(crate) async fn start(&self) {
        let config: Config = Loader::new().defaults(DEFAULT).read().unwrap().section("messaging").unwrap();
        let deps = self.harness.deps(&self.database);
        self.harness.start(clientele_messaging::build(config, deps.clone()).await.unwrap(), &deps);
    }

    /// A customer who exists.
    pub(crate) fn customer(&self) -> String {
        let id = self.database.ids.next::<CustomerId>().to_string();
        self.others.0.lock().unwrap().customers.insert(id.clone());
        id
    }

    /// A colleague who exists, with these permissions.
    pub(crate) fn colleague(&self, permissions: &[&str]) -> Colleague {
        let id = self.database.ids.next::<UserId>().to_string();
        self.others.0.lock().unwrap().users.insert(id.clone());
        let transport =
            self.harness.client_as("messaging", &self.harness.issuer.token(ActorKind::User, &id, permissions));
        Colleague {
            id,
            dialogs: DialogsClient::new(transport.clone()),
            notifications: NotificationsClient::new(transport),
        }
    }

    pub(crate) fn channels(&self) -> ChannelsClient<Transport> {
        ChannelsClient::new(self.harness.client("messaging", &["*"]))
    }

    /// A channel of this name for pages of any origin.
    pub(crate) async fn channel(&self, name: &str) -> pb::Channel {
        self.create(pb::Channel { name: name.into(), ..pb::Channel::default() }).await.unwrap()
    }

    pub(crate) async fn create(&self, channel: pb::Channel) -> Result<pb::Channel, Error> {
        let request = pb::CreateChannelRequest { channel: Some(channel), request_id: String::new() };
        Ok(self.channels().create_channel(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) fn visitors(&self) -> VisitorsClient<Transport> {
        VisitorsClient::new(self.harness.anonymous("messaging"))
    }

    /// A visitor of the channel's page.
    pub(crate) async fn visitor(&self, channel: &pb::Channel) -> Visitor {
        let mut client = self.visitors();
        let site_key = channel.site_key.clone();
        let request = pb::StartVisitRequest { site_key: site_key.clone(), ..pb::StartVisitRequest::default() };
        let secret = client.start_visit(request).await.unwrap().into_inner().visitor_secret;
        Visitor { client, site_key, secret }
    }

    /// A visitor and the dialog they have opened.
    pub(crate) async fn dialog(&self, channel: &pb::Channel) -> (Visitor, String) {
        let visitor = self.visitor(channel).await;
        visitor.say("hello").await;
        let id = visitor.read(0).await.dialog_id;
        (visitor, id)
    }

    /// All events of the feed, by partition and position.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.harness.events("messaging").await
    }

    /// The events of one aggregate, oldest first.
    pub(crate) async fn events_of(&self, id: &str) -> Vec<Event> {
        self.harness.events_of("messaging", id).await
    }
}

impl Colleague {
    pub(crate) async fn write(&self, dialog: &str, text: &str) -> Result<pb::DialogMessage, Error> {
        self.write_as(dialog, text, &new_id()).await
    }

    pub(crate) async fn write_as(&self, dialog: &str, text: &str, id: &str) -> Result<pb::DialogMessage, Error> {
        let request =
            pb::PostDialogMessageRequest { dialog_id: dialog.into(), text: text.into(), client_message_id: id.into() };
        Ok(self.dialogs.clone().post_dialog_message(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn assign(&self, dialog: &str, to: &str) -> Result<pb::Dialog, Error> {
        let request = pb::AssignDialogRequest { dialog_id: dialog.into(), assignee_id: to.into() };
        Ok(self.dialogs.clone().assign_dialog(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn close(&self, dialog: &str) -> Result<pb::Dialog, Error> {
        let request = pb::CloseDialogRequest { dialog_id: dialog.into() };
        Ok(self.dialogs.clone().close_dialog(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn mark_read(&self, dialog: &str, sequence: i64) -> Result<pb::Dialog, Error> {
        let request = pb::MarkDialogReadRequest { dialog_id: dialog.into(), sequence };
        Ok(self.dialogs.clone().mark_dialog_read(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn link(&self, dialog: &str, customer: &str) -> Result<pb::Dialog, Error> {
        let request = pb::LinkDialogCustomerRequest { dialog_id: dialog.into(), customer_id: customer.into() };
        Ok(self.dialogs.clone().link_dialog_customer(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn get(&self, dialog: &str) -> pb::Dialog {
        let request = pb::GetDialogRequest { id: dialog.into() };
        self.dialogs.clone().get_dialog(request).await.unwrap().into_inner()
    }

    pub(crate) async fn list(&self, request: pb::ListDialogsRequest) -> Result<pb::ListDialogsResponse, Error> {
        Ok(self.dialogs.clone().list_dialogs(request).await.map_err(grpc::error)?.into_inner())
    }

    /// A part of a dialog.
    pub(crate) async fn part(&self, request: pb::ListDialogMessagesRequest) -> Result<(Vec<i64>, bool), Error> {
        let answer = self.dialogs.clone().list_dialog_messages(request).await.map_err(grpc::error)?.into_inner();
        Ok((answer.messages.iter().map(|message| message.sequence).collect(), answer.more))
    }

    /// All entries of a dialog.
    pub(crate) async fn entries(&self, dialog: &str) -> Vec<pb::DialogMessage> {
        let mut entries: Vec<pb::DialogMessage> = Vec::new();
        loop {
            let before = entries.first().map_or(0, |entry| entry.sequence);
            let request = pb::ListDialogMessagesRequest {
                dialog_id: dialog.into(),
                before,
                page_size: 200,
                ..pb::ListDialogMessagesRequest::default()
            };
            let answer = self.dialogs.clone().list_dialog_messages(request).await.unwrap().into_inner();
            entries.splice(0..0, answer.messages);
            if !answer.more {
                return entries;
            }
        }
    }

    pub(crate) async fn import(&self, entries: Vec<pb::ImportedDialog>) -> Result<Vec<pb::ImportResult>, Error> {
        let request = pb::BatchImportDialogsRequest { entries, request_id: String::new() };
        Ok(self.dialogs.clone().batch_import_dialogs(request).await.map_err(grpc::error)?.into_inner().results)
    }

    pub(crate) async fn told(&self, request: pb::ListNotificationsRequest) -> pb::ListNotificationsResponse {
        self.notifications.clone().list_notifications(request).await.unwrap().into_inner()
    }
}

impl Visitor {
    /// The request that says this.
    pub(crate) fn message(&self, text: &str) -> pb::PostVisitorMessageRequest {
        pb::PostVisitorMessageRequest {
            site_key: self.site_key.clone(),
            visitor_secret: self.secret.clone(),
            client_message_id: new_id(),
            text: text.into(),
            ..pb::PostVisitorMessageRequest::default()
        }
    }

    pub(crate) async fn post(&self, request: pb::PostVisitorMessageRequest) -> Result<pb::VisitorMessage, Error> {
        Ok(self.client.clone().post_visitor_message(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn say(&self, text: &str) -> pb::VisitorMessage {
        self.post(self.message(text)).await.unwrap()
    }

    pub(crate) async fn try_read(&self, after: i64) -> Result<pb::ListVisitorMessagesResponse, Error> {
        let request = pb::ListVisitorMessagesRequest {
            site_key: self.site_key.clone(),
            visitor_secret: self.secret.clone(),
            after,
            ..pb::ListVisitorMessagesRequest::default()
        };
        Ok(self.client.clone().list_visitor_messages(request).await.map_err(grpc::error)?.into_inner())
    }

    pub(crate) async fn read(&self, after: i64) -> pb::ListVisitorMessagesResponse {
        self.try_read(after).await.unwrap()
    }

    pub(crate) async fn come_back(&self, page_origin: &str) -> Result<pb::Visit, Error> {
        let request = pb::StartVisitRequest {
            site_key: self.site_key.clone(),
            visitor_secret: self.secret.clone(),
            page_origin: page_origin.into(),
        };
        Ok(self.client.clone().start_visit(request).await.map_err(grpc::error)?.into_inner())
    }
}

/// An id of a message, as a client makes it.
pub(crate) fn new_id() -> String {
    use clientele_kernel::{Ids, SystemClock, SystemEntropy};
    Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy)).next::<Uuid>().to_string()
}

/// The fields that a refused request is at fault with.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.field.as_str()).collect()
}

/// The stable name of the reason a request was refused for.
pub(crate) fn reason(error: &Error) -> &str {
    error.metadata.iter().find(|(key, _)| key == "reason").map_or(error.reason, |(_, reason)| reason)
}

/// Stands where customers and identity do: answers over the real gRPC services who exists.
#[derive(Clone, Default)]
pub(crate) struct Others(pub(crate) Arc<Mutex<Known>>);

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) customers: BTreeSet<String>,
    pub(crate) users: BTreeSet<String>,
    pub(crate) disabled_users: BTreeSet<String>,
    /// The feed of customers, all in partition 0.
    pub(crate) events: Vec<Event>,
}

#[tonic::async_trait]
impl Feed for Others {
    async fn read(&self, request: Request<ReadFeedRequest>) -> Result<Response<ReadFeedResponse>, Status> {
        let request = request.into_inner();
        let known = self.0.lock().unwrap();
        let all = if request.partition == 0 { known.events.as_slice() } else { &[] };
        let following = all.iter().filter(|event| event.position > request.after);
        let events = following.take(usize::try_from(request.page_size).unwrap()).cloned().collect();
        Ok(Response::new(ReadFeedResponse { events, head: i64::try_from(all.len()).unwrap(), ..Default::default() }))
    }
}

#[tonic::async_trait]
impl Users for Others {
    async fn batch_get_users(
        &self,
        request: Request<identity::BatchGetUsersRequest>,
    ) -> Result<Response<identity::BatchGetUsersResponse>, Status> {
        let known = self.0.lock().unwrap();
        let found = request.into_inner().ids.into_iter().filter(|id| known.users.contains(id));
        let user = |id: String| {
            let disabled = known.disabled_users.contains(&id);
            let state = if disabled { identity::UserState::Disabled } else { identity::UserState::Active };
            identity::User { id, state: state.into(), ..identity::User::default() }
        };
        Ok(Response::new(identity::BatchGetUsersResponse { users: found.map(user).collect() }))
    }

    async fn get_user(&self, _: Request<identity::GetUserRequest>) -> Result<Response<identity::User>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn list_users(
        &self,
        _: Request<identity::ListUsersRequest>,
    ) -> Result<Response<identity::ListUsersResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn create_user(&self, _: Request<identity::CreateUserRequest>) -> Result<Response<identity::User>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn update_user(&self, _: Request<identity::UpdateUserRequest>) -> Result<Response<identity::User>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }

    async fn change_password(
        &self,
        _: Request<identity::ChangePasswordRequest>,
    ) -> Result<Response<identity::ChangePasswordResponse>, Status> {
        Err(Status::unimplemented("messaging does not ask this"))
    }
}

#[tonic::async_trait]
impl Customers for Others {
    async fn batch_get_customers(
        &self,
        request: Request<customers::BatchGetCustomersRequest>,
    ) -> Result<Response<customers::BatchGetCustomersResponse>, Status> {
        let known = self.0.lock().unwrap();
        let found = request.into_inner().ids.into_iter().filter(|id| known.customers.contains(id));
        let customers = found.map(|id| customers::Customer { id, ..customers::Customer::default() }).collect();
        Ok(Response::new(customers::BatchGetCustomersResponse { customers }))
    }

    async fn get_customer(
        &self,
        _: Request<customers::GetCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("dialogs do not need this"))
    }

    async fn list_customers(
        &self,
        _: Request<customers::ListCustomersRequest>,
    ) -> Result<Response<customers::ListCustomersResponse>, Status> {
        Err(Status::unimplemented("dialogs do not need this"))
    }

    async fn create_customer(
        &self,
        _: Request<customers::CreateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("dialogs do not need this"))
    }

    async fn update_customer(
        &self,
        _: Request<customers::UpdateCustomerRequest>,
    ) -> Result<Response<customers::Customer>, Status> {
        Err(Status::unimplemented("dialogs do not need this"))
    }

    async fn batch_upsert_customers(
        &self,
        _: Request<customers::BatchUpsertCustomersRequest>,
    ) -> Result<Response<customers::BatchUpsertCustomersResponse>, Status> {
        Err(Status::unimplemented("dialogs do not need this"))
    }
}
