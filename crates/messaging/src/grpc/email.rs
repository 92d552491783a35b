//! `Emails`: letters and the ledger of their sending.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::emails_server::Emails;
use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{CustomerId, Error, LetterId};
use clientele_platform::grpc::status;
use clientele_platform::postgres::Database;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status};

use crate::app::email::Letters;
use crate::app::import::{Imports, Recorded};
use crate::contract::email::{draft, encode, encode_briefly, hash, imported, states};
use crate::store::email::RequestKey;

/// Serves `Emails`.
pub(crate) struct EmailService {
    pub(crate) letters: Letters,
    pub(crate) imports: Imports,
    pub(crate) db: Database,
}

#[async_trait::async_trait]
impl Emails for EmailService {
    async fn send_email(&self, request: Request<pb::SendEmailRequest>) -> Result<Response<pb::Email>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.send(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn preview_email(
        &self,
        request: Request<pb::PreviewEmailRequest>,
    ) -> Result<Response<pb::PreviewEmailResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.preview(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn get_email(&self, request: Request<pb::GetEmailRequest>) -> Result<Response<pb::Email>, Status> {
        let id = LetterId::parse(&request.into_inner().id, "id").map_err(status)?;
        let letter = self.letters.get(id).await.map_err(status)?;
        Ok(Response::new(encode(&letter)))
    }

    async fn release_email(&self, request: Request<pb::ReleaseEmailRequest>) -> Result<Response<pb::Email>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let id = LetterId::parse(&request.into_inner().id, "id").map_err(status)?;
        let letter = self.letters.release(&caller, id).await.map_err(status)?;
        Ok(Response::new(encode(&letter)))
    }

    async fn list_emails(
        &self,
        request: Request<pb::ListEmailsRequest>,
    ) -> Result<Response<pb::ListEmailsResponse>, Status> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn batch_import_emails(
        &self,
        request: Request<pb::BatchImportEmailsRequest>,
    ) -> Result<Response<pb::BatchImportEmailsResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.import(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl EmailService {
    async fn send(&self, caller: &Caller, request: &pb::SendEmailRequest) -> Result<pb::Email, Error> {
        let key = RequestKey { request_id: request.request_id.clone(), hash: hash(request) };
        let letter = self.letters.send(caller, key, draft(request)?).await?;
        Ok(encode(&letter))
    }

    async fn preview(
        &self,
        caller: &Caller,
        request: &pb::PreviewEmailRequest,
    ) -> Result<pb::PreviewEmailResponse, Error> {
        let email = request.email.as_ref().ok_or_else(|| Error::invalid("email", "is missing"))?;
        let draft = draft(email).map_err(|error| error.within("email"))?;
        let preview = self.letters.preview(caller, draft).await.map_err(|error| error.within("email"))?;
        Ok(pb::PreviewEmailResponse {
            to_address: preview.destination.address,
            subject: preview.content.subject,
            text: preview.content.text,
            html: preview.content.html,
            may_send: preview.refusal.is_none(),
            reason: preview.refusal.unwrap_or_default(),
        })
    }

    async fn list(&self, request: &pb::ListEmailsRequest) -> Result<pb::ListEmailsResponse, Error> {
        let customer = CustomerId::parse_optional(&request.customer_id, "customer_id")?;
        let states = states(&request.states)?;
        let page = self.letters.list(customer, &states, request.page_size, &request.page_token).await?;
        Ok(pb::ListEmailsResponse {
            emails: page.letters.iter().map(encode_briefly).collect(),
            next_page_token: page.next_page_token,
            total_size: page.total.unwrap_or_default(),
        })
    }

    async fn import(
        &self,
        caller: &Caller,
        request: &pb::BatchImportEmailsRequest,
    ) -> Result<pb::BatchImportEmailsResponse, Error> {
        let now = self.db.clock().now();
        let entries = request.entries.iter().map(|entry| imported(entry, now)).collect();
        let command = Command {
            caller,
            method: "/clientele.messaging.v1.Emails/BatchImportEmails",
            request_id: &request.request_id,
            request,
        };
        self.imports.record(command, entries, answer).await
    }
}

fn answer(outcomes: Vec<Recorded>) -> pb::BatchImportEmailsResponse {
    let result = |outcome| match outcome {
        Recorded::Created(id) => {
            pb::ImportResult { id: id.to_string(), outcome: UpsertOutcome::Created.into(), violations: Vec::new() }
        }
        Recorded::Unchanged(id) => {
            pb::ImportResult { id: id.to_string(), outcome: UpsertOutcome::Unchanged.into(), violations: Vec::new() }
        }
        Recorded::Refused(violations) => pb::ImportResult {
            id: String::new(),
            outcome: UpsertOutcome::Refused.into(),
            violations: proto::violations(violations),
        },
    };
    pb::BatchImportEmailsResponse { results: outcomes.into_iter().map(result).collect() }
}
