//! Templates of letters.

use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::{Code, Error};
use clientele_platform::grpc;
use prost_types::FieldMask;

use crate::post::{Post, fields, new_id, reason};

fn template(name: &str) -> pb::EmailTemplate {
    pb::EmailTemplate {
        name: name.into(),
        subject: "about {{ matter }}".into(),
        text: "Dear {{ customer.name }}, {% if extra %}{{ extra }}{% endif %}".into(),
        ..pb::EmailTemplate::default()
    }
}

async fn create(post: &Post, template: pb::EmailTemplate) -> Result<pb::EmailTemplate, Error> {
    let request = pb::CreateEmailTemplateRequest { template: Some(template), request_id: String::new() };
    Ok(post.templates().create_email_template(request).await.map_err(grpc::error)?.into_inner())
}

async fn update(post: &Post, template: pb::EmailTemplate, mask: &[&str]) -> Result<pb::EmailTemplate, Error> {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateEmailTemplateRequest {
        template: Some(template),
        update_mask: Some(FieldMask { paths }),
        request_id: String::new(),
    };
    Ok(post.templates().update_email_template(request).await.map_err(grpc::error)?.into_inner())
}

#[tokio::test]
async fn a_template_is_created_changed_and_taken_out_of_use() {
    let post = Post::capturing().await;
    let made = create(&post, template("Welcome")).await.unwrap();
    assert!(made.active);
    assert_eq!(made.variables, ["extra", "matter"]);
    let changed = pb::EmailTemplate { html: "<p>{{ more }}</p>".into(), active: false, ..made.clone() };
    let changed = update(&post, changed, &["html", "active"]).await.unwrap();
    assert_eq!((changed.active, changed.variables.len(), changed.text == made.text), (false, 3, true));
    let stale = update(&post, made.clone(), &["name"]).await.unwrap_err();
    assert_eq!(reason(&stale), "ETAG_MISMATCH");
    let got = post.templates().get_email_template(pb::GetEmailTemplateRequest { id: made.id.clone() }).await.unwrap();
    assert_eq!(got.into_inner(), changed);
    let events = post.events().await;
    assert_eq!(events.iter().filter(|event| event.aggregate_id == made.id).count(), 2);

    let person = post.person("Ana", &["ana@example.com"]);
    let request = pb::SendEmailRequest {
        customer_id: person.id,
        contact_point_id: person.emails[0].clone(),
        template_id: made.id,
        request_id: new_id(),
        ..pb::SendEmailRequest::default()
    };
    assert_eq!(fields(&post.try_send(request).await.unwrap_err()), ["template_id"], "it is no longer offered");
}

#[tokio::test]
async fn a_template_that_cannot_be_understood_is_refused_by_field_and_line() {
    let post = Post::capturing().await;
    let of = |subject: &str, text: &str, html: &str| pb::EmailTemplate {
        name: "n".into(),
        subject: subject.into(),
        text: text.into(),
        html: html.into(),
        ..pb::EmailTemplate::default()
    };
    for (template, field, part) in [
        (of("", "x", ""), "template.subject", "missing"),
        (of("s", "", ""), "template.text", "missing"),
        (of("s", "one\n{{ two", ""), "template.text", "line 2"),
        (of("s", "{{ customer.phone }}", ""), "template.text", "customer.phone"),
        (of("s", "x", "<p>\n\n{% include 'x' %}"), "template.html", "line 3"),
        (of("s", "{{ x|nothing }}", ""), "template.text", "line 1"),
        (of(&"s".repeat(251), "x", ""), "template.subject", "at most 250"),
        (pb::EmailTemplate { name: String::new(), ..of("s", "x", "") }, "template.name", "empty"),
    ] {
        let error = create(&post, template).await.unwrap_err();
        assert_eq!(error.violations[0].field, field);
        assert!(error.violations[0].description.contains(part), "{}", error.violations[0].description);
    }
}

#[tokio::test]
async fn a_name_is_taken_once_whatever_its_case() {
    let post = Post::capturing().await;
    create(&post, template("Привет")).await.unwrap();
    let error = create(&post, template("ПРИВЕТ")).await.unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::AlreadyExists, "TEMPLATE_NAME_TAKEN"));
}

#[tokio::test]
async fn templates_are_listed_by_name_page_by_page() {
    let post = Post::capturing().await;
    for name in ["b", "A", "d", "C"] {
        create(&post, template(name)).await.unwrap();
    }
    let gone = create(&post, template("aa")).await.unwrap();
    update(&post, pb::EmailTemplate { active: false, ..gone }, &["active"]).await.unwrap();
    for (include_inactive, expected) in [(false, vec!["A", "b", "C", "d"]), (true, vec!["A", "aa", "b", "C", "d"])] {
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListEmailTemplatesRequest { include_inactive, page_size: 2, page_token };
            let page = post.templates().list_email_templates(request).await.unwrap().into_inner();
            names.extend(page.templates.into_iter().map(|template| template.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(names, expected);
    }
}
