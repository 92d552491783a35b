//! Without a mail server letters are captured, and can be read.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_platform::grpc;
use clientele_testkit::{SmtpServer, eventually};

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
async fn a_captured_letter_is_sent_whatever_happens_before_that_is_written() {
    let post = Post::capturing().await;
    let mut superuser = post.database.superuser().await;
    let script = "create function messaging.refuse() returns trigger language plpgsql as
            $$ begin raise exception 'not now'; end $$;
        create trigger refuse before update on messaging.email for each row when (new.state = 'sent')
            execute function messaging.refuse()";
    sqlx::raw_sql(script).execute(&mut superuser).await.unwrap();
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "hello").await;
    eventually("the letter is captured", async || {
        let request = pb::ListCapturedEmailsRequest::default();
        let page = post.mailbox().list_captured_emails(request).await.unwrap().into_inner();
        (!page.emails.is_empty()).then_some(())
    })
    .await;
    // The claim ends, and before the letter is claimed again consent is withdrawn.
    post.neighbours.lock().withdrawn.push(ana.emails[0].clone());
    post.database.clock.advance(chrono::TimeDelta::hours(1));
    let claims = "select 1 from messaging.email where claim_epoch > 1";
    loop {
        if sqlx::query(claims).fetch_optional(&mut superuser).await.unwrap().is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("drop trigger refuse on messaging.email").execute(&mut superuser).await.unwrap();
    let email = post.settled(&email.id).await;
    assert_eq!((email.state(), email.reason.as_str()), (SendState::Sent, ""));
}

/// The subjects in the captured mailbox, newest first.
async fn subjects(post: &Post) -> Vec<String> {
    let request = pb::ListCapturedEmailsRequest::default();
    let page = post.mailbox().list_captured_emails(request).await.unwrap().into_inner();
    page.emails.into_iter().map(|email| email.subject).collect()
}

#[tokio::test]
async fn the_captured_mailbox_keeps_so_many_letters_so_long_and_the_ledger_keeps_them_all() {
    let post = Post::capturing().await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let mut ids = Vec::new();
    for subject in ["one", "two", "three", "four"] {
        ids.push(post.settled(&post.send(&ana, subject).await.id).await.id);
        post.database.clock.advance(chrono::TimeDelta::hours(1));
    }
    post.start(&[("MAILBOX_MOST", "3")]).await;
    eventually("the oldest is forgotten", async || (subjects(&post).await.len() == 3).then_some(())).await;
    assert_eq!(subjects(&post).await, ["four", "three", "two"]);
    // The second letter is three hours old, the third two.
    post.start(&[("MAILBOX_KEEP", "150m")]).await;
    eventually("the next one is too old", async || (subjects(&post).await.len() == 2).then_some(())).await;
    assert_eq!(subjects(&post).await, ["four", "three"]);
    for id in ids {
        let email = post.get(&id).await;
        assert_eq!((email.state(), email.text.is_empty()), (SendState::Sent, false));
    }
}

#[tokio::test]
async fn a_captured_letter_that_the_ledger_has_not_settled_is_kept_however_old_it_is() {
    let post = Post::capturing().await;
    let mut superuser = post.database.superuser().await;
    let script = "create function messaging.refuse() returns trigger language plpgsql as
            $$ begin raise exception 'not now'; end $$;
        create trigger refuse before update on messaging.email
            for each row when (new.state = 'sent' and new.subject = 'unsettled') execute function messaging.refuse()";
    sqlx::raw_sql(script).execute(&mut superuser).await.unwrap();
    let ana = post.person("Ana", &["ana@example.com"]);
    let unsettled = post.send(&ana, "unsettled").await;
    eventually("it is captured", async || (subjects(&post).await == ["unsettled"]).then_some(())).await;
    post.settled(&post.send(&ana, "settled").await.id).await;
    post.database.clock.advance(chrono::TimeDelta::days(100));
    post.start(&[]).await;
    eventually("the other one is forgotten", async || (subjects(&post).await == ["unsettled"]).then_some(())).await;
    sqlx::raw_sql("drop trigger refuse on messaging.email").execute(&mut superuser).await.unwrap();
    post.database.clock.advance(chrono::TimeDelta::hours(1));
    assert_eq!(post.settled(&unsettled.id).await.state(), SendState::Sent);
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
