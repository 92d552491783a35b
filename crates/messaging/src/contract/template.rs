//! Templates, as messages.

use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::Etag;
use clientele_platform::proto;

use crate::domain::template::{Template, TemplateContent, Texts};

/// A template as callers see one.
pub(crate) fn encode(template: &Template) -> pb::EmailTemplate {
    pb::EmailTemplate {
        id: template.id.to_string(),
        name: template.name.clone(),
        subject: template.texts.subject.clone(),
        text: template.texts.text.clone(),
        html: template.texts.html.clone(),
        variables: template.variables(),
        active: template.active,
        etag: Etag(template.version).to_string(),
        created_at: Some(proto::timestamp(template.created_at)),
        updated_at: Some(proto::timestamp(template.updated_at)),
    }
}

/// What people write of a template, as it came.
pub(crate) fn content(template: &pb::EmailTemplate) -> TemplateContent {
    TemplateContent {
        name: template.name.clone(),
        texts: Texts { subject: template.subject.clone(), text: template.text.clone(), html: template.html.clone() },
        active: template.active,
    }
}
