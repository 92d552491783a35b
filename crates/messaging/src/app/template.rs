//! Templates of letters.

use clientele_kernel::{Error, Etag, TemplateId, paging};
use clientele_platform::postgres::Database;
use clientele_platform::{Begun, Command};
use prost::Message;

use crate::domain::template::{Template, TemplateContent};
use crate::events::publish;
use crate::store;

/// What can be done with templates.
#[derive(Clone)]
pub(crate) struct Templates {
    db: Database,
}

/// A page of templates.
#[derive(Debug)]
pub(crate) struct TemplatePage {
    pub(crate) templates: Vec<Template>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
}

/// What can be changed of a template.
pub(crate) const FIELDS: [&str; 5] = ["name", "subject", "text", "html", "active"];

impl Templates {
    pub(crate) fn new(db: Database) -> Self {
        Self { db }
    }

    /// One template.
    pub(crate) async fn get(&self, id: TemplateId) -> Result<Template, Error> {
        store::template::by_id(self.db.pool(), id).await?.ok_or_else(|| Error::not_found("template", id))
    }

    /// Templates by name.
    pub(crate) async fn list(
        &self,
        include_inactive: bool,
        page_size: i32,
        page_token: &str,
    ) -> Result<TemplatePage, Error> {
        let size = paging::size(page_size, 100, 200)?;
        let fingerprint = paging::fingerprint(&["email templates", if include_inactive { "all" } else { "active" }]);
        let after: Option<String> = paging::decode(page_token, fingerprint)?;
        let after = after.unwrap_or_default();
        let mut templates = store::template::list(self.db.pool(), include_inactive, &after, size + 1).await?;
        let more = paging::cut(&mut templates, size);
        let last = templates.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&last.sort_key(), fingerprint)).unwrap_or_default();
        Ok(TemplatePage { templates, next_page_token })
    }

    /// Creates a template, which is offered.
    pub(crate) async fn create<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        content: TemplateContent,
        answer: fn(&Template) -> R,
    ) -> Result<R, Error> {
        let content = TemplateContent { active: true, ..content }.check().map_err(|error| error.within("template"))?;
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let template = Template::create(uow.id(), content, uow.now());
        store::template::insert(uow.conn(), &template).await?;
        uow.record(publish::template(&template));
        let answer = answer(&template);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Changes the named fields of a template.
    pub(crate) async fn update<R: Message + Default>(
        &self,
        command: Command<'_, impl Message>,
        id: TemplateId,
        etag: Etag,
        fields: &[&str],
        given: TemplateContent,
        answer: fn(&Template) -> R,
    ) -> Result<R, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let present = store::template::lock(uow.conn(), id).await?;
        let present = present.ok_or_else(|| Error::not_found("template", id))?;
        etag.require(present.version)?;
        let mut content = present.content();
        for field in fields {
            match *field {
                "name" => content.name.clone_from(&given.name),
                "subject" => content.texts.subject.clone_from(&given.texts.subject),
                "text" => content.texts.text.clone_from(&given.texts.text),
                "html" => content.texts.html.clone_from(&given.texts.html),
                _ => content.active = given.active,
            }
        }
        let content = content.check().map_err(|error| error.within("template"))?;
        let template = match present.changed(content, uow.now()) {
            None => present,
            Some(changed) => {
                store::template::update(uow.conn(), &changed).await?;
                uow.record(publish::template(&changed));
                changed
            }
        };
        let answer = answer(&template);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }
}
