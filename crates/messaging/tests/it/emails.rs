//! Letters are asked for: whom they go to, what they say, and that a repetition changes nothing.

use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::Code;
use clientele_platform::grpc;
use clientele_testkit::{SmtpServer, eventually};
use prost::Message;

use crate::post::{Post, fields, letter, new_id, reason};

#[tokio::test]
async fn a_letter_says_what_its_template_and_variables_make_of_it() {
    let post =
        Post::new(&[("COMPANY_NAME", "Bücher & Co"), ("FROM_NAME", "Anna"), ("FROM_ADDRESS", "a@books.example")]).await;
    let ana = post.person("Ana <Ruiz>", &["ana@example.com"]);
    let template = pb::EmailTemplate {
        name: "order".into(),
        subject: "{{ company.name }}: order {{ number }}".into(),
        html: "<p onclick=\"x()\">Dear {{ customer.name }},</p><p>order {{ number }}</p>".into(),
        ..pb::EmailTemplate::default()
    };
    let request = pb::CreateEmailTemplateRequest { template: Some(template), request_id: String::new() };
    let template = post.templates().create_email_template(request).await.unwrap().into_inner();
    let request = pb::SendEmailRequest {
        customer_id: ana.id.clone(),
        to_address: "ANA@example.com".into(),
        template_id: template.id.clone(),
        variables: [("number".to_owned(), "7".to_owned())].into(),
        request_id: new_id(),
        ..pb::SendEmailRequest::default()
    };
    let preview = pb::PreviewEmailRequest { email: Some(request.clone()) };
    let preview = post.emails().preview_email(preview).await.unwrap().into_inner();
    assert!(preview.may_send && preview.reason.is_empty());
    let email = post.try_send(request).await.unwrap();
    assert_eq!(email.subject, "Bücher & Co: order 7");
    assert_eq!(email.html, "<p>Dear Ana &lt;Ruiz&gt;,</p><p>order 7</p>");
    assert_eq!(email.text, "Dear Ana <Ruiz>,\n\norder 7");
    assert_eq!((&preview.subject, &preview.html, &preview.text), (&email.subject, &email.html, &email.text));
    assert_eq!(
        (email.contact_point_id.as_str(), email.from_address.as_str()),
        (ana.emails[0].as_str(), "a@books.example")
    );
    assert_eq!(email.message_id, format!("{}@books.example", email.id));
    assert_eq!((email.state(), email.purpose()), (pb::SendState::Queued, pb::Purpose::Service));
}

#[tokio::test]
async fn the_same_request_gives_the_same_letter_however_often_and_at_once_it_comes() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let request = pb::SendEmailRequest {
        variables: (0..20).map(|n| (format!("v{n}"), n.to_string())).collect(),
        ..letter(&ana, "once")
    };
    let answers = futures_of(&post, &request, 10).await;
    let first = answers[0].as_ref().unwrap().id.clone();
    for answer in answers {
        assert_eq!(answer.unwrap().id, first);
    }
    post.settled(&first).await;
    assert_eq!(post.try_send(request.clone()).await.unwrap().id, first, "also after it was sent");
    assert_eq!(server.count(), 1);

    let other = pb::SendEmailRequest { text: "something else".into(), ..request };
    let error = post.try_send(other).await.unwrap_err();
    assert_eq!((error.code, reason(&error)), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    assert_eq!(fields(&error), ["request_id"]);
}

