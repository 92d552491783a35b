//! `Visitors`: what the widget on a company's page speaks.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::visitors_server::Visitors;
use clientele_kernel::{DialogId, Error, Violations, paging};
use clientele_platform::grpc::status as refuse;
use tonic::{Request, Response, Status as Refusal};

use crate::app::visitor::{Door, Visitors as App};
use crate::contract::visitor::message;
use crate::domain::dialog::message::Said;
use crate::domain::visitor::check_card;

/// Serves `Visitors`.
pub(crate) struct VisitorService(pub(crate) App);

#[async_trait::async_trait]
impl Visitors for VisitorService {
    async fn start_visit(&self, request: Request<pb::StartVisitRequest>) -> Result<Response<pb::Visit>, Refusal> {
        self.start(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn post_visitor_message(
        &self,
        request: Request<pb::PostVisitorMessageRequest>,
    ) -> Result<Response<pb::VisitorMessage>, Refusal> {
        self.write(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn list_visitor_messages(
        &self,
        request: Request<pb::ListVisitorMessagesRequest>,
    ) -> Result<Response<pb::ListVisitorMessagesResponse>, Refusal> {
        self.read(&request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl VisitorService {
    async fn start(&self, request: &pb::StartVisitRequest) -> Result<pb::Visit, Error> {
        let door =
            Door { site_key: &request.site_key, secret: &request.visitor_secret, page_origin: &request.page_origin };
        let visit = self.0.start(door).await?;
        Ok(pb::Visit {
            visitor_secret: visit.secret,
            greeting: visit.channel.greeting,
            channel_name: visit.channel.name.text,
            dialog_id: visit.dialog.as_ref().map(|dialog| dialog.id.to_string()).unwrap_or_default(),
            last_sequence: visit.dialog.map_or(0, |dialog| dialog.last_sequence),
        })
    }

    async fn write(&self, request: &pb::PostVisitorMessageRequest) -> Result<pb::VisitorMessage, Error> {
        let mut violations = Violations::new();
        let said = Said::check(&request.text, &request.client_message_id, &mut violations);
        let card = check_card(&request.name, &request.email, &mut violations);
        let Some(said) = said.filter(|_| violations.is_empty()) else {
            return Err(Error::invalid_all(violations.into_inner()));
        };
        let door =
            Door { site_key: &request.site_key, secret: &request.visitor_secret, page_origin: &request.page_origin };
        Ok(message(&self.0.write(door, said, card).await?))
    }

    async fn read(&self, request: &pb::ListVisitorMessagesRequest) -> Result<pb::ListVisitorMessagesResponse, Error> {
        let size = paging::size(request.page_size, 50, 200)?;
        if request.after < 0 {
            return Err(Error::invalid("after", format!("`{}` is negative: 0 or more is wanted", request.after)));
        }
        let door =
            Door { site_key: &request.site_key, secret: &request.visitor_secret, page_origin: &request.page_origin };
        let conversation = self.0.read(door, request.after, size).await?;
        Ok(pb::ListVisitorMessagesResponse {
            messages: conversation.messages.iter().map(message).collect(),
            more: conversation.more,
            dialog_id: conversation.dialog_id.map(|id: DialogId| id.to_string()).unwrap_or_default(),
        })
    }
}
