//! `EmailTemplates`: templates of letters.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::email_templates_server::EmailTemplates;
use clientele_kernel::{Error, Etag, TemplateId, Violations};
use clientele_platform::grpc::status;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status};

use crate::app::template::{FIELDS, Templates};
use crate::contract::template::{content, encode};

/// Serves `EmailTemplates`.
pub(crate) struct TemplateService(pub(crate) Templates);

#[async_trait::async_trait]
impl EmailTemplates for TemplateService {
    async fn list_email_templates(
        &self,
        request: Request<pb::ListEmailTemplatesRequest>,
    ) -> Result<Response<pb::ListEmailTemplatesResponse>, Status> {
        let pb::ListEmailTemplatesRequest { include_inactive, page_size, page_token } = request.into_inner();
        let page = self.0.list(include_inactive, page_size, &page_token).await.map_err(status)?;
        Ok(Response::new(pb::ListEmailTemplatesResponse {
            templates: page.templates.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_email_template(
        &self,
        request: Request<pb::GetEmailTemplateRequest>,
    ) -> Result<Response<pb::EmailTemplate>, Status> {
        let id = TemplateId::parse(&request.into_inner().id, "id").map_err(status)?;
        let template = self.0.get(id).await.map_err(status)?;
        Ok(Response::new(encode(&template)))
    }

    async fn create_email_template(
        &self,
        request: Request<pb::CreateEmailTemplateRequest>,
    ) -> Result<Response<pb::EmailTemplate>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn update_email_template(
        &self,
        request: Request<pb::UpdateEmailTemplateRequest>,
    ) -> Result<Response<pb::EmailTemplate>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.update(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl TemplateService {
    async fn create(
        &self,
        caller: &Caller,
        request: &pb::CreateEmailTemplateRequest,
    ) -> Result<pb::EmailTemplate, Error> {
        let template = request.template.as_ref().ok_or_else(|| Error::invalid("template", "is missing"))?;
        let command = Command {
            caller,
            method: "/clientele.messaging.v1.EmailTemplates/CreateEmailTemplate",
            request_id: &request.request_id,
            request,
        };
        self.0.create(command, content(template), encode).await
    }

    async fn update(
        &self,
        caller: &Caller,
        request: &pb::UpdateEmailTemplateRequest,
    ) -> Result<pb::EmailTemplate, Error> {
        let template = request.template.as_ref().ok_or_else(|| Error::invalid("template", "is missing"))?;
        let mut violations = Violations::new();
        let id = violations.take("template.id", TemplateId::parse(&template.id, "template.id"));
        let etag = violations.take("template.etag", Etag::parse(&template.etag, "template.etag"));
        let mask = violations.take("update_mask", proto::mask(request.update_mask.clone(), &FIELDS));
        let (Some(id), Some(etag), Some(mask)) = (id, etag, mask) else {
            return Err(Error::invalid_all(violations.into_inner()));
        };
        let command = Command {
            caller,
            method: "/clientele.messaging.v1.EmailTemplates/UpdateEmailTemplate",
            request_id: &request.request_id,
            request,
        };
        self.0.update(command, id, etag, &mask, content(template), encode).await
    }
}
