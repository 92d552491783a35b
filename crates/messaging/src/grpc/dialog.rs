//! `Dialogs`: dialogs as colleagues see them.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::dialogs_server::Dialogs;
use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{ChannelId, Clock, CustomerId, DialogId, Error, UserId, Violations, paging};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status as Refusal};

use crate::app::dialog::Dialogs as App;
use crate::app::dialog::import::Outcome;
use crate::contract::dialog::{encode, message, record, state_in};
use crate::domain::dialog::listing::{Filter, Part, Responsible};
use crate::domain::dialog::message::Said;

const IMPORT: &str = "/clientele.messaging.v1.Dialogs/BatchImportDialogs";
/// In a filter, the dialogs nobody is responsible for.
const NOBODY: &str = "-";
/// How many customers are asked about at once.
const MOST_CUSTOMERS: usize = 500;

/// Serves `Dialogs`.
pub(crate) struct DialogService {
    pub(crate) app: App,
    pub(crate) clock: std::sync::Arc<dyn Clock>,
}

#[async_trait::async_trait]
impl Dialogs for DialogService {
    async fn list_dialogs(
        &self,
        request: Request<pb::ListDialogsRequest>,
    ) -> Result<Response<pb::ListDialogsResponse>, Refusal> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn get_dialog(&self, request: Request<pb::GetDialogRequest>) -> Result<Response<pb::Dialog>, Refusal> {
        let id = DialogId::parse(&request.into_inner().id, "id").map_err(refuse)?;
        let dialog = self.app.get(id).await.map_err(refuse)?;
        Ok(Response::new(encode(&dialog)))
    }

    async fn list_dialog_messages(
        &self,
        request: Request<pb::ListDialogMessagesRequest>,
    ) -> Result<Response<pb::ListDialogMessagesResponse>, Refusal> {
        self.messages(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn post_dialog_message(
        &self,
        request: Request<pb::PostDialogMessageRequest>,
    ) -> Result<Response<pb::DialogMessage>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.post(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn mark_dialog_read(
        &self,
        request: Request<pb::MarkDialogReadRequest>,
    ) -> Result<Response<pb::Dialog>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let request = request.into_inner();
        let id = DialogId::parse(&request.dialog_id, "dialog_id").map_err(refuse)?;
        let dialog = self.app.mark_read(&caller, id, request.sequence).await.map_err(refuse)?;
        Ok(Response::new(encode(&dialog)))
    }

    async fn assign_dialog(&self, request: Request<pb::AssignDialogRequest>) -> Result<Response<pb::Dialog>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let request = request.into_inner();
        let id = DialogId::parse(&request.dialog_id, "dialog_id").map_err(refuse)?;
        let to = UserId::parse_optional(&request.assignee_id, "assignee_id").map_err(refuse)?;
        let dialog = self.app.assign(&caller, id, to).await.map_err(refuse)?;
        Ok(Response::new(encode(&dialog)))
    }

    async fn close_dialog(&self, request: Request<pb::CloseDialogRequest>) -> Result<Response<pb::Dialog>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let id = DialogId::parse(&request.into_inner().dialog_id, "dialog_id").map_err(refuse)?;
        let dialog = self.app.close(&caller, id).await.map_err(refuse)?;
        Ok(Response::new(encode(&dialog)))
    }

