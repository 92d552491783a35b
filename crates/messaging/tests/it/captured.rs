//! Without a mail server letters are captured, and can be read.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_platform::grpc;
use clientele_testkit::SmtpServer;

use crate::post::{Post, letter, new_id};

#[tokio::test]
async fn without_a_mail_server_a_letter_is_captured_as_it_would_have_gone_out() {
    let post = Post::capturing().await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let mut ids = Vec::new();
    for n in 0..3 {
        let request = pb::SendEmailRequest { html: format!("<p>Hi {n}</p>"), ..letter(&ana, &format!("letter {n}")) };
        let email = post.try_send(request).await.unwrap();
        assert_eq!(post.settled(&email.id).await.state(), SendState::Sent);
        post.database.clock.advance(chrono::TimeDelta::seconds(1));
        ids.push(email.id);
    }
    let first = pb::ListCapturedEmailsRequest { page_size: 2, page_token: String::new() };
    let first = post.mailbox().list_captured_emails(first).await.unwrap().into_inner();
    assert!(first.capturing);
    let newest = &first.emails[0];
    assert_eq!((newest.email_id.as_str(), newest.subject.as_str()), (ids[2].as_str(), "letter 2"));
    assert!(newest.source.is_empty() && newest.size_bytes > 100);
    let rest = pb::ListCapturedEmailsRequest { page_size: 2, page_token: first.next_page_token.clone() };
    let rest = post.mailbox().list_captured_emails(rest).await.unwrap().into_inner();
    assert_eq!(
        (rest.emails.len(), rest.emails[0].email_id.as_str(), rest.next_page_token.as_str()),
        (1, ids[0].as_str(), "")
    );

    let request = pb::GetCapturedEmailRequest { id: newest.id.clone() };
    let captured = post.mailbox().get_captured_email(request).await.unwrap().into_inner();
    assert_eq!((captured.html.as_str(), captured.customer_id.as_str()), ("<p>Hi 2</p>", ana.id.as_str()));
    assert!(captured.source.contains("To: ana@example.com\r\n") && captured.source.contains("multipart/alternative"));
    let missing = post.mailbox().get_captured_email(pb::GetCapturedEmailRequest { id: new_id() }).await.unwrap_err();
    assert_eq!(grpc::error(missing).code, clientele_kernel::Code::NotFound);
}

#[tokio::test]
async fn with_a_mail_server_nothing_is_captured() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    post.settled(&post.send(&ana, "out").await.id).await;
    let page =
        post.mailbox().list_captured_emails(pb::ListCapturedEmailsRequest::default()).await.unwrap().into_inner();
    assert_eq!((page.emails.len(), page.capturing, server.count()), (0, false, 1));
}