async fn futures_of(
    post: &Post,
    request: &pb::SendEmailRequest,
    times: usize,
) -> Vec<Result<pb::Email, tonic::Status>> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..times {
        let (mut client, request) = (post.emails(), request.clone());
        tasks.spawn(async move { client.send_email(request).await.map(tonic::Response::into_inner) });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn a_wrong_request_is_told_every_wrong_field() {
    let post = Post::capturing().await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let good = || letter(&ana, "hello");
    let long = |n| "x".repeat(n);
    let cases: Vec<(pb::SendEmailRequest, &[&str])> = vec![
        (pb::SendEmailRequest { request_id: String::new(), ..good() }, &["request_id"]),
        (pb::SendEmailRequest { request_id: long(129), ..good() }, &["request_id"]),
        (pb::SendEmailRequest { customer_id: "7".into(), ..good() }, &["customer_id"]),
        (pb::SendEmailRequest { contact_point_id: String::new(), ..good() }, &["contact_point_id"]),
        (pb::SendEmailRequest { contact_point_id: new_id(), ..good() }, &["contact_point_id"]),
        (pb::SendEmailRequest { to_address: "a@example.com".into(), ..good() }, &["to_address"]),
        (pb::SendEmailRequest { template_id: new_id(), ..good() }, &["template_id"]),
        (pb::SendEmailRequest { subject: String::new(), text: String::new(), ..good() }, &["subject", "text"]),
        (pb::SendEmailRequest { subject: "a\r\nBcc: eve@example.com".into(), ..good() }, &["subject"]),
        (
            pb::SendEmailRequest { subject: long(251), text: long(100_001), html: long(300_001), ..good() },
            &["subject", "text", "html"],
        ),
        (pb::SendEmailRequest { text: "Dear {{ customer.nam }}".into(), ..good() }, &["text"]),
        (pb::SendEmailRequest { text: "{{ number }}".into(), ..good() }, &["variables.number"]),
        (pb::SendEmailRequest { text: "{% for x in y %}".into(), ..good() }, &["text"]),
        (pb::SendEmailRequest { html: "<script>x</script>".into(), ..good() }, &["html"]),
        (pb::SendEmailRequest { purpose: 9, ..good() }, &["purpose"]),
    ];
    for (request, wrong) in cases {
        let error = post.try_send(request.clone()).await.unwrap_err();
        assert_eq!((error.code, fields(&error).as_slice()), (Code::InvalidArgument, wrong), "{request:?}");
        assert!(error.message.chars().count() < 400, "{}", error.message);
    }
    let nobody = pb::SendEmailRequest { customer_id: new_id(), ..good() };
    assert_eq!(post.try_send(nobody).await.unwrap_err().code, Code::NotFound);
    let list = pb::ListEmailsRequest::default();
    assert_eq!(post.emails().list_emails(list).await.unwrap().into_inner().total_size, 0, "nothing was kept");
}

#[tokio::test]
async fn an_address_that_is_none_of_the_customer_s_is_written_to_with_a_reason_alone() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let of_nobody = |reason: &str| pb::SendEmailRequest {
        contact_point_id: String::new(),
        to_address: "colleague@example.com".into(),
        address_reason: reason.into(),
        ..letter(&ana, "hello")
    };
    let error = post.try_send(of_nobody("")).await.unwrap_err();
    assert_eq!(fields(&error), ["address_reason"]);

    let email = post.try_send(of_nobody("asked for it on the phone")).await.unwrap();
    let email = post.settled(&email.id).await;
    assert_eq!((email.state(), email.contact_point_id.as_str()), (pb::SendState::Sent, ""));
    assert_eq!(server.taken()[0].to, "colleague@example.com");

    // No reason stands for a consent to advertising, and none gets past what this customer took back.
    let purpose = pb::Purpose::Marketing.into();
    let email = post.try_send(pb::SendEmailRequest { purpose, ..of_nobody("a good offer") }).await.unwrap();
    let email = post.settled(&email.id).await;
    assert_eq!((email.state(), email.reason.as_str()), (pb::SendState::Suppressed, "UNKNOWN_ADDRESS"));
    post.neighbours.lock().withdrawn.push("gone@example.com".into());
    let gone = pb::SendEmailRequest { to_address: "gone@example.com".into(), ..of_nobody("asked for it") };
    let email = post.settled(&post.try_send(gone).await.unwrap().id).await;
    assert_eq!((email.state(), email.reason.as_str()), (pb::SendState::Suppressed, "CONSENT_WITHDRAWN"));
    assert_eq!(server.count(), 1);

    // An address of another customer: what that customer agreed to decides, whatever reason is given.
    let bob = post.person("Bob", &["bob@example.com"]);
    post.neighbours.lock().withdrawn.push(bob.emails[0].clone());
    let of_bob = pb::SendEmailRequest { to_address: "BOB@example.com".into(), ..of_nobody("he is a friend") };
    let email = post.settled(&post.try_send(of_bob).await.unwrap().id).await;
    assert_eq!((email.state(), email.reason.as_str()), (pb::SendState::Suppressed, "CONSENT_WITHDRAWN"));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn who_may_not_send_is_refused() {
    let post = Post::capturing().await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let transport = post.harness.client("messaging", &["messaging.email.read"]);
    let mut reader = clientele_contracts::messaging::v1::emails_client::EmailsClient::new(transport);
    let refused = grpc::error(reader.send_email(letter(&ana, "x")).await.unwrap_err());
    assert_eq!(refused.code, Code::PermissionDenied);
    assert_eq!(post.neighbours.lock().asked.len(), 0);
}

#[tokio::test]
async fn nothing_personal_is_told_to_others() {
    let post = Post::capturing().await;
    let ana = post.person("Canaria", &["canary@example.com"]);
    let request = pb::SendEmailRequest { html: "<p>birdsong</p>".into(), ..letter(&ana, "feather") };
    let email = post.try_send(request).await.unwrap();
    let email = post.settled(&email.id).await;
    assert_eq!(email.state(), pb::SendState::Sent);
    let events = post.events().await;
    let versions: Vec<_> = events.iter().filter(|event| event.aggregate_id == email.id).collect();
    assert_eq!(versions.len(), 2, "accepted and settled");
    assert!(versions.iter().all(|event| event.customer_id == ana.id));
    for event in &events {
        let bytes = String::from_utf8_lossy(&event.encode_to_vec()).to_lowercase();
        for word in ["canar", "birdsong", "feather", "example.com"] {
            assert!(!bytes.contains(word), "{word} is told by {}", event.aggregate_type);
        }
    }
}

#[tokio::test]
async fn no_more_letters_wait_than_may_and_what_was_asked_for_before_is_still_answered() {
    let post = Post::new(&[("SEND_MOST_WAITING", "3")]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    post.neighbours.lock().down = true;
    let first = letter(&ana, "first");
    let known = post.try_send(first.clone()).await.unwrap();
    for subject in ["second", "third"] {
        post.send(&ana, subject).await;
    }
    // Whether it is counted or remembered makes no difference.
    for _ in 0..2 {
        let error = post.try_send(letter(&ana, "one too many")).await.unwrap_err();
        assert_eq!((error.code, reason(&error)), (Code::ResourceExhausted, "TOO_MANY_LETTERS_WAITING"));
        assert!(error.message.contains("messaging.send_most_waiting") && error.retry_after.is_some(), "{error:?}");
        post.database.clock.advance(chrono::TimeDelta::seconds(2));
    }
    assert_eq!(post.try_send(first).await.unwrap().id, known.id);
    post.neighbours.lock().down = false;
    post.database.clock.advance(chrono::TimeDelta::minutes(5));
    post.settled(&known.id).await;
    post.database.clock.advance(chrono::TimeDelta::seconds(2));
    eventually("there is room again", async || post.try_send(letter(&ana, "now")).await.ok()).await;
}