    async fn link_dialog_customer(
        &self,
        request: Request<pb::LinkDialogCustomerRequest>,
    ) -> Result<Response<pb::Dialog>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let request = request.into_inner();
        let id = DialogId::parse(&request.dialog_id, "dialog_id").map_err(refuse)?;
        let customer = CustomerId::parse(&request.customer_id, "customer_id").map_err(refuse)?;
        let dialog = self.app.link(&caller, id, customer).await.map_err(refuse)?;
        Ok(Response::new(encode(&dialog)))
    }

    async fn batch_import_dialogs(
        &self,
        request: Request<pb::BatchImportDialogsRequest>,
    ) -> Result<Response<pb::BatchImportDialogsResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let request = request.into_inner();
        let now = self.clock.now();
        let records = request.entries.iter().cloned().map(|entry| record(entry, now)).collect();
        let command = Command { caller: &caller, method: IMPORT, request_id: &request.request_id, request: &request };
        self.app.import(command, records, imported).await.map(Response::new).map_err(refuse)
    }

    async fn find_correspondents(
        &self,
        request: Request<pb::FindCorrespondentsRequest>,
    ) -> Result<Response<pb::FindCorrespondentsResponse>, Refusal> {
        self.correspondents(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl DialogService {
    async fn list(&self, request: &pb::ListDialogsRequest) -> Result<pb::ListDialogsResponse, Error> {
        let mut violations = Violations::new();
        let state = violations.take("state", state_in(request.state)).flatten();
        let customer = CustomerId::parse_optional(&request.customer_id, "customer_id");
        let customer_id = violations.take("customer_id", customer).flatten();
        let assignee = if request.assignee_id == NOBODY {
            Some(Responsible::Nobody)
        } else {
            let colleague = UserId::parse_optional(&request.assignee_id, "assignee_id");
            violations.take("assignee_id", colleague).flatten().map(Responsible::Colleague)
        };
        let channel = ChannelId::parse_optional(&request.channel_id, "channel_id");
        let channel_id = violations.take("channel_id", channel).flatten();
        violations.into_result()?;
        let filter = Filter { state, customer_id, assignee, channel_id, unread: request.unread };
        let page = self.app.list(&filter, request.page_size, &request.page_token).await?;
        Ok(pb::ListDialogsResponse {
            dialogs: page.dialogs.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }

    async fn messages(&self, request: &pb::ListDialogMessagesRequest) -> Result<pb::ListDialogMessagesResponse, Error> {
        let id = DialogId::parse(&request.dialog_id, "dialog_id")?;
        let size = paging::size(request.page_size, 50, 200)?;
        let mut violations = Violations::new();
        for (field, sequence) in [("after", request.after), ("before", request.before)] {
            violations.check(sequence >= 0, field, || format!("`{sequence}` is negative: 0 or more is wanted"));
        }
        violations.check(request.after == 0 || request.before == 0, "before", || {
            "is given together with `after`: one of them is wanted".to_owned()
        });
        violations.into_result()?;
        let part = match (request.after, request.before) {
            (0, 0) => Part::Newest,
            (0, before) => Part::Before(before),
            (after, _) => Part::After(after),
        };
        let (messages, more) = self.app.messages(id, part, size).await?;
        Ok(pb::ListDialogMessagesResponse { messages: messages.iter().map(message).collect(), more })
    }

    async fn post(&self, caller: &Caller, request: &pb::PostDialogMessageRequest) -> Result<pb::DialogMessage, Error> {
        let mut violations = Violations::new();
        let id = violations.take("dialog_id", DialogId::parse(&request.dialog_id, "dialog_id"));
        let said = Said::check(&request.text, &request.client_message_id, &mut violations);
        let (Some(id), Some(said), true) = (id, said, violations.is_empty()) else {
            return Err(Error::invalid_all(violations.into_inner()));
        };
        Ok(message(&self.app.write(caller, id, said).await?))
    }

    async fn correspondents(
        &self,
        request: &pb::FindCorrespondentsRequest,
    ) -> Result<pb::FindCorrespondentsResponse, Error> {
        let ids = &request.customer_ids;
        let mut violations = Violations::new();
        violations.check(ids.len() <= MOST_CUSTOMERS, "customer_ids", || {
            format!("has {} entries: at most {MOST_CUSTOMERS} are wanted", ids.len())
        });
        let mut parsed = Vec::with_capacity(ids.len().min(MOST_CUSTOMERS));
        for (index, id) in ids.iter().take(MOST_CUSTOMERS).enumerate() {
            let field = format!("customer_ids[{index}]");
            parsed.extend(violations.take(&field, CustomerId::parse(id, &field)));
        }
        violations.into_result()?;
        let found = self.app.correspondents(&parsed).await?;
        Ok(pb::FindCorrespondentsResponse { customer_ids: found.iter().map(ToString::to_string).collect() })
    }
}

fn imported(outcomes: Vec<Outcome>) -> pb::BatchImportDialogsResponse {
    let result = |outcome: Outcome| {
        let (id, outcome, violations) = match outcome {
            Outcome::Created(id) => (id.to_string(), UpsertOutcome::Created, Vec::new()),
            Outcome::Unchanged(id) => (id.to_string(), UpsertOutcome::Unchanged, Vec::new()),
            Outcome::Refused(violations) => {
                (String::new(), UpsertOutcome::Refused, proto::violations(violations.into_inner()))
            }
        };
        pb::ImportResult { id, outcome: outcome.into(), violations }
    };
    pb::BatchImportDialogsResponse { results: outcomes.into_iter().map(result).collect() }
}
