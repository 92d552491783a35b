//! `Mailbox`: letters that were captured instead of being sent.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::mailbox_server::Mailbox;
use clientele_kernel::CapturedLetterId;
use clientele_platform::grpc::status;
use tonic::{Request, Response, Status};

use crate::contract::mailbox::encode;

/// Serves `Mailbox`.
pub(crate) struct MailboxService(pub(crate) crate::app::mailbox::Mailbox);

#[async_trait::async_trait]
impl Mailbox for MailboxService {
    async fn list_captured_emails(
        &self,
        request: Request<pb::ListCapturedEmailsRequest>,
    ) -> Result<Response<pb::ListCapturedEmailsResponse>, Status> {
        let pb::ListCapturedEmailsRequest { page_size, page_token } = request.into_inner();
        let page = self.0.list(page_size, &page_token).await.map_err(status)?;
        Ok(Response::new(pb::ListCapturedEmailsResponse {
            emails: page.letters.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
            capturing: self.0.capturing,
        }))
    }

    async fn get_captured_email(
        &self,
        request: Request<pb::GetCapturedEmailRequest>,
    ) -> Result<Response<pb::CapturedEmail>, Status> {
        let id = CapturedLetterId::parse(&request.into_inner().id, "id").map_err(status)?;
        let letter = self.0.get(id).await.map_err(status)?;
        Ok(Response::new(encode(&letter)))
    }
}
